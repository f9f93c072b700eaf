import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reasonKeys, sentence } from './reasons.js'
import type { RatedFace, RatingInput } from './rate.js'
import { rate } from './rate.js'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const face: fc.Arbitrary<RatedFace> = fc.record(
  {
    area: share,
    sharpness: share,
    smile: share,
    eyesOpen: share,
    child: share,
    registered: fc.boolean(),
    named: fc.constantFrom('Hana', 'Yui', 'Ken', 'Mio'),
  },
  { requiredKeys: ['area', 'sharpness', 'smile', 'eyesOpen', 'child', 'registered'] },
)
const input: fc.Arbitrary<RatingInput> = fc.record(
  {
    kind: fc.constantFrom('photo', 'video', 'live'),
    faces: fc.array(face, { maxLength: 5 }),
    favourites: fc.nat(6),
    comments: fc.nat(6),
    audience: fc.constantFrom('everyone', 'groups', 'members', 'parents'),
    quality: fc.record({ sharpness: share, exposure: share, resolution: share }),
    duplicate: fc.boolean(),
    mundane: fc.constantFrom('', 'screenshot', 'document', 'receipt'),
    fileDated: fc.boolean(),
    blocked: fc.constantFrom('', 'less', 'never'),
  },
  {
    requiredKeys: [
      'kind',
      'faces',
      'favourites',
      'comments',
      'audience',
      'duplicate',
      'mundane',
      'fileDated',
      'blocked',
    ],
  },
)
/** Rounding to a tenth per component may turn an improvement into nothing, never into a loss of more than that. */
const notWorse = (better: RatingInput, than: RatingInput): void =>
  expect(rate(better).value).toBeGreaterThanOrEqual(rate(than).value - 0.11)
const withFace = (i: RatingInput, change: Partial<RatedFace>): RatingInput => ({
  ...i,
  faces: i.faces.map((f, k) => (k === 0 ? { ...f, ...change } : f)),
})

test('a rating is the sum of its parts within 0..100, and each part has a sentence', () => {
  fc.assert(
    fc.property(input, i => {
      const { value, parts } = rate(i)
      const sum = parts.reduce((s, p) => s + p.points, 0)
      expect(value).toBeCloseTo(Math.min(100, Math.max(0, sum)), 5)
      expect(new Set(parts.map(p => p.name)).size).toBe(parts.length)
      for (const p of parts) {
        expect(p.reason).toMatch(/^[A-Z0-9].*\.$/)
        expect(p.reason).not.toMatch(/[{}|]/)
        expect(sentence(p.reasonKey, p.reasonParams, 'ja')).toMatch(/。$/)
      }
    }),
  )
})

test.each<[string, (i: RatingInput) => RatingInput]>([
  ['a further favourite', i => ({ ...i, favourites: i.favourites + 1 })],
  ['a further comment', i => ({ ...i, comments: i.comments + 1 })],
  ['a wider audience', i => ({ ...i, audience: 'everyone' })],
  ['being no duplicate', i => ({ ...i, duplicate: false })],
  ['being a family picture', i => ({ ...i, mundane: '' })],
  ['a date from the camera', i => ({ ...i, fileDated: false })],
  ['no block', i => ({ ...i, blocked: '' })],
  ['less instead of never', i => ({ ...i, blocked: i.blocked === 'never' ? 'less' : i.blocked })],
  ['a broader smile', i => withFace(i, { smile: 1 })],
  ['open eyes', i => withFace(i, { eyesOpen: 1 })],
  ['a sharper face', i => withFace(i, { sharpness: 1 })],
  ['a child for an adult', i => withFace(i, { child: 1 })],
  ['a registered child', i => withFace(i, { child: 1, registered: true })],
  ['a name', i => withFace(i, { named: 'Aki' })],
  ['a sharper picture', i => (i.quality ? { ...i, quality: { ...i.quality, sharpness: 1 } } : i)],
  ['better light', i => (i.quality ? { ...i, quality: { ...i.quality, exposure: 1 } } : i)],
  ['more pixels', i => (i.quality ? { ...i, quality: { ...i.quality, resolution: 1 } } : i)],
])('%s never lowers a rating', (_, better) => {
  fc.assert(
    fc.property(input, i => {
      // A name is only an improvement where there was none.
      const base = withFace(i, i.faces[0]?.named ? {} : {})
      notWorse(better(base), base)
    }),
  )
})

