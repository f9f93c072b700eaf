import { expect, test } from 'vitest'
import { mundaneMark, type MundaneEvidence } from './marks.js'

const photo: MundaneEvidence = {
  fileName: 'IMG_1.jpg',
  format: 'jpeg',
  width: 4032,
  height: 3024,
  hasCamera: true,
  figures: { flatShare: 0.05, paperShare: 0.05, colourfulness: 40, sharpness: 200 },
}

test('a family picture is nothing else', () => expect(mundaneMark(photo)).toBeUndefined())
test('screenshots by name, by comment, by size without a camera', () => {
  expect(mundaneMark({ ...photo, fileName: 'Screenshot_20190102-030405.jpg' })).toBe('screenshot')
  expect(mundaneMark({ ...photo, userComment: 'Screenshot' })).toBe('screenshot')
  expect(mundaneMark({ ...photo, format: 'png', width: 1170, height: 2532, hasCamera: false })).toBe('screenshot')
  expect(mundaneMark({ ...photo, width: 1170, height: 2532, hasCamera: false })).toBeUndefined()
  expect(mundaneMark({ ...photo, format: 'png', width: 1080, height: 1920 })).toBeUndefined()
})
test('paper, long and narrow or not', () => {
  const figures = { flatShare: 0.1, paperShare: 0.7, colourfulness: 6, sharpness: 900 }
  expect(mundaneMark({ ...photo, figures })).toBe('document')
  expect(mundaneMark({ ...photo, figures, width: 1000, height: 2600 })).toBe('receipt')
})
test('snow and a white wall are no paper', () => {
  expect(
    mundaneMark({ ...photo, figures: { flatShare: 0.1, paperShare: 0.8, colourfulness: 6, sharpness: 90 } }),
  ).toBeUndefined()
  expect(
    mundaneMark({ ...photo, figures: { flatShare: 0.1, paperShare: 0.6, colourfulness: 30, sharpness: 900 } }),
  ).toBeUndefined()
})
