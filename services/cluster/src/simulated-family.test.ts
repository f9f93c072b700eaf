import { describe, expect, test } from 'vitest'
import { loadAgeGroupMeans } from './age-groups.js'
import { decide } from './outcome.js'
import type { FamilyOptions } from './simulated-family.js'
import { areaUnderCurve, maturity, simulatedFamily } from './simulated-family.js'
import { converse } from './simulated-parent.js'
import { seeded } from './synthetic.js'
import { statistics } from './testing/embedding-statistics.js'

const means = loadAgeGroupMeans()!
const family = (more: Partial<FamilyOptions> = {}) =>
  simulatedFamily({ seed: 1, statistics, separation: 0.89, apart: 2, pictures: 60, strangers: 20, ...more })
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((s, x, k) => s + x * b[k]!, 0)

describe('a simulated family', () => {
  test('is the same for the same settings and another for another seed', () => {
    expect(family()).toEqual(family())
    expect(family().faces[0]!.embedding).not.toEqual(family({ seed: 2 }).faces[0]!.embedding)
  })

  test('has two children, each in as many pictures as asked for, seen after their births, at the separation asked for', () => {
    for (const [separation, apart] of [
      [0.89, 2],
      [0.6, 0],
    ] as const) {
      const { faces, children, separation: reached } = family({ separation, apart })
      expect(reached).toBeCloseTo(separation, 2)
      const [same, different]: [number[], number[]] = [[], []]
      const theirs = faces.filter(face => children.some(c => c.id === face.truth))
      theirs.forEach((a, i) => {
        for (const b of theirs.slice(0, i)) (a.truth === b.truth ? same : different).push(dot(a.embedding, b.embedding))
      })
      expect(areaUnderCurve(same, different)).toBeCloseTo(reached, 3)
      for (const child of children) {
        const own = faces.filter(face => face.truth === child.id)
        expect(own).toHaveLength(60)
        for (const face of own) expect(face.takenAt ?? Infinity).toBeGreaterThanOrEqual(child.birth)
      }
      expect(Math.abs(children[0]!.birth - children[1]!.birth) / 365.25 / 86_400_000).toBeCloseTo(apart, 1)
    }
  })

  test('shows both children in some pictures, nobody twice in one, and embeddings of length 1', () => {
    const { faces } = family()
    const pictures = new Map<string, typeof faces>()
    for (const face of faces) pictures.set(face.mediaId, [...(pictures.get(face.mediaId) ?? []), face])
    for (const shown of pictures.values()) expect(new Set(shown.map(f => f.truth)).size).toBe(shown.length)
    expect([...pictures.values()].some(shown => ['c0', 'c1'].every(c => shown.some(f => f.truth === c)))).toBe(true)
    for (const { embedding } of faces) expect(dot(embedding, embedding)).toBeCloseTo(1, 5)
  })

  test('a look changes with age, quickest in the first years, and not much once grown up', () => {
    const step = (from: number, to: number): number => maturity(from) - maturity(to)
    expect(step(0, 3)).toBeGreaterThan(step(9, 12))
    expect(step(9, 12)).toBeGreaterThan(step(30, 33))
  })
})

test('a pair that is surely above has an area of 1, chance 0.5, ties count half', () => {
  expect(areaUnderCurve([3, 4], [1, 2])).toBe(1)
  expect(areaUnderCurve([1, 2], [1, 2])).toBe(0.5)
  expect(areaUnderCurve([1, 1], [1])).toBe(0.5)
})

test('a simulated parent links both children, is asked no more than she likes, and never says what is wrong', () => {
  const { faces, children } = family()
  let ids = 0
  let previous: ReadonlyMap<string, string> = new Map()
  const run = (ledger: Parameters<typeof decide>[0]['ledger']) => {
    const { outcome } = decide({ faces, ledger, children, previous }, means, () => `p${ids++}`)
    previous = new Map(outcome.faces.map(face => [face.faceId, face.personId]))
    return outcome
  }
  const talk = converse(faces, children, run, { limit: 4, doubts: 0.2, random: seeded(3) })
  expect(talk.asked).toBeLessThanOrEqual(4)
  const linked = new Map(talk.outcome.people.filter(p => p.childId).map(p => [p.id, p.childId]))
  expect([...linked.values()].sort()).toEqual(['c0', 'c1'])
  const truth = new Map(faces.map(face => [face.id, face.truth]))
  for (const entry of talk.ledger)
    if (entry.kind === 'answer' && entry.answer === 'person' && linked.has(entry.person.personId))
      expect(truth.get(entry.faceId)).toBe(linked.get(entry.person.personId))
})
