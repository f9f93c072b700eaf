import { expect, test } from 'vitest'
import { bcubed } from './bcubed.js'

test('perfect clusters score 1, a missed face costs recall only', () => {
  expect(
    bcubed([
      { person: 'a', cluster: '1' },
      { person: 'a', cluster: '1' },
      { person: 'b', cluster: '2' },
    ]).f,
  ).toBe(1)
  const missed = bcubed([
    { person: 'a', cluster: '1' },
    { person: 'a', cluster: undefined },
  ])
  expect(missed).toMatchObject({ precision: 1, recall: 0.5 })
})

test('two people in one cluster cost precision', () => {
  const merged = bcubed([
    { person: 'a', cluster: '1' },
    { person: 'b', cluster: '1' },
  ])
  expect(merged).toMatchObject({ precision: 0.5, recall: 1 })
  expect(merged.f).toBeCloseTo(2 / 3)
})
