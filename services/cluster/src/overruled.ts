import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import type { Correction } from '@keepsake/proto/cluster/v1'
import { contradictions, type Overruled } from './contradictions.js'
import type { LedgerEntry } from './ledger.js'
import { spokenOf } from './people.js'

/** Faces that one overruling names, at most: the rest is counted by looking at the corrections. */
const NAMED_FACES = 20

/** A word of the ledger with who said it and when. */
export interface Word {
  entry: LedgerEntry
  by: string
  at: Date
  /** The person it stands under in lists. */
  personId: string | null
}

/** The family's words, the first first. */
export async function readWords(tx: FamilyTx): Promise<Word[]> {
  const rows = await tx.many<{
    correctionId: string
    sequence: number
    undone: boolean
    entry: object
    byMemberId: string
    at: Date
    personId: string | null
  }>(sql`
    select correction_id, sequence, undone, entry, by_member_id, at, person_id from cluster.corrections
    where family_id = ${tx.familyId} order by sequence`)
  return rows.map(({ correctionId, sequence, undone, entry, byMemberId, at, personId }) => ({
    entry: { ...entry, id: correctionId, sequence, undone } as LedgerEntry,
    by: byMemberId,
    at,
    personId,
  }))
}

/** Words as they are shown, each with the later one that overruled it. */
export function shownWords(words: readonly Word[]): Correction[] {
  const overruled = new Map(contradictions(words).map(found => [found.id, found]))
  const byId = new Map(words.map(word => [word.entry.id, word]))
  return words.map(word => {
    const found = overruled.get(word.entry.id)
    return {
      id: word.entry.id,
      kind: word.entry.kind,
      byMemberId: word.by,
      at: word.at,
      undone: word.entry.undone,
      personId: word.personId ?? '',
      overruledBy: found && overruling(found, byId.get(found.by)!),
      value: valueOf(word.entry),
    }
  })
}

const overruling = ({ about, faceIds }: Overruled, later: Word): NonNullable<Correction['overruledBy']> => ({
  correctionId: later.entry.id,
  byMemberId: later.by,
  at: later.at,
  about,
  faceIds: faceIds.slice(0, NAMED_FACES),
})

function valueOf(entry: LedgerEntry): string | undefined {
  switch (entry.kind) {
    case 'name':
      return entry.name
    case 'link':
      return entry.childId
    case 'hide':
      return String(entry.hidden)
    case 'answer':
      return entry.answer === 'person' ? entry.person.personId : entry.answer
    default:
      return undefined
  }
}

/** Earlier words that these corrections overruled. */
export async function overruledBy(tx: FamilyTx, ids: readonly string[]): Promise<Correction[]> {
  return shownWords(await readWords(tx)).filter(
    ({ overruledBy: by }) => by !== undefined && ids.includes(by.correctionId),
  )
}

/** Whether a word speaks about a person. */
export const isAbout = ({ entry, personId }: Word, person: string): boolean =>
  personId === person || spokenOf(entry).some(spoken => spoken.personId === person)
