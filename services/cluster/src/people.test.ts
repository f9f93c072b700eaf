import { describe, expect, test } from 'vitest'
import type { Face } from './face.js'
import { ageError, proposeChildren } from './child-proposals.js'
import { anchorsOf, assignIds, describePerson } from './people.js'
import type { LedgerEntry } from './ledger.js'
import type { Partition } from './partition.js'
import { partition } from './partition.js'
import { questionsOf } from './questions.js'
import { direction, mix, seeded } from './synthetic.js'

function portraits(
  own: Float64Array,
  count: number,
  tag: string,
  seed: number,
  options: { noise?: number; age?: number; first?: number } = {},
): Face[] {
  const { noise = 0.05, age = 35, first = Date.UTC(2024, 0, 1) } = options
  const random = seeded(seed)
  return Array.from({ length: count }, (_, i) => ({
    id: `${tag}${i}`,
    mediaId: `${tag}-m${i}`,
    embedding: Float32Array.from(mix([Math.sqrt(1 - noise), own], [Math.sqrt(noise), direction(random)])),
    age,
    ageSpread: 3,
    quality: 0.5 + 0.01 * i,
    box: { x: 0.3, y: 0.3, w: 0.2, h: 0.2 },
    takenAt: first + i * 86_400_000,
  }))
}

const ids = (): (() => string) => {
  let n = 0
  return () => `p${++n}`
}
const previousOf = (p: Partition, own: readonly string[]): Map<string, string> =>
  new Map(p.groups.flatMap((g, i) => g.members.map(m => [m.face.id, own[i]!] as const)))

const random = seeded(33)
const [x, y, z] = [direction(random), direction(random), direction(random)] as [
  Float64Array,
  Float64Array,
  Float64Array,
]
const xs = portraits(x, 10, 'x', 1)
const ys = portraits(y, 6, 'y', 2)

describe('ids of people', () => {
  test('stay when faces come and go', () => {
    const newId = ids()
    const before = partition({ faces: [...xs, ...ys], ledger: [] })
    const first = assignIds(before, [], new Map(), newId)
    const after = partition({ faces: [...xs.slice(3), ...ys, ...portraits(z, 4, 'z', 3)], ledger: [] })
    const second = assignIds(after, [], previousOf(before, first), newId)
    const now = previousOf(after, second)
    expect(now.get('x5')).toBe(previousOf(before, first).get('x5'))
    expect(now.get('y0')).toBe(previousOf(before, first).get('y0'))
    expect(now.get('z0')).toBe('p3')
  })

  test('come back when a merge is undone', () => {
    const merge = (undone: boolean): LedgerEntry => ({
      id: 'c',
      sequence: 1,
      undone,
      kind: 'merge',
      person: { personId: 'X', anchors: xs.map(f => f.id) },
      into: { personId: 'Y', anchors: ys.map(f => f.id) },
    })
    const merged = partition({ faces: [...xs, ...ys], ledger: [merge(false)] })
    const one = assignIds(merged, [merge(false)], new Map(), ids())
    expect(one).toEqual(['Y'])
    const apart = partition({ faces: [...xs, ...ys], ledger: [merge(true)] })
    const two = previousOf(apart, assignIds(apart, [merge(true)], previousOf(merged, one), ids()))
    expect([two.get('x0'), two.get('y0')]).toEqual(['X', 'Y'])
  })
})

test('a person is described by what its faces show', () => {
  const p = partition({ faces: portraits(x, 5, 'k', 4, { age: 4 }), ledger: [] })
  const view = describePerson(p.groups[0]!, 'K', p, [])
  expect(view).toMatchObject({
    id: 'K',
    hidden: false,
    touched: false,
    faceCount: 5,
    mediaCount: 5,
    coverFaceId: 'k4',
    age: 4,
    stage: 'child',
  })
  expect(view.firstSeen).toBe(Date.UTC(2024, 0, 1))
  expect(view.childProbability).toBeGreaterThan(0.9)
})

test('faces that stand for a person are typical ones, the stray face is not among them', () => {
  const stray = { ...portraits(mix([2, x], [1, z]), 1, 'stray', 5)[0]!, mediaId: 's' }
  const p = partition({ faces: [...portraits(x, 40, 'x', 1), stray], ledger: [] })
  const group = p.groups.reduce((a, b) => (a.members.length > b.members.length ? a : b))
  const anchors = anchorsOf(group, p)
  expect(anchors.length).toBe(Math.ceil(group.members.length / 2) > 24 ? 24 : Math.ceil(group.members.length / 2))
  expect(anchors).not.toContain('stray0')
})

