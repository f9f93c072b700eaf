import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chaptersVtt } from './chapters.js'
import { contains, frameItem, mainFace, rectAt, type FramedFace } from './framing.js'
import { MOODS, MOOD_NAMES } from './moods.js'
import { itemsForSeconds, planMovie, type PlanItem, type PlanRequest } from './plan.js'
import { ASPECTS, FPS, SIZES, type Storyboard } from './storyboard.js'
import { testItem } from './testing/material.js'

const face = fc
  .record({
    x: fc.double({ min: 0, max: 0.95, noNaN: true }),
    y: fc.double({ min: 0, max: 0.95, noNaN: true }),
    size: fc.double({ min: 0.02, max: 0.7, noNaN: true }),
    weight: fc.double({ min: 0.1, max: 3, noNaN: true }),
  })
  .map(({ x, y, size, weight }): FramedFace => ({
    x,
    y,
    w: Math.min(size, 1 - x),
    h: Math.min(size * 1.2, 1 - y),
    weight,
  }))

const item = fc.record({
  kind: fc.constantFrom('photo' as const, 'video' as const, 'live' as const),
  minute: fc.integer({ min: 0, max: 60 * 24 * 365 }),
  precision: fc.constantFrom('time' as const, 'day' as const, 'month' as const, 'year' as const, 'unknown' as const),
  width: fc.integer({ min: 40, max: 8000 }),
  height: fc.integer({ min: 40, max: 8000 }),
  faces: fc.array(face, { maxLength: 5 }),
  rating: fc.integer({ min: 0, max: 100 }),
  durationS: fc.double({ min: 0.1, max: 300, noNaN: true }),
})

const request = fc
  .record({
    items: fc.array(item, { minLength: 10, maxLength: 40 }),
    mood: fc.constantFrom(...MOOD_NAMES),
    film: fc.constantFrom(...ASPECTS).map(a => SIZES[a]),
    locale: fc.constantFrom('en' as const, 'ja' as const),
    seed: fc.integer(),
    days: fc.integer({ min: 1, max: 365 }),
  })
  .map(({ items, days, ...rest }): PlanRequest => ({
    ...rest,
    music: true,
    from: '2026-01-01',
    to: new Date(Date.UTC(2026, 0, days)).toISOString().slice(0, 10),
    items: items.map((i, n): PlanItem => ({
      mediaId: `m${n}`,
      kind: i.kind,
      takenAt: new Date(Date.UTC(2026, 0, 1, 0, i.minute)).toISOString().slice(0, 19),
      precision: i.precision,
      width: i.width,
      height: i.height,
      faces: i.faces,
      rating: i.rating,
      reason: 'r',
      tag: `t${n}`,
      ...(i.kind === 'photo' ? {} : { video: { durationS: i.durationS, faces: [], loudness: [], motion: [] } }),
    })),
  }))

function planned(r: PlanRequest): Storyboard {
  const plan = planMovie(r)
  if (plan.status !== 'planned') throw new Error(plan.message)
  return plan.storyboard
}

