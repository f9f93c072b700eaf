import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contradictions, type Spoken } from './contradictions.js'
import { readLedger, type Grounded, type LedgerEntry } from './ledger.js'

const person = (personId: string, ...anchors: string[]): Grounded => ({ personId, anchors })
const hana = person('hana', 'h1', 'h2')
const yui = person('yui', 'y1')
type Words = LedgerEntry extends infer E
  ? E extends LedgerEntry
    ? Omit<E, 'id' | 'sequence' | 'undone'>
    : never
  : never

/** Words in the order in which they were said, each as [who, what]. */
const ledger = (...words: [string, Words, 'undone'?][]): Spoken[] =>
  words.map(([by, what, undone], i) => ({
    by,
    entry: { ...what, id: `c${i + 1}`, sequence: i + 1, undone: undone !== undefined } as LedgerEntry,
  }))
const confirm = (faceId: string, who: Grounded): Words => ({ kind: 'confirm', person: who, faceId })
const reject = (faceId: string, who?: Grounded): Words =>
  who ? { kind: 'reject', person: who, faceId } : { kind: 'reject', faceId }
const name = (who: Grounded, said: string): Words => ({ kind: 'name', person: who, name: said })
const merge = (who: Grounded, into: Grounded): Words => ({ kind: 'merge', person: who, into })

describe('a later word overrules an earlier one', () => {
  test('a face that is A and then B, not A, or nobody', () => {
    for (const later of [confirm('f', yui), reject('f', hana), reject('f')])
      expect(contradictions(ledger(['mother', confirm('f', hana)], ['father', later]))).toEqual([
        { id: 'c1', by: 'c2', about: 'face', faceIds: ['f'] },
      ])
  })

  test('a face that is not A and then A, whoever says it', () => {
    expect(contradictions(ledger(['mother', reject('f', hana)], ['mother', confirm('f', hana)]))).toEqual([
      { id: 'c1', by: 'c2', about: 'face', faceIds: ['f'] },
    ])
  })

  test('faces that were split from somebody and then merged with her, and the other way round', () => {
    const split: Words = { kind: 'split', person: hana, newPersonId: 'new', faceIds: ['h2'] }
    expect(contradictions(ledger(['mother', split], ['father', merge(person('new', 'h2'), hana)]))).toEqual([
      { id: 'c1', by: 'c2', about: 'face', faceIds: ['h2'] },
    ])
    expect(
      contradictions(
        ledger(
          ['mother', merge(yui, hana)],
          ['father', { kind: 'split', person: hana, newPersonId: 'new', faceIds: ['y1'] }],
        ),
      ),
    ).toEqual([{ id: 'c1', by: 'c2', about: 'face', faceIds: ['y1'] }])
  })

  test('an answer and a confirmation that disagree', () => {
    const answer: Words = { kind: 'answer', faceId: 'f', alike: ['g'], answer: 'person', person: hana, others: [yui] }
    expect(contradictions(ledger(['mother', answer], ['father', confirm('g', yui)]))).toEqual([
      { id: 'c1', by: 'c2', about: 'face', faceIds: ['g'] },
    ])
  })

  test('a name of another parent; not one’s own', () => {
    const overruled = [{ id: 'c1', by: 'c2', about: 'name', faceIds: [] }]
    expect(contradictions(ledger(['mother', name(hana, 'Hana')], ['father', name(hana, 'Hanna')]))).toEqual(overruled)
    expect(contradictions(ledger(['mother', name(hana, 'Hana')], ['mother', name(hana, 'Hanna')]))).toEqual([])
    expect(contradictions(ledger(['mother', name(hana, 'Hana')], ['father', name(hana, 'Hana')]))).toEqual([])
  })

  test('a name that a merge swallowed', () => {
    expect(
      contradictions(
        ledger(['mother', name(yui, 'Yui')], ['father', name(hana, 'Hana')], ['father', merge(yui, hana)]),
      ),
    ).toEqual([{ id: 'c1', by: 'c3', about: 'name', faceIds: [] }])
  })
})

describe('nothing is overruled', () => {
  test('by a word that was taken back, or by a third one that agrees again', () => {
    expect(contradictions(ledger(['mother', confirm('f', hana)], ['father', confirm('f', yui), 'undone']))).toEqual([])
    const back = ledger(['mother', confirm('f', hana)], ['father', confirm('f', yui)], ['mother', confirm('f', hana)])
    expect(contradictions(back)).toEqual([{ id: 'c2', by: 'c3', about: 'face', faceIds: ['f'] }])
  })

  test('by words about people who are one', () => {
    expect(
      contradictions(
        ledger(['mother', confirm('f', yui)], ['father', confirm('f', hana)], ['father', merge(yui, hana)]),
      ),
    ).toEqual([])
  })

  test('by “not sure”', () => {
    const unsure: Words = { kind: 'answer', faceId: 'f', alike: [], answer: 'not_sure', others: [hana] }
    expect(contradictions(ledger(['mother', confirm('f', hana)], ['father', unsure]))).toEqual([])
  })
})

const faces = ['f', 'g', 'h1', 'y1']
const people = [hana, yui]
const word = fc.oneof(
  fc.tuple(fc.constantFrom(...faces), fc.constantFrom(...people)).map(([f, p]) => confirm(f, p)),
  fc
    .tuple(fc.constantFrom(...faces), fc.option(fc.constantFrom(...people), { nil: undefined }))
    .map(([f, p]) => reject(f, p)),
)

test('a confirmation holds in the ledger exactly when it is not overruled', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('mother', 'father'), word), { maxLength: 12 }), words => {
      const spoken = ledger(...words)
      const overruled = new Set(contradictions(spoken).map(({ id }) => id))
      const { confirmed } = readLedger(spoken.map(({ entry }) => entry))
      for (const { entry } of spoken)
        if (entry.kind === 'confirm')
          expect(confirmed.get(entry.faceId) === entry.person.personId, entry.id).toBe(!overruled.has(entry.id))
    }),
  )
})

test('undoing whatever overrules leaves nothing overruled by it', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('mother', 'father'), word), { maxLength: 12 }), words => {
      const spoken = ledger(...words)
      const gone = new Set(contradictions(spoken).map(({ by }) => by))
      const without = spoken.map(({ entry, by }) => ({ by, entry: { ...entry, undone: gone.has(entry.id) } }))
      expect(contradictions(without).every(({ by }) => !gone.has(by))).toBe(true)
    }),
  )
})
