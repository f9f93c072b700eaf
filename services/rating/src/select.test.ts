import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Candidate, Wanted } from './select.js'
import { select } from './select.js'

const day = 86_400_000
const start = Date.UTC(2024, 0, 1)
const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  purpose: 'one-second',
  count: 12,
  lock: [],
  ban: [],
  videoShare: 0.25,
  ...more,
})
const item = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  mediaId: id,
  kind: 'photo',
  at: start,
  rating: 50,
  childIds: [],
  personIds: [],
  place: '',
  blocked: '',
  mundane: '',
  visible: true,
  ...more,
})

const candidate = fc.record({
  kind: fc.constantFrom('photo' as const, 'video' as const, 'live' as const),
  day: fc.nat(90),
  rating: fc.integer({ min: 0, max: 100 }),
  moment: fc.option(fc.nat(12)),
  children: fc.subarray(['hana', 'yui']),
  people: fc.subarray(['p1', 'p2', 'p3']),
  group: fc.option(fc.nat(8)),
  place: fc.constantFrom('', 'Tokyo', 'Osaka'),
  blocked: fc.constantFrom('', '', '', 'less', 'never'),
  mundane: fc.constantFrom('', '', '', 'receipt'),
  visible: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
})
const album = fc.array(candidate, { maxLength: 120 }).map(list =>
  list.map((c, i): Candidate => ({
    mediaId: `m${String(i).padStart(3, '0')}`,
    kind: c.kind,
    at: start + c.day * day + i,
    rating: c.rating,
    childIds: c.children,
    personIds: c.people,
    place: c.place,
    blocked: c.blocked,
    mundane: c.mundane,
    visible: c.visible,
    ...(c.moment === null ? {} : { momentId: `t${c.moment}` }),
    ...(c.group === null ? {} : { duplicateGroup: `d${c.group}` }),
  })),
)
const wish = fc
  .record({
    count: fc.integer({ min: 1, max: 40 }),
    lock: fc.uniqueArray(
      fc.nat(119).map(n => `m${String(n).padStart(3, '0')}`),
      { maxLength: 4 },
    ),
    ban: fc.uniqueArray(
      fc.nat(119).map(n => `m${String(n).padStart(3, '0')}`),
      { maxLength: 4 },
    ),
    from: fc.option(
      fc.nat(60).map(d => start + d * day),
      { nil: undefined },
    ),
    childId: fc.option(fc.constantFrom('hana', 'yui'), { nil: undefined }),
  })
  .map(w => {
    const { from, childId, ...rest } = w
    return wanted({ ...rest, ...(from === undefined ? {} : { from }), ...(childId === undefined ? {} : { childId }) })
  })

describe('whatever the album and the wish', () => {
  test('nothing forbidden is chosen, locks are kept, near duplicates and crowded moments are not', () => {
    fc.assert(
      fc.property(album, wish, (items, w) => {
        const { items: chosen, rejected, eligible } = select(items, w)
        const byId = new Map(items.map(i => [i.mediaId, i]))
        const ids = chosen.map(p => p.mediaId)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids.length).toBeLessThanOrEqual(Math.max(w.count, w.lock.length))
        for (const id of ids) {
          const i = byId.get(id)!
          expect(i.visible).toBe(true)
          expect(i.blocked).not.toBe('never')
          expect(w.ban).not.toContain(id)
          if (w.lock.includes(id)) continue
          expect(i.mundane).toBe('')
          if (w.from !== undefined) expect(i.at).toBeGreaterThanOrEqual(w.from)
          if (w.childId !== undefined) expect(i.childIds).toContain(w.childId)
        }
        for (const id of w.lock) {
          const i = byId.get(id)
          const possible = i && i.visible && i.blocked !== 'never' && !w.ban.includes(id)
          if (possible) expect(ids).toContain(id)
          else expect(rejected.map(p => p.mediaId)).toContain(id)
        }
        const free = ids.filter(id => !w.lock.includes(id)).map(id => byId.get(id)!)
        const groups = free.map(i => i.duplicateGroup).filter(g => g !== undefined)
        expect(new Set(groups).size).toBe(groups.length)
        expect(eligible).toBeGreaterThanOrEqual(ids.length)
        expect(chosen.map(p => byId.get(p.mediaId)!.at)).toEqual(
          chosen.map(p => byId.get(p.mediaId)!.at).sort((a, b) => a - b),
        )
        for (const p of [...chosen, ...rejected]) expect(p.reason).toMatch(/^[A-Z].*\.$/)
        expect(rejected.filter(p => ids.includes(p.mediaId))).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test('the same input gives the same choice, in any order', () => {
    fc.assert(
      fc.property(album, wish, (items, w) => {
        expect(select([...items].reverse(), w)).toEqual(select(items, w))
      }),
    )
  })

  test('the choice is as long as it can be where nothing but the count limits it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 60 }), (count, n) => {
        const items = Array.from({ length: n }, (_, i) => item(`m${i}`, { at: start + i * day }))
        expect(select(items, wanted({ count })).items).toHaveLength(Math.min(count, n))
      }),
    )
  })
})

