import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_LOOKS, samplingTimes } from './sampling.js'

const still = (seconds: number): number[] => Array.from({ length: seconds }, () => 0)
const between = (times: readonly number[], from: number, to: number): number =>
  times.filter(time => time >= from && time < to).length

describe('samplingTimes', () => {
  test('of a video whose motion is not known one frame a second, in the middle of it', () => {
    expect(samplingTimes(5, [])).toEqual([0.5, 1.5, 2.5, 3.5, 4.5])
  })

  test('a clip of a moment is looked at four times, what has no length once', () => {
    expect(samplingTimes(1, [0])).toEqual([0.125, 0.375, 0.625, 0.875])
    expect(samplingTimes(0, [])).toEqual([0])
  })

  test('where it moves, it is looked at four times as often', () => {
    const times = samplingTimes(20, [...still(10), ...still(10).map(() => 0.3)])
    expect(between(times, 0, 10)).toBe(5)
    expect(between(times, 10, 20)).toBe(20)
  })

  test('ten minutes cost no more than a minute, and every scene of them is looked at', () => {
    const motion = still(600)
    for (const cut of [20, 21 + 30, 300, 303, 590]) motion[cut] = 0.2
    const times = samplingTimes(600, motion)
    expect(times).toHaveLength(MAX_LOOKS)
    for (const [from, to] of [
      [0, 21],
      [21, 52],
      [52, 301],
      [301, 304],
      [304, 591],
      [591, 600],
    ] as const)
      expect(between(times, from, to)).toBeGreaterThan(0)
  })

  test('of more scenes than looks the longest are looked at', () => {
    // A cut every second second, and one long scene at the end.
    const motion = Array.from({ length: 400 }, (_, i) => (i < 300 && i % 3 === 2 ? 0.2 : 0))
    const times = samplingTimes(400, motion)
    expect(times).toHaveLength(MAX_LOOKS)
    expect(between(times, 300, 400)).toBeGreaterThan(0)
  })

  test('whatever the motion: ascending, inside the video, within the bound', () => {
    const motion = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { maxLength: 700 })
    fc.assert(
      fc.property(fc.double({ min: 0, max: 5000, noNaN: true }), motion, (duration, known) => {
        const times = samplingTimes(duration, known)
        expect(times.length).toBeGreaterThanOrEqual(1)
        expect(times.length).toBeLessThanOrEqual(MAX_LOOKS)
        times.forEach((time, i) => {
          expect(time).toBeGreaterThanOrEqual(times[i - 1] ?? 0)
          expect(time).toBeLessThanOrEqual(duration)
        })
      }),
    )
  })
})