describe('questions', () => {
  const ledger: LedgerEntry[] = [
    {
      id: 'a',
      sequence: 1,
      undone: false,
      kind: 'name',
      person: { personId: 'X', anchors: xs.map(f => f.id) },
      name: 'Hana',
    },
    {
      id: 'b',
      sequence: 2,
      undone: false,
      kind: 'name',
      person: { personId: 'Y', anchors: ys.map(f => f.id) },
      name: 'Yui',
    },
  ]
  const between: Face = {
    ...portraits(mix([1, x], [1, y]), 1, 'q', 6)[0]!,
    embedding: Float32Array.from(mix([Math.SQRT1_2, x], [Math.SQRT1_2, y])),
  }
  const ask = (faces: Face[], entries: LedgerEntry[]): ReturnType<typeof questionsOf> => {
    const p = partition({ faces, ledger: entries })
    const own = assignIds(p, entries, new Map(), ids())
    return questionsOf(
      p,
      own,
      p.groups.map((g, i) => describePerson(g, own[i]!, p, entries)),
    )
  }
  // Hana and Yui are strangers here (cosine 0): a face half way between is far from both, so bring them closer.
  const common = direction(seeded(77))
  const near = (face: Face): Face => ({
    ...face,
    embedding: Float32Array.from(mix([Math.sqrt(0.75), common], [Math.sqrt(0.25), face.embedding])),
  })
  const faces = [...xs, ...ys].map(near)

  test('a face between two named people is asked about, with both as candidates', () => {
    const questions = ask([...faces, near(between)], ledger)
    const asked = questions.find(q => q.faceId === 'q0')
    expect(asked?.candidates.map(c => c.personId).sort()).toEqual(['X', 'Y'])
    for (const c of asked!.candidates) expect(c.confidence).toBeGreaterThan(0.1)
  })

  test('an answer settles it: the person, neither, or not sure', () => {
    const others = [{ personId: 'Y', anchors: ['y0'] }]
    const all = [...faces, near(between)]
    const person: LedgerEntry = {
      id: 'q',
      sequence: 3,
      undone: false,
      kind: 'answer',
      faceId: 'q0',
      alike: [],
      answer: 'person',
      person: { personId: 'X', anchors: ['x0'] },
      others,
    }
    expect(ask(all, [...ledger, person]).some(q => q.faceId === 'q0')).toBe(false)
    const p = partition({ faces: all, ledger: [...ledger, person] })
    expect(p.groups.find(g => g.said === 'X')!.members.map(m => m.face.id)).toContain('q0')
    for (const answer of ['neither', 'not_sure'] as const) {
      const entry: LedgerEntry = {
        id: 'q',
        sequence: 3,
        undone: false,
        kind: 'answer',
        faceId: 'q0',
        alike: [],
        answer,
        others: [{ personId: 'X', anchors: ['x0'] }, ...others],
      }
      expect(ask(all, [...ledger, entry]).some(q => q.faceId === 'q0')).toBe(false)
    }
  })

  test('strangers are not asked about', () => {
    expect(ask([...faces, near(portraits(z, 1, 's', 8)[0]!)], ledger)).toEqual([])
  })
})

describe('proposals of children', () => {
  const born = Date.UTC(2021, 0, 1)
  const year = 365.25 * 86_400_000
  const child = (tag: string, own: Float64Array, birth: number, seed: number): Face[] =>
    portraits(own, 12, tag, seed).map((f, i) => {
      const takenAt = born + 4 * year + i * 10 * 86_400_000
      return { ...f, takenAt, age: (takenAt - birth) / year + (i % 3) - 1 }
    })
  const older = born - 4 * year
  const faces = [...child('k', x, born, 1), ...child('o', y, older, 2), ...portraits(z, 8, 'adult', 3)]
  const p = partition({ faces, ledger: [] })
  const own = assignIds(p, [], new Map(), ids())
  const who = previousOf(p, own)
  const views = p.groups.map((g, i) => describePerson(g, own[i]!, p, []))

  test('each registered child is proposed for the person of its age', () => {
    const found = proposeChildren(
      views,
      p.groups,
      [
        { id: 'young', birth: born },
        { id: 'old', birth: older },
      ],
      new Set(),
    )
    expect(new Map(found.map(f => [f.personId, f.childId]))).toEqual(
      new Map([
        [who.get('k0'), 'young'],
        [who.get('o0'), 'old'],
      ]),
    )
  })

  test('children nobody registered are proposed without one, adults never', () => {
    const found = proposeChildren(views, p.groups, [], new Set())
    expect(found.map(f => f.personId).sort()).toEqual([who.get('k0'), who.get('o0')].sort())
    expect(found.every(f => f.childId === undefined && f.reason.length > 10)).toBe(true)
  })

  test('a child born after the pictures is not there, a dismissed person is not proposed again', () => {
    expect(
      proposeChildren(views, p.groups, [{ id: 'unborn', birth: born + 9 * year }], new Set()).every(
        f => f.childId === undefined,
      ),
    ).toBe(true)
    expect(proposeChildren(views, p.groups, [], new Set(own))).toEqual([])
  })

  test('the error of an age grows with age and is bounded', () => {
    expect(ageError(0)).toBeLessThan(ageError(10))
    expect(ageError(60)).toBe(6)
  })
})
