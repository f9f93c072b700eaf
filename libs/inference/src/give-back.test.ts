import { expect, test } from 'vitest'
import { giveBack } from './give-back.js'

test('the memory of an array is free at once, and giving it back twice does nothing', () => {
  const before = process.memoryUsage().arrayBuffers
  const bytes = new Uint8Array(50_000_000)
  giveBack(bytes)
  giveBack(bytes)
  expect(bytes.length).toBe(0)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(25_000_000)
})

test('an array that is a part of a buffer is left alone', () => {
  const whole = new Uint8Array([1, 2, 3, 4])
  giveBack(whole.subarray(1, 3))
  expect([...whole]).toEqual([1, 2, 3, 4])
})