describe('every plan', () => {
  test('shows every item once, in order of time', () => {
    fc.assert(
      fc.property(request, r => {
        const shown = planned(r).slots.flatMap(s => (s.mediaId === undefined ? [] : [s.mediaId]))
        const times = shown.map(id => r.items.find(i => i.mediaId === id)?.takenAt ?? '')
        expect(times).toEqual([...times].sort())
        expect(new Set(shown)).toEqual(new Set(r.items.map(i => i.mediaId)))
        expect(shown).toHaveLength(r.items.length)
      }),
      { numRuns: 60 },
    )
  })

  test('adds up: slots follow each other without gap, every cut lies on a beat, fades last at most 0.2 s', () => {
    fc.assert(
      fc.property(request, r => {
        const board = planned(r)
        const beat = (60 * FPS) / MOODS[r.mood].bpm
        let frame = 0
        for (const [i, slot] of board.slots.entries()) {
          expect(slot.startFrame).toBe(frame)
          expect(Math.abs(slot.startFrame / beat - Math.round(slot.startFrame / beat))).toBeLessThan(1e-9)
          expect(slot.transition.frames / FPS).toBeLessThanOrEqual(0.2)
          expect(slot.tailFrames).toBe(board.slots[i + 1]?.transition.frames ?? 0)
          if (slot.kind === 'item') expect(slot.frames / FPS).toBeGreaterThanOrEqual(1)
          if (slot.kind === 'item') expect(slot.frames / FPS).toBeLessThanOrEqual(1.25)
          frame += slot.frames
        }
        expect(board.frames).toBe(frame)
        expect(board.slots[0]?.kind).toBe('title')
        expect(board.slots.at(-1)?.kind).toBe('end')
      }),
      { numRuns: 60 },
    )
  })

  test('looks only inside pictures, and never past the end of a video', () => {
    fc.assert(
      fc.property(request, r => {
        for (const slot of planned(r).slots) {
          for (const u of [0, 0.5, 1])
            expect(contains({ x: 0, y: 0, w: 1, h: 1 }, rectAt(slot.framing, u), 1e-9)).toBe(true)
          const video = r.items.find(i => i.mediaId === slot.mediaId)?.video
          if (slot.inS !== undefined && video) expect(slot.inS).toBeLessThanOrEqual(Math.max(0, video.durationS - 1))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('is the same for the same items in any order', () => {
    fc.assert(
      fc.property(request, r => {
        expect(planned({ ...r, items: [...r.items].reverse() })).toEqual(planned(structuredClone(r)))
      }),
      { numRuns: 40 },
    )
  })
})

test('the main face is always inside the picture shown, and no face is ever cut', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 40, max: 8000 }),
      fc.integer({ min: 40, max: 8000 }),
      fc.array(face, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(...ASPECTS),
      fc.constantFrom('in' as const, 'out' as const, 'none' as const),
      (width, height, faces, aspect, zoom) => {
        const framing = frameItem({ width, height, faces, zoom }, SIZES[aspect])
        const main = mainFace(faces)
        for (const u of [0, 0.25, 0.5, 0.75, 1]) {
          const rect = rectAt(framing, u)
          if (main) expect(contains(rect, main, 3e-6)).toBe(true)
          for (const f of faces) {
            const outside =
              f.x >= rect.x + rect.w - 3e-6 ||
              f.x + f.w <= rect.x + 3e-6 ||
              f.y >= rect.y + rect.h - 3e-6 ||
              f.y + f.h <= rect.y + 3e-6
            expect(outside || contains(rect, f, 3e-6)).toBe(true)
          }
        }
        const { panel } = framing
        expect(
          panel.x >= 0 &&
            panel.y >= 0 &&
            panel.x + panel.width <= SIZES[aspect].width &&
            panel.y + panel.height <= SIZES[aspect].height,
        ).toBe(true)
        expect([panel.x % 2, panel.y % 2, panel.width % 2, panel.height % 2]).toEqual([0, 0, 0, 0])
      },
    ),
    { numRuns: 500 },
  )
})

test('a zoom is slow: at most 6 % over a slot, and it shows the same shape throughout', () => {
  const framing = frameItem({ width: 1600, height: 1200, faces: [], zoom: 'in' }, SIZES['16:9'])
  expect(framing.start.w / framing.end.w).toBeCloseTo(1.06, 3)
  expect((framing.start.w * 1600) / (framing.start.h * 1200)).toBeCloseTo(16 / 9, 3)
  expect(framing.fit).toBe('cover')
})

test('a portrait picture in a wide film is shown whole, over a soft copy of itself', () => {
  const framing = frameItem({ width: 1200, height: 1600, faces: [], zoom: 'none' }, SIZES['16:9'])
  expect(framing).toMatchObject({
    fit: 'panel',
    start: { x: 0, y: 0, w: 1, h: 1 },
    panel: { width: 540, height: 720, x: 370, y: 0 },
  })
})

const tenDays = (count: number): PlanRequest => ({
  items: Array.from({ length: count }, (_, n) => testItem(n)),
  from: '2026-08-01',
  to: '2026-08-31',
  locale: 'en',
  mood: 'uplifting',
  film: SIZES['16:9'],
  music: true,
  seed: 1,
})

test('nine items make no movie, and the refusal says how many there are', () => {
  expect(planMovie(tenDays(9))).toMatchObject({
    status: 'rejected',
    code: 'TOO_FEW_ITEMS',
    eligible: 9,
    message: expect.stringContaining('9') as string,
  })
})

test('a month needs no month cards; a longer period has one for each month that holds something', () => {
  expect(planned(tenDays(12)).slots.filter(s => s.kind === 'month')).toHaveLength(0)
  const items = Array.from({ length: 12 }, (_, n) =>
    testItem(n, { takenAt: `2026-${String(4 + Math.floor(n / 4)).padStart(2, '0')}-10T10:00:00` }),
  )
  const cards = planned({ ...tenDays(12), items, from: '2026-04-01', to: '2026-06-30' }).slots.filter(
    s => s.kind === 'month',
  )
  expect(cards.map(c => c.text?.lines[0]?.text)).toEqual(['April 2026', 'May 2026', 'June 2026'])
})

test('a film over many months with an item or two of each has no month cards', () => {
  const items = Array.from({ length: 12 }, (_, n) =>
    testItem(n, { takenAt: `2026-${String(n + 1).padStart(2, '0')}-10T10:00:00` }),
  )
  const year = planned({ ...tenDays(12), items, from: '2026-01-01', to: '2026-12-31' })
  expect(year.slots.filter(s => s.kind === 'month')).toHaveLength(0)
})

test('titles, stamps and alternatives speak English and Japanese, and no finer than a date is known', () => {
  const board = planned({ ...tenDays(12), people: ['Hana', 'Yui'] })
  expect(board.title).toBe('August 2026')
  expect(board.altText).toBe('Movie “August 2026”: 12 photos, Aug 1, 2026 – Aug 12, 2026, with Hana and Yui')
  const items = tenDays(12).items.map((i, n) =>
    n === 1 ? { ...i, precision: 'month' as const } : n === 2 ? { ...i, precision: 'unknown' as const } : i,
  )
  const ja = planned({ ...tenDays(12), items, locale: 'ja', title: '夏の思い出' })
  expect(ja.slots.slice(1, 4).map(s => s.text?.lines[0]?.text)).toEqual(['2026年8月1日', '2026年8月', undefined])
  expect(ja.slots[0]?.text?.lines.map(l => l.text)).toEqual(['夏の思い出', '2026年8月'])
  expect(ja.altText).toBe('「夏の思い出」のムービー。写真12枚。2026年8月1日〜2026年8月12日')
})

test('an end of the period that only dates of files reach is in neither the title nor the description', () => {
  const dated = tenDays(12).items
  const copied = (n: number, takenAt: string) => testItem(n, { takenAt, precision: 'unknown' })
  const copies = (takenAt: string) => Array.from({ length: 10 }, (_, n) => copied(30 + n, takenAt))
  const asked = { ...tenDays(12), from: '1980-01-01', to: '2026-11-22' }
  const both = planned({
    ...asked,
    items: [copied(20, '1980-01-01T00:00:00'), ...dated, copied(21, '2026-11-22T10:00:00')],
  })
  expect(both.title).toBe('August 2026')
  expect(both.altText).toBe('Movie “August 2026”: 14 photos, Aug 1, 2026 – Aug 12, 2026')
  const late = planned({ ...asked, items: [...dated, copied(21, '2026-11-22T10:00:00')] })
  expect(late.title).toBe('January 1980 – August 2026')
  const year = testItem(22, { takenAt: '2019-07-02T12:00:00', precision: 'year' })
  expect(planned({ ...asked, items: [copied(20, '1980-01-01T00:00:00'), year, ...dated] }).title).toBe(
    'January 2019 – November 2026',
  )
  // A year alone does not widen what was asked for.
  const within = { ...asked, from: '2026-06-15', to: '2026-11-22' }
  const known = { ...year, takenAt: '2026-07-01T12:00:00' }
  const narrow = planned({
    ...within,
    items: [copied(20, '2026-06-16T00:00:00'), known, ...copies('2026-09-01T00:00:00')],
  })
  expect(narrow.title).toBe('June – November 2026')
  const none = dated.map(item => ({ ...item, precision: 'unknown' as const }))
  expect(planned({ ...asked, items: none }).title).toBe('January 1980 – November 2026')
})

test('a changed item changes the hash of its slot and of the one that fades from it, and no other', () => {
  const before = planned(tenDays(12)).slots.map(s => s.hash)
  const changed = { ...tenDays(12), items: tenDays(12).items.map((i, n) => (n === 3 ? { ...i, tag: 'new' } : i)) }
  const after = planned(changed).slots
  expect(after.flatMap((s, i) => (s.hash === before[i] ? [] : [i]))).toEqual([4, 5])
  expect(after[4]?.shows).toEqual(['item-003', 'item-002'])
  expect(new Set(before).size).toBe(before.length)
})

test('chapters name every slot and end where the film ends', () => {
  const board = planned({ ...tenDays(10), title: 'A < B --> C' })
  const vtt = chaptersVtt(board)
  expect(vtt).toMatch(/^WEBVTT\n\n1\n00:00:00\.000 --> 00:00:02\.000\nA &lt; B → C\n/)
  expect(vtt.match(/-->/g)).toHaveLength(board.slots.length)
  expect(vtt).toContain('00:00:14.000\nUntil next time')
})

test('a length in seconds leaves room for the cards', () => {
  expect(itemsForSeconds(30, 'uplifting')).toBe(26)
  expect(itemsForSeconds(5, 'uplifting')).toBe(10)
})

describe('a live photo', () => {
  const slotOf = (changes: Partial<PlanItem>) => {
    const items = Array.from({ length: 10 }, (_, n) => testItem(n, n === 3 ? { kind: 'live', ...changes } : {}))
    const board = planned({
      items,
      from: '2026-08-01',
      to: '2026-08-31',
      locale: 'en',
      mood: 'uplifting',
      film: SIZES['16:9'],
      music: true,
      seed: 1,
    })
    const slot = board.slots.find(s => s.mediaId === items[3]?.mediaId)
    return { board, slot }
  }

  test('shows its clip around the moment of the still, and names the still that stands in for it', () => {
    const { slot } = slotOf({ video: { durationS: 3, faces: [], loudness: [], motion: [], momentS: 1.5 } })
    expect(slot?.picture.rendition).toBe('playback')
    expect(slot?.still).toMatchObject({ mediaId: slot?.mediaId, rendition: 'preview' })
    expect(slot?.inS).toBe(1)
    expect(slot?.framing.start).toEqual(slot?.framing.end)
  })

  test('shows its still where it has no clip, or one that would freeze before its second is over', () => {
    for (const changes of [{}, { video: { durationS: 0.6, faces: [], loudness: [], motion: [], momentS: 0.3 } }]) {
      const { slot } = slotOf(changes)
      expect([slot?.picture.rendition, slot?.inS, slot?.still]).toEqual(['preview', undefined, undefined])
    }
  })

  test('counts as a photo', () => {
    const { board } = slotOf({ video: { durationS: 3, faces: [], loudness: [], motion: [], momentS: 1.5 } })
    expect(board.altText).toContain('10 photos')
  })
})
