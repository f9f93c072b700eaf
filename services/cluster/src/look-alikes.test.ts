import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadAgeGroupMeans } from './age-groups.js'
import type { LedgerEntry } from './ledger.js'
import type { Outcome } from './outcome.js'
import { decide } from './outcome.js'
import type { SimulatedFamily } from './simulated-family.js'
import { simulatedFamily } from './simulated-family.js'
import { converse } from './simulated-parent.js'
import { seeded } from './synthetic.js'
import { statistics } from './testing/embedding-statistics.js'

const means = loadAgeGroupMeans()!

/** A family sorted with the words of a parent; ids of people go on from run to run. */
function family(seed: number, separation: number, apart: number, pictures = 60) {
  const drawn = simulatedFamily({ seed, statistics, separation, apart, pictures, strangers: 12, years: 6 })
  let ids = 0
  let previous: ReadonlyMap<string, string> = new Map()
  const run = (ledger: readonly LedgerEntry[], faces = drawn.faces): Outcome => {
    const { outcome } = decide({ faces, ledger, children: drawn.children, previous }, means, () => `p${ids++}`)
    previous = new Map(outcome.faces.map(face => [face.faceId, face.personId]))
    return outcome
  }
  const talk = converse(drawn.faces, drawn.children, run, { limit: 4, doubts: 0, random: seeded(seed) })
  return { ...drawn, talk, run }
}

/** Share of faces of a linked child that are that child's. */
function purity({ faces }: SimulatedFamily, outcome: Outcome): number {
  const truth = new Map(faces.map(face => [face.id, face.truth]))
  const child = new Map(outcome.people.filter(p => p.childId).map(p => [p.id, p.childId]))
  const theirs = outcome.faces.filter(face => child.has(face.personId))
  return theirs.filter(face => truth.get(face.faceId) === child.get(face.personId)).length / theirs.length
}

const groupsOf = (outcome: Outcome): string[] =>
  [...new Set(outcome.faces.map(f => f.personId))]
    .map(id =>
      outcome.faces
        .filter(f => f.personId === id)
        .map(f => f.faceId)
        .sort()
        .join(' '),
    )
    .sort()

describe('children who look alike', () => {
  test('twins are told apart or left open, not guessed, and no picture shows one of them twice', () => {
    const twins = family(2, 0.6, 0)
    const { outcome } = twins.talk
    expect(purity(twins, outcome)).toBeGreaterThan(0.96)
    const of = new Map(outcome.faces.map(face => [face.faceId, face.personId]))
    const seen = twins.faces.map(face => `${face.mediaId} ${of.get(face.id)}`)
    expect(new Set(seen).size).toBe(seen.length)
  })

  test('questions name a face of each candidate to compare with, and are never about the same face twice', () => {
    const { faces, talk } = family(3, 0.6, 0)
    const asked = talk.ledger.flatMap(entry => (entry.kind === 'answer' ? [entry.faceId] : []))
    expect(new Set(asked).size).toBe(asked.length)
    const of = new Map(talk.outcome.faces.map(face => [face.faceId, face.personId]))
    for (const question of talk.outcome.questions) {
      expect(asked).not.toContain(question.faceId)
      for (const { personId, faceId } of question.candidates) expect(of.get(faceId)).toBe(personId)
      expect(faces.map(f => f.id)).toContain(question.faceId)
    }
  })

  test('neither the order of faces nor that of words in the ledger enters, and what parents confirmed holds', () => {
    const { faces, talk, run } = family(4, 0.7, 0, 40)
    const whole = groupsOf(run(talk.ledger))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), order => {
        const random = seeded(order)
        const shuffled = <T>(items: readonly T[]): T[] =>
          items
            .map(item => [random(), item] as const)
            .sort((a, b) => a[0] - b[0])
            .map(([, item]) => item)
        const outcome = run(shuffled(talk.ledger), shuffled(faces))
        expect(groupsOf(outcome)).toEqual(whole)
        const of = new Map(outcome.faces.map(face => [face.faceId, face]))
        for (const entry of talk.ledger)
          if (entry.kind === 'answer' && entry.answer === 'person')
            expect(of.get(entry.faceId)).toMatchObject({ personId: entry.person.personId, confirmed: true })
      }),
      { numRuns: 5 },
    )
  })
})
