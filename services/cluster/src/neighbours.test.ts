import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DIMENSIONS, loadAgeGroupMeans } from './age-groups.js'
import { DotKernel, TILE } from './dot-kernel.js'
import { edges, findNeighbours, pairsByDefinition } from './neighbours.js'
import { faceTable } from './face-table.js'
import { dot } from './score.js'
import { direction, seeded, syntheticFaces } from './synthetic.js'

test('the kernel computes inner products, and a.b is b.a to the digit', () => {
  const kernel = new DotKernel()
  const random = seeded(4)
  const vectors = Array.from({ length: TILE }, () => Float32Array.from(direction(random)))
  vectors.forEach((v, i) => kernel.columns.set(v, i * DIMENSIONS))
  const rows = vectors.map(v => {
    kernel.row.set(v)
    kernel.run(TILE)
    return kernel.out.slice()
  })
  for (let i = 0; i < TILE; i++)
    for (let j = 0; j < TILE; j++) {
      expect(rows[i]![j]).toBe(rows[j]![i])
      if (i < 8) expect(Math.abs(rows[i]![j]! - dot(vectors[i]!, 0, vectors[j]!, 0))).toBeLessThan(1e-6)
    }
})

const kernels = [new DotKernel(), new DotKernel()] as const

test('the search finds every pair above the floor, children and adults mixed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 300 }), (seed, count) => {
      const random = seeded(seed)
      const faces = syntheticFaces({ faces: count, people: 40, seed }).map(f => ({
        ...f,
        age: random() < 0.3 ? 5 : 35,
      }))
      const table = faceTable(faces, loadAgeGroupMeans())
      const slots = [...table.index.values()]
      const lists = findNeighbours(table, slots, kernels, { width: 300 })
      const found = new Map([...edges(lists)].map(([i, j, score]) => [`${i} ${j}`, score]))
      const wanted = pairsByDefinition(table, slots, 1e-4)
      for (const [i, j, score] of wanted) expect(found.get(`${i} ${j}`)).toBeCloseTo(score, 3)
      expect(found.size).toBeGreaterThanOrEqual(wanted.length)
      expect(found.size).toBeLessThanOrEqual(pairsByDefinition(table, slots, -1e-4).length)
    }),
    { numRuns: 15 },
  )
})
