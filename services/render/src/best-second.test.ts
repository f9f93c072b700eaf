import { expect, test } from 'vitest'
import { bestSecond } from './best-second.js'

const still = { durationS: 10, faces: [], loudness: [], motion: [] }

test('with nothing known the middle of a video is taken', () => {
  expect(bestSecond(still)).toMatchObject({ startS: 4.5, reason: 'the middle' })
})

test('a clip shorter than the slot is shown from its start', () => {
  expect(bestSecond({ ...still, durationS: 0.8 })).toMatchObject({ startS: 0 })
})

test('a smiling face draws the second to it', () => {
  const faces = [2, 7].map(atS => ({ atS, size: 0.3, smile: atS === 7 ? 1 : 0, weight: 1 }))
  const best = bestSecond({ ...still, faces })
  expect(best.startS).toBeGreaterThan(5.5)
  expect(best.startS).toBeLessThan(7.5)
  expect(best.reason).toContain('smiles')
})

test('where nothing is heard or seen, a second that moves is better than one that stands still', () => {
  const { startS, reason } = bestSecond({ ...still, motion: [0, 0, 0, 0, 0, 0.3, 0.3, 0.3, 0.3, 0.3] })
  expect(startS).toBeGreaterThanOrEqual(5)
  expect(reason).toBe('the second with motion')
})

test('past the end of what was measured nothing is known: it counts neither for a second nor against it', () => {
  const early = { atS: 1, size: 0.1, smile: 0, weight: 1 }
  const late = { atS: 8, size: 0.09, smile: 0, weight: 1 }
  expect(bestSecond({ ...still, faces: [early, late], motion: [0, 0, 0, 0.35] }).startS).toBeLessThan(2)
  expect(bestSecond({ ...still, faces: [early, late], motion: [0.9, 0.9, 0.9, 0.9] }).startS).toBeGreaterThan(6)
  expect(bestSecond({ ...still, motion: [0.9, 0.9] })).toMatchObject({ startS: 4.5, reason: 'the middle' })
})

test('of the clip of a live photo it is the one around the picture, unless much more happens elsewhere', () => {
  const clip = { ...still, durationS: 3, momentS: 1.5 }
  expect(bestSecond(clip)).toMatchObject({ startS: 1, reason: 'the second with the picture itself' })
  const laugh = { atS: 2.4, size: 0.35, smile: 1, weight: 2 }
  expect(bestSecond({ ...clip, faces: [laugh] }).startS).toBeGreaterThan(1)
})

test('a voice draws it where no face is seen, wild motion drives it away', () => {
  expect(bestSecond({ ...still, loudness: [-70, -70, -70, -20, -70, -70, -70, -70, -70, -70] }).startS).toBe(3)
  const motion = [0.3, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
  expect(bestSecond({ ...still, motion }).startS).toBeLessThanOrEqual(1)
})