describe('balance', () => {
  test('one busy week does not push the rest of the quarter out', () => {
    const items = [
      ...Array.from({ length: 200 }, (_, i) =>
        item(`busy${i}`, { at: start + 40 * day + i * 3_000_000, rating: 60 + (i % 10), momentId: `b${i >> 2}` }),
      ),
      ...Array.from({ length: 30 }, (_, i) =>
        item(`calm${i}`, { at: start + i * 3 * day, rating: 50 + (i % 10), momentId: `c${i}` }),
      ),
    ]
    const chosen = select(items, wanted({ count: 24 })).items
    const calm = chosen.filter(p => p.mediaId.startsWith('calm'))
    expect(calm.length).toBeGreaterThanOrEqual(8)
    expect(new Set(calm.map(p => Math.floor(Number(p.mediaId.slice(4)) / 10))).size).toBe(3)
  })

  test('each child has its share, although one is photographed six times as often and a little better', () => {
    const items = Array.from({ length: 140 }, (_, i) => {
      const yui = i % 7 === 0
      return item(`m${i}`, {
        at: start + i * (day / 2),
        rating: (yui ? 52 : 58) + (i % 9),
        childIds: [yui ? 'yui' : 'hana'],
        momentId: `t${i >> 1}`,
      })
    })
    const chosen = select(items, wanted({ count: 20 })).items
    const yui = chosen.filter(p => Number(p.mediaId.slice(1)) % 7 === 0).length
    expect(yui).toBeGreaterThanOrEqual(8)
    expect(yui).toBeLessThanOrEqual(12)
  })

  test('videos come in about their share, not more where photos are better', () => {
    const items = Array.from({ length: 80 }, (_, i) =>
      item(`m${i}`, { at: start + i * day, rating: i % 4 === 0 ? 50 : 58, kind: i % 4 === 0 ? 'video' : 'photo' }),
    )
    const videos = select(items, wanted({ count: 20 })).items.filter(p => Number(p.mediaId.slice(1)) % 4 === 0).length
    expect(videos).toBeGreaterThanOrEqual(4)
    expect(videos).toBeLessThanOrEqual(8)
  })

  test('at most three of a moment, more only where there is nothing else', () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      item(`m${i}`, { at: start + (i >> 4) * day + i * 60_000, rating: i < 16 ? 90 : 40, momentId: `t${i >> 4}` }),
    )
    const first = (count: number): number =>
      select(many, wanted({ count })).items.filter(p => p.momentId === 't0').length
    expect(first(8)).toBeLessThanOrEqual(3)
    const party = Array.from({ length: 30 }, (_, i) => item(`p${i}`, { at: start + i * 60_000, momentId: 'party' }))
    expect(select(party, wanted({ count: 12 })).items).toHaveLength(12)
  })

  test('the best are chosen where nothing speaks for others, and what stays out says why', () => {
    const items = Array.from({ length: 30 }, (_, i) =>
      item(`m${String(i).padStart(2, '0')}`, { at: start + i, rating: i }),
    )
    const { items: chosen, rejected } = select(items, wanted({ count: 5, ban: ['m29'] }))
    expect(chosen.map(p => p.mediaId)).toEqual(['m24', 'm25', 'm26', 'm27', 'm28'])
    expect(rejected[0]).toMatchObject({ mediaId: 'm29', reasonKey: 'not-banned' })
    expect(rejected[1]).toMatchObject({ mediaId: 'm23', reasonKey: 'not-rating' })
  })
})

test('the work of a choice grows with the number of items, not with its square', () => {
  // Looks at ratings are counted, not seconds: a slow machine changes nothing. The time stands in `npm run bench -- selection`.
  const looks = (count: number): number => {
    let seen = 0
    const items = Array.from({ length: count }, (_, i) => {
      const one = item(`m${i}`, {
        at: start + i * 300_000,
        momentId: `t${i >> 4}`,
        kind: i % 9 === 0 ? 'video' : 'photo',
        childIds: [['hana'], ['yui'], [], ['hana', 'yui']][i % 4]!,
        personIds: [`p${i % 20}`],
        place: ['Tokyo', 'Osaka', ''][i % 3]!,
        ...(i % 5 === 0 ? { duplicateGroup: `d${i >> 3}` } : {}),
      })
      return Object.defineProperty(one, 'rating', { get: () => (seen++, (i * 7919) % 100) })
    })
    expect(select(items, wanted({ count: 60 })).items).toHaveLength(60)
    return seen
  }
  // Sorting makes it a little more than four times.
  expect(looks(20_000)).toBeLessThan(6 * looks(5_000))
})
