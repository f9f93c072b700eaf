import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Face } from './face.js'
import type { PersonRow, StoredFace } from './family-people.js'
import { FamilyPeople } from './family-people.js'
import type { LedgerEntry } from './ledger.js'
import { decide } from './outcome.js'
import { seeded, syntheticFaces } from './synthetic.js'

/** Tables as a service keeps them. */
interface Tables {
  faces: Map<string, StoredFace>
  people: Map<string, PersonRow>
}

/** People as sets of faces, with everything that is shown of them: ids of people follow the history. */
function shown(tables: Tables): unknown {
  const of = new Map<string, string[]>()
  for (const [id, { personId }] of tables.faces)
    if (personId !== null) of.set(personId, [...(of.get(personId) ?? []), id])
  expect([...tables.people.keys()].sort()).toEqual([...of.keys()].sort())
  return [...of]
    .map(([id, faces]) => [faces.sort().join(' '), { ...tables.people.get(id)!, id: '' }] as const)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
}

const step = fc.record({
  add: fc.integer({ min: 0, max: 30 }),
  away: fc.integer({ min: 0, max: 5 }),
  say: fc.constantFrom('nothing', 'name', 'merge', 'confirm', 'reject', 'nobody', 'undo'),
  at: fc.nat(1000),
  other: fc.nat(1000),
  forget: fc.boolean(),
})

test('changes one after the other come to what everything at once gives, also where the thread lost what it knew', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.array(step, { minLength: 1, maxLength: 8 }), (seed, steps) => {
      const random = seeded(seed)
      const coming: Face[] = syntheticFaces({ faces: 150, people: 8, seed }).map(face => ({
        ...face,
        age: random() < 0.2 ? 8 : 35,
        quality: random() < 0.1 ? 0.05 : 0.6,
      }))
      let ids = 0
      const newId = (): string => `p${++ids}`
      const here = new Map<string, Face>()
      const tables: Tables = { faces: new Map(), people: new Map() }
      let ledger: LedgerEntry[] = []
      let family = new FamilyPeople(undefined, newId)
      for (const { add, away, say, at, other, forget } of steps) {
        const gone = [...here.keys()].filter((_, i) => (i * 7 + at) % 23 < away)
        for (const id of gone) {
          here.delete(id)
          tables.faces.delete(id)
        }
        const fresh = coming.splice(0, add)
        for (const face of fresh) {
          here.set(face.id, face)
          tables.faces.set(face.id, { personId: null, confidence: 0, confirmed: false })
        }
        const people = [...tables.people.values()]
        const ground = (k: number) => {
          const { id: personId, anchors } = people[k % people.length]!
          return { personId, anchors }
        }
        const faceId = [...here.keys()][at % here.size]
        const entry = { id: `c${ledger.length}`, sequence: ledger.length, undone: false }
        if (say === 'undo') ledger = ledger.map((e, i) => (i === at % ledger.length ? { ...e, undone: true } : e))
        if (people.length && faceId !== undefined) {
          const person = ground(at)
          if (say === 'name') ledger = [...ledger, { ...entry, kind: 'name', person, name: `name ${at}` }]
          if (say === 'merge') ledger = [...ledger, { ...entry, kind: 'merge', person, into: ground(other) }]
          if (say === 'confirm') ledger = [...ledger, { ...entry, kind: 'confirm', person, faceId }]
          if (say === 'reject') ledger = [...ledger, { ...entry, kind: 'reject', person, faceId }]
          if (say === 'nobody') ledger = [...ledger, { ...entry, kind: 'reject', faceId }]
        }
        if (forget) family = new FamilyPeople(undefined, newId)
        const previous = new Map(
          [...tables.faces].flatMap(([id, f]) => (f.personId === null ? [] : [[id, f.personId] as const])),
        )
        const faces = [...here.values()]
        const change = family.run({
          added: forget ? faces : fresh,
          gone: forget ? [] : gone,
          ledger,
          children: [],
          stored: (forget ? faces : fresh).map(face => [face.id, { ...tables.faces.get(face.id)! }]),
          whole: forget,
        })
        for (const { faceId: id, personId, confidence, confirmed } of change.faces)
          tables.faces.set(id, { personId, confidence, confirmed })
        const told = new Set(change.people.map(row => row.id))
        for (const id of forget ? [...tables.people.keys()].filter(k => !told.has(k)) : change.gonePeople)
          tables.people.delete(id)
        for (const row of change.people) tables.people.set(row.id, row)

        const { outcome } = decide({ faces, ledger, children: [], previous }, undefined, newId)
        const whole: Tables = {
          faces: new Map(outcome.faces.map(f => [f.faceId, f])),
          people: new Map(outcome.people.map(row => [row.id, row])),
        }
        expect(shown(tables)).toEqual(shown(whole))
        for (const [id, face] of whole.faces)
          expect(Math.abs(tables.faces.get(id)!.confidence - face.confidence)).toBeLessThan(0.005)
        expect(change.questions.map(q => q.id)).toEqual(outcome.questions.map(q => q.id))
        expect(change.proposals).toHaveLength(outcome.proposals.length)
        // Ids that were there and could stay did stay.
        for (const [id, face] of whole.faces)
          if ([...previous.values()].includes(face.personId!))
            expect(tables.faces.get(id)!.personId).toBe(face.personId)
      }
    }),
    { numRuns: 60 },
  )
})
