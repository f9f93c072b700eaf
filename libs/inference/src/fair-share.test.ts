import fc from 'fast-check'
import { expect, test } from 'vitest'
import { charge, NOBODY_SERVED, turnOf, type FairShare } from './fair-share.js'

test('claimants who always want more get the same, but for one piece each', () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(pieces, fc.integer({ min: 2, max: 6 }), (amounts, claimants) => {
      const had = new Array<number>(claimants).fill(0)
      let share: FairShare<number> = NOBODY_SERVED
      for (const amount of amounts) {
        const turns = had.map((_, claimant) => turnOf(share, claimant))
        const next = turns.indexOf(Math.min(...turns))
        share = charge(share, next, amount, true)
        had[next] = (had[next] ?? 0) + amount
      }
      expect(Math.max(...had) - Math.min(...had)).toBeLessThanOrEqual(2 * Math.max(...amounts))
    }),
  )
})

test('remembers nobody whose turn has come again', () => {
  let share: FairShare<number> = NOBODY_SERVED
  for (let claimant = 0; claimant < 10_000; claimant++) {
    share = charge(share, claimant, 1, true)
    share = charge(share, -1, 1, true)
  }
  expect(share.ahead.size).toBeLessThan(10_002)
  share = charge(charge(share, -1, 1, true), -1, 1, true)
  expect(share.ahead.size).toBe(1)
})

test('who is given something before the turn pays for it, and takes nothing from those who wait', () => {
  let share: FairShare<string> = charge(NOBODY_SERVED, 'a', 10, true)
  share = charge(share, 'a', 10, false)
  expect(turnOf(share, 'a')).toBe(20)
  expect(turnOf(share, 'b')).toBe(0)
})
