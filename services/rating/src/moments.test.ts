import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MomentItem } from './moments.js'
import { findMoments, kilometres } from './moments.js'

const minute = 60_000
const at = (minutes: number, id: string, more: Partial<MomentItem> = {}): MomentItem => ({
  mediaId: id,
  at: minutes * minute,
  exact: true,
  place: '',
  ...more,
})

test('a pause ends a moment, and so does a journey', () => {
  const tokyo = { latitude: 35.68, longitude: 139.76, place: 'Tokyo' }
  const chiba = { latitude: 35.6, longitude: 140.12, place: 'Chiba' }
  const found = findMoments([at(0, 'a', tokyo), at(30, 'b'), at(60, 'c', tokyo), at(70, 'd', chiba), at(300, 'e')])
  expect(found.map(m => m.mediaIds)).toEqual([['a', 'b', 'c'], ['d'], ['e']])
  expect(found.map(m => m.place)).toEqual(['Tokyo', 'Chiba', ''])
  expect(found[0]).toMatchObject({ id: 'a', from: 0, to: 60 * minute })
})

test('an item dated only by its file forms none', () => {
  expect(findMoments([at(0, 'a', { exact: false }), at(1, 'b')]).flatMap(m => m.mediaIds)).toEqual(['b'])
})

test('each exact item is in one moment, whatever the order; moments do not overlap and are not too long', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(3000), { maxLength: 80 }), fc.infiniteStream(fc.boolean()), (times, flags) => {
      const items = times.map((t, i) => at(t, `m${i}`, { exact: flags.next().value !== false }))
      const found = findMoments(items)
      expect(found.flatMap(m => m.mediaIds).sort()).toEqual(
        items
          .filter(i => i.exact)
          .map(i => i.mediaId)
          .sort(),
      )
      expect(findMoments([...items].reverse())).toEqual(found)
      for (const [i, m] of found.entries()) {
        expect(m.to - m.from).toBeLessThanOrEqual(6 * 60 * minute)
        if (i > 0) expect(m.from).toBeGreaterThan(found[i - 1]!.to)
      }
    }),
  )
})

test('distance on the sphere', () => {
  expect(kilometres(35.68, 139.76, 34.69, 135.5)).toBeGreaterThan(390)
  expect(kilometres(35.68, 139.76, 34.69, 135.5)).toBeLessThan(410)
})
