import { expect, test } from 'vitest'
import { BusyRatio } from './busy-ratio.js'

test('says what part of the last while workers were at work, running work counted', () => {
  const busy = new BusyRatio(2, 100)
  expect(busy.at(1000)).toBe(0)
  const first = busy.begin(1000)
  const second = busy.begin(1050)
  first(1060)
  first(1090)
  expect(busy.at(1100)).toBeCloseTo((60 + 50) / 200)
  expect(busy.at(1150)).toBeCloseTo((10 + 100) / 200)
  second(1150)
  expect(busy.at(1300)).toBe(0)
})
