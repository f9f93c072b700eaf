import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { groupDuplicates, hammingDistance, NEAR_BITS, type Hashed } from './duplicates.js'

const item = (id: string, hash: string, at: number, dated = true): Hashed => ({ id, hash, at, dated })
const A = '0f0f3c3cf0f0a5a5'
const flip = (hash: string, bits: number) =>
  (BigInt(`0x${hash}`) ^ ((1n << BigInt(bits)) - 1n)).toString(16).padStart(16, '0')

describe('bursts', () => {
  test('similar pictures within seconds are one burst, chained', () => {
    expect(
      groupDuplicates([
        item('a', A, 0),
        item('b', flip(A, 12), 2_000),
        item('c', flip(A, 16), 4_000),
        item('d', A, 60_000_000),
      ]),
    ).toEqual([{ id: 'a', kind: 'burst', mediaIds: ['a', 'b', 'c', 'd'] }])
  })
  test('items that only their file dates form none', () => {
    expect(groupDuplicates([item('a', A, 0, false), item('b', flip(A, 12), 1_000, false)])).toEqual([])
  })
  test('different scenes within seconds are none', () => {
    expect(groupDuplicates([item('a', A, 0), item('b', flip(A, 30), 1_000)])).toEqual([])
  })
  test("the camera's own mark counts whatever the pictures show", () => {
    const marked = { burstId: 'X', dated: false }
    expect(
      groupDuplicates([
        { ...item('a', A, 0), ...marked },
        { ...item('b', flip(A, 40), 9e9), ...marked },
      ])[0]?.kind,
    ).toBe('burst')
  })
})

describe('near duplicates', () => {
  test('copies at any distance in time', () => {
    expect(
      groupDuplicates([item('a', A, 0), item('b', flip(A, NEAR_BITS), 9e9), item('c', flip(A, 20), 9e9, false)]),
    ).toEqual([{ id: 'a', kind: 'near-duplicate', mediaIds: ['a', 'b'] }])
  })
  test('flat pictures resemble everything, so they resemble nothing', () => {
    expect(groupDuplicates([item('a', '0000000000000000', 0), item('b', '0000000000000001', 9e9)])).toEqual([])
  })
})

test('the index finds every pair that comparing all with all finds, in any order', () => {
  const hash = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  const near = fc
    .tuple(hash, fc.array(fc.array(fc.integer({ min: 0, max: 63 }), { maxLength: 8 }), { maxLength: 8 }))
    .map(([base, flips]) =>
      [base, ...flips.map(bits => bits.reduce((h, bit) => h ^ (1n << BigInt(bit)), base))].map(h =>
        h.toString(16).padStart(16, '0'),
      ),
    )
  fc.assert(
    fc.property(fc.array(near, { maxLength: 4 }), fc.integer(), (clusters, seed) => {
      const items = clusters.flat().map((h, i) => item(String(i).padStart(3, '0'), h, i * 1e8))
      const groups = groupDuplicates(items)
      const groupOf = new Map(groups.flatMap(g => g.mediaIds.map(id => [id, g.id])))
      const bits = (h: string) => hammingDistance(h, '0000000000000000')
      for (const a of items) {
        for (const b of items) {
          if (
            a.id < b.id &&
            hammingDistance(a.hash!, b.hash!) <= NEAR_BITS &&
            [a, b].every(x => bits(x.hash!) >= 6 && bits(x.hash!) <= 58)
          ) {
            expect(groupOf.get(a.id)).toBeDefined()
            expect(groupOf.get(a.id)).toBe(groupOf.get(b.id))
          }
        }
      }
      const shuffled = [...items].sort(
        (x, y) => ((Number(x.id) * 7919 + seed) % 101) - ((Number(y.id) * 7919 + seed) % 101),
      )
      expect(groupDuplicates(shuffled)).toEqual(groups)
    }),
    { numRuns: 60 },
  )
})
