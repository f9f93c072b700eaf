import { rootIn, type LedgerEntry } from './ledger.js'

/** An entry and the parent who said it. */
export interface Spoken {
  entry: LedgerEntry
  by: string
}

/** What two words disagree about. */
export type About = 'face' | 'name' | 'child' | 'hidden'

/** A word that does not hold any more, because of a later one. Both stay in the ledger; undoing the later one makes the earlier one hold again. */
export interface Overruled {
  /** The entry that was overruled. */
  id: string
  /** The latest entry that says otherwise. */
  by: string
  about: About
  /** With `face`: about these the two disagree, in the order of their ids; in the rest the earlier word may still hold. */
  faceIds: string[]
}

/** Stands for "a face of nobody". */
const NOBODY = ''

/** One thing that an entry says about a face: that it is this person (or nobody), or that it is not. */
interface Claim {
  id: string
  sequence: number
  face: string
  person: string
  is: boolean
}

/**
 * Words of the ledger that later words overruled: a face that was said to be A and then not A, or B, or nobody; two people who were told apart and
 * then said to be one; a name, child or visibility that another parent changed. A parent who gives a new name to what he named himself contradicts
 * nobody. Entries that were taken back say nothing. In the order of the overruled ones.
 */
export function contradictions(spoken: readonly Spoken[]): Overruled[] {
  const active = spoken.filter(({ entry }) => !entry.undone).sort((a, b) => a.entry.sequence - b.entry.sequence)
  const found = new Map<string, Overruled & { at: number }>()
  const sequenceOf = new Map(active.map(({ entry }) => [entry.id, entry.sequence]))
  const note = (id: string, by: string, about: About, face?: string): void => {
    const at = sequenceOf.get(by)!
    const known = found.get(id)
    if (!known) found.set(id, { id, by, at, about, faceIds: face === undefined ? [] : [face] })
    else {
      if (face !== undefined && !known.faceIds.includes(face)) known.faceIds.push(face)
      if (at > known.at) Object.assign(known, { by, at, about })
    }
  }
  noteFaces(active, note)
  noteAttributes(active, note)
  return [...found.values()]
    .sort((a, b) => sequenceOf.get(a.id)! - sequenceOf.get(b.id)!)
    .map(({ id, by, about, faceIds }) => ({ id, by, about, faceIds: faceIds.sort() }))
}

type Note = (id: string, by: string, about: About, face?: string) => void

/** People who were merged are one, whenever that was said: compared are the people that stay. */
function noteFaces(active: readonly Spoken[], note: Note): void {
  const root = mergeRoots(active)
  const byFace = new Map<string, Claim[]>()
  for (const { entry } of active)
    for (const claim of claimsOf(entry)) {
      const resolved = { ...claim, person: claim.person === NOBODY ? NOBODY : root(claim.person) }
      const list = byFace.get(claim.face)
      if (list) list.push(resolved)
      else byFace.set(claim.face, [resolved])
    }
  for (const claims of byFace.values()) {
    if (claims.length < 2) continue
    let holds: Claim | undefined
    for (const claim of claims) {
      if (claim.is) holds = claim
      else if (holds?.person === claim.person && holds.id !== claim.id) holds = undefined
    }
    for (const claim of claims) {
      const still = claim.is ? holds?.person === claim.person : holds?.person !== claim.person
      if (still) continue
      const later = claims.findLast(other => other.sequence > claim.sequence && disagree(claim, other))
      if (later) note(claim.id, later.id, 'face', claim.face)
    }
  }
}

const disagree = (a: Claim, b: Claim): boolean =>
  a.is && b.is ? a.person !== b.person : a.is !== b.is && a.person === b.person

function claimsOf(entry: LedgerEntry): Claim[] {
  const { id, sequence } = entry
  const claim =
    (person: string, is: boolean) =>
    (face: string): Claim => ({ id, sequence, face, person, is })
  switch (entry.kind) {
    case 'merge':
      return [...entry.person.anchors, ...entry.into.anchors].map(claim(entry.into.personId, true))
    case 'split':
      return entry.faceIds.flatMap(face => [
        claim(entry.person.personId, false)(face),
        claim(entry.newPersonId, true)(face),
      ])
    case 'confirm':
      return [
        ...(entry.from ? [claim(entry.from.personId, false)(entry.faceId)] : []),
        claim(entry.person.personId, true)(entry.faceId),
      ]
    case 'reject':
      return [entry.person ? claim(entry.person.personId, false)(entry.faceId) : claim(NOBODY, true)(entry.faceId)]
    case 'answer': {
      if (entry.answer === 'not_sure') return []
      const others = [entry.faceId, ...entry.alike].flatMap(face =>
        entry.others.map(other => claim(other.personId, false)(face)),
      )
      return entry.answer === 'person' ? [...others, claim(entry.person.personId, true)(entry.faceId)] : others
    }
    default:
      return []
  }
}

/** Follows merges to the people that stay. */
function mergeRoots(active: readonly Spoken[]): (person: string) => string {
  const into = new Map<string, string>()
  const root = rootIn(into)
  for (const { entry } of active) {
    if (entry.kind !== 'merge') continue
    const from = root(entry.person.personId)
    const to = root(entry.into.personId)
    if (from !== to) into.set(from, to)
  }
  return root
}

interface Attribute {
  id: string
  by: string
  value: string
}

/** Names, children and visibility, as the ledger reads them: of two people who are merged the one that stays keeps what it has. */
function noteAttributes(active: readonly Spoken[], note: Note): void {
  const into = new Map<string, string>()
  const root = rootIn(into)
  /** What was said of a person, by what it was about; the last of each list holds. */
  const said = new Map<string, Map<About, Attribute[]>>()
  const wordsOf = (person: string): Map<About, Attribute[]> => {
    const words = said.get(person) ?? new Map<About, Attribute[]>()
    said.set(person, words)
    return words
  }
  const say = (person: string, about: About, word: Attribute): void => {
    const words = wordsOf(root(person))
    words.set(about, [...(words.get(about) ?? []), word])
  }
  /** Pairs of which the earlier is overruled because the people were merged. */
  const byMerge: { about: About; lost: Attribute; merge: Attribute }[] = []
  for (const { entry, by } of active) {
    const word = (value: string): Attribute => ({ id: entry.id, by, value })
    if (entry.kind === 'name') say(entry.person.personId, 'name', word(entry.name))
    else if (entry.kind === 'link') say(entry.person.personId, 'child', word(entry.childId))
    else if (entry.kind === 'hide') say(entry.person.personId, 'hidden', word(String(entry.hidden)))
    else if (entry.kind === 'merge') {
      const from = root(entry.person.personId)
      const to = root(entry.into.personId)
      if (from === to) continue
      into.set(from, to)
      for (const about of ['name', 'child'] as const) {
        const lost = wordsOf(from).get(about)?.at(-1)
        const stays = wordsOf(to).get(about)?.at(-1)
        if (!lost?.value) continue
        if (stays?.value) {
          if (stays.value !== lost.value) byMerge.push({ about, lost, merge: word(stays.value) })
        } else wordsOf(to).set(about, [...(wordsOf(to).get(about) ?? []), ...(wordsOf(from).get(about) ?? [])])
      }
    }
  }
  for (const { about, lost, merge } of byMerge) if (lost.by !== merge.by) note(lost.id, merge.id, about)
  for (const [person, words] of said) {
    if (root(person) !== person) continue
    for (const [about, list] of words) {
      const last = list.at(-1)!
      for (const word of list) if (word.value !== last.value && word.by !== last.by) note(word.id, last.id, about)
    }
  }
}
