import { expect, test } from 'vitest'
import { DIMENSIONS } from './age-groups.js'
import { faceTable } from './face-table.js'
import { syntheticFaces } from './synthetic.js'

test('of a face that is removed nothing stays, and its slot is given to another one', () => {
  const [a, b, c] = syntheticFaces({ faces: 3, people: 3, seed: 1 })
  const table = faceTable([a!, b!])
  const slot = table.index.get(a!.id)!
  table.remove(slot)
  for (const vectors of [table.raw, table.own])
    expect(vectors.subarray(slot * DIMENSIONS, (slot + 1) * DIMENSIONS).every(v => v === 0)).toBe(true)
  expect(table.faces[slot]).toBeUndefined()
  expect(table.size).toBe(1)
  expect(table.add(c!)).toBe(slot)
})
