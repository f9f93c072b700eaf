import { expect, test } from 'vitest'
import { familyShare } from './family-share.js'

test('one family leaves a quarter of the places to others, and at least one of three', () => {
  expect([1, 2, 3, 4, 8, 64].map(familyShare)).toEqual([1, 2, 2, 3, 6, 48])
})

test('a family that is alone always gets a place', () => {
  for (let limit = 1; limit <= 100; limit++) expect(familyShare(limit)).toBeGreaterThan(0)
})