test('a larger face is better, whatever else is in the picture is as good', () => {
  fc.assert(
    fc.property(share, share, face, (a, b, f) => {
      const of = (area: number): RatingInput => ({
        kind: 'photo',
        faces: [{ ...f, area, smile: 1, eyesOpen: 1, sharpness: 1 }],
        favourites: 0,
        comments: 0,
        audience: 'everyone',
        duplicate: false,
        mundane: '',
        fileDated: false,
        blocked: '',
      })
      notWorse(of(Math.max(a, b)), of(Math.min(a, b)))
    }),
  )
})

test('each input shows: a favourite, a comment, an audience, a name and a correction move the number', () => {
  const plain: RatingInput = {
    kind: 'photo',
    faces: [{ area: 0.05, sharpness: 0.6, smile: 0.5, eyesOpen: 0.9, child: 0.4, registered: false }],
    favourites: 0,
    comments: 0,
    audience: 'parents',
    quality: { sharpness: 0.6, exposure: 0.7, resolution: 0.8 },
    duplicate: false,
    mundane: '',
    fileDated: false,
    blocked: '',
  }
  const value = rate(plain).value
  expect(value).toBeGreaterThan(20)
  expect(value).toBeLessThan(70)
  for (const moved of [
    { ...plain, favourites: 1 },
    { ...plain, comments: 1 },
    { ...plain, audience: 'everyone' },
    withFace(plain, { named: 'Hana' }),
    withFace(plain, { child: 1, registered: true }),
  ])
    expect(rate(moved).value).toBeGreaterThan(value + 1)
  expect(rate({ ...plain, blocked: 'never' }).value).toBe(0)
  expect(rate({ ...plain, mundane: 'receipt' }).value).toBe(0)
})

test('a child smiling into the camera beats a landscape, a landscape beats a blurred crowd, a screenshot is last', () => {
  const base = {
    kind: 'photo' as const,
    favourites: 0,
    comments: 0,
    audience: 'everyone',
    duplicate: false,
    mundane: '',
    fileDated: false,
    blocked: '',
  }
  const good = { sharpness: 0.9, exposure: 0.8, resolution: 1 }
  const child = rate({
    ...base,
    quality: good,
    faces: [{ area: 0.1, sharpness: 0.9, smile: 0.9, eyesOpen: 1, child: 1, registered: true, named: 'Hana' }],
  }).value
  const view = rate({ ...base, quality: good, faces: [] }).value
  const crowd = rate({
    ...base,
    quality: { sharpness: 0.1, exposure: 0.4, resolution: 0.4 },
    faces: Array.from({ length: 6 }, () => ({
      area: 0.002,
      sharpness: 0.1,
      smile: 0,
      eyesOpen: 0.3,
      child: 0,
      registered: false,
    })),
  }).value
  const screen = rate({ ...base, quality: good, faces: [], mundane: 'screenshot' }).value
  expect(child).toBeGreaterThan(70)
  expect(child).toBeGreaterThan(view)
  expect(view).toBeGreaterThan(crowd)
  expect(crowd).toBeGreaterThan(screen)
})

test('every sentence is written in both languages and fills its parameters', () => {
  for (const key of reasonKeys)
    for (const language of ['en', 'ja'] as const) {
      const text = sentence(key, { count: '2', rating: '50', what: 'receipt' }, language)
      expect(text).not.toMatch(/[{}|]/)
      expect(text.length).toBeGreaterThan(4)
    }
  expect(() => sentence('nonsense', {})).toThrow('nonsense')
})
