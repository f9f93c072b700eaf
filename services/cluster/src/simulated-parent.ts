import type { RegisteredChild } from './child-proposals.js'
import type { Grounded, LedgerEntry } from './ledger.js'
import type { Outcome } from './outcome.js'
import type { SimulatedFace } from './simulated-family.js'

/** What a simulated parent has said and how often she was asked. */
export interface Conversation {
  ledger: LedgerEntry[]
  /** Questions put to her. */
  asked: number
  /** Of them: those that she answered with "not sure". */
  unsure: number
  /** Faces that she pointed at herself, because nothing that is shown is this child. */
  pointed: number
  /** Why it ended: nothing is asked any more, or the limit is reached. */
  ended: 'no question' | 'limit'
  outcome: Outcome
}

/** How a simulated parent behaves. */
export interface Behaviour {
  /** Questions she answers, at most. */
  limit: number
  /** Share of questions that she answers with "not sure". */
  doubts: number
  random: () => number
}

type Words = LedgerEntry extends infer E
  ? E extends LedgerEntry
    ? Omit<E, 'id' | 'sequence' | 'undone'>
    : never
  : never

/**
 * A parent who links her children to the people that are shown, by the face on their card, and then answers what is asked, truthfully or with
 * "not sure", until nothing is asked or she has had enough. Where no card shows a child, she points at one clear face of it.
 */
export function converse(
  faces: readonly SimulatedFace[],
  children: readonly RegisteredChild[],
  decide: (ledger: readonly LedgerEntry[]) => Outcome,
  { limit, doubts, random }: Behaviour,
): Conversation {
  const truth = new Map(faces.map(face => [face.id, face.truth]))
  const ledger: LedgerEntry[] = []
  const say = (words: Words): void => {
    const sequence = ledger.length + 1
    ledger.push({ id: `w${sequence}`, sequence, undone: false, ...words } as LedgerEntry)
  }
  let outcome = decide(ledger)
  const grounded = (id: string): Grounded => ({
    personId: id,
    anchors: outcome.people.find(p => p.id === id)?.anchors ?? [],
  })
  const personOf = new Map<string, string>()
  let pointed = 0
  for (const child of children) {
    const card = outcome.people
      .filter(p => p.childId === undefined && truth.get(p.coverFaceId) === child.id)
      .sort((a, b) => b.faceCount - a.faceCount)[0]
    if (card && card.faceCount > 1) {
      say({ kind: 'link', person: grounded(card.id), childId: child.id })
      personOf.set(child.id, card.id)
    } else {
      const clear = faces.filter(f => f.truth === child.id).sort((a, b) => b.quality - a.quality)[0]!
      const from = outcome.faces.find(f => f.faceId === clear.id)!.personId
      const person = { ...grounded(from), anchors: grounded(from).anchors.filter(id => id !== clear.id) }
      say({ kind: 'split', person, newPersonId: `new-${child.id}`, faceIds: [clear.id] })
      say({ kind: 'link', person: { personId: `new-${child.id}`, anchors: [clear.id] }, childId: child.id })
      personOf.set(child.id, `new-${child.id}`)
      pointed++
    }
    outcome = decide(ledger)
  }
  // Who a person is, as a parent sees it: her children by name, others by the face on the card.
  const shown = (id: string): string | undefined => {
    const person = outcome.people.find(p => p.id === id)
    return person?.childId ?? (person && truth.get(person.coverFaceId))
  }
  let asked = 0
  let unsure = 0
  while (asked < limit) {
    const question = outcome.questions[0]
    if (!question) return { ledger, asked, unsure, pointed, ended: 'no question', outcome }
    asked++
    const about = { kind: 'answer' as const, faceId: question.faceId, alike: question.alike }
    const without = (id: string): Grounded => {
      const { personId, anchors } = grounded(id)
      return { personId, anchors: anchors.filter(a => a !== question.faceId && !question.alike.includes(a)) }
    }
    const all = question.candidates.map(c => c.personId)
    const right = all.find(id => shown(id) === truth.get(question.faceId))
    if (random() < doubts) {
      unsure++
      say({ ...about, answer: 'not_sure', others: all.map(without) })
    } else if (right === undefined) say({ ...about, answer: 'neither', others: all.map(without) })
    else
      say({
        ...about,
        answer: 'person',
        person: without(right),
        others: all.filter(id => id !== right).map(without),
      })
    outcome = decide(ledger)
  }
  return { ledger, asked, unsure, pointed, ended: 'limit', outcome }
}
