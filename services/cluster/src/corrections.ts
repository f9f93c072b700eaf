import type { FamilyTx } from '@keepsake/db'
import { isId, sql } from '@keepsake/db'
import type { UpdatePersonRequest } from '@keepsake/proto/cluster/v1'
import type { MemberCaller } from '@keepsake/rpc'
import { errors } from './errors.js'
import type { Grounded, LedgerEntry } from './ledger.js'
import { hold, touch } from './store.js'

/** An entry's words, without what the ledger adds. */
type Words = LedgerEntry extends infer E
  ? E extends LedgerEntry
    ? Omit<E, 'id' | 'sequence' | 'undone'>
    : never
  : never

/** What was said: ids in the ledger, and the generation that answers it. */
export interface Said {
  ids: string[]
  generation: number
}

/** Characters of a name, at most. */
const LONGEST_NAME = 100

/**
 * Begins a correction: from here on nobody else changes the family's people or words. Answers the ids an earlier call with this key wrote, where there was one: repeating
 * a call says nothing twice.
 */
async function begin(tx: FamilyTx, key: string | undefined): Promise<Said | undefined> {
  await hold(tx)
  if (!key) return undefined
  const rows = await tx.many<{ correctionId: string }>(
    sql`select correction_id from cluster.corrections where idempotency_key = ${key} order by sequence`,
  )
  return rows.length ? { ids: rows.map(row => row.correctionId), generation: 0 } : undefined
}

/** Writes entries into the ledger, in order. Corrections of one family are written one after the other. */
async function write(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  entries: readonly { words: Words; personId: string | null }[],
): Promise<Said> {
  const generation = await touch(tx)
  const ids: string[] = []
  for (const { words, personId } of entries) {
    const { correctionId } = await tx.one<{ correctionId: string }>(sql`
      with next as (update cluster.families set sequence = sequence + 1 returning sequence)
      insert into cluster.corrections (family_id, correction_id, sequence, kind, person_id, by_member_id, entry, idempotency_key)
      select ${tx.familyId}, uuidv7(), next.sequence, ${words.kind}, ${personId}::uuid, ${by.memberId}, ${sql.json(words)}::jsonb, ${key} from next
      returning correction_id`)
    ids.push(correctionId)
  }
  return { ids, generation }
}

/** A person with the faces that stand for it now. */
async function ground(tx: FamilyTx, personId: string): Promise<Grounded> {
  if (!isId(personId)) throw errors.personNotFound()
  const row = await tx.maybe<{ personId: string; anchors: string[] }>(
    sql`select person_id, anchors from cluster.people where person_id = ${personId}`,
  )
  if (!row) throw errors.personNotFound()
  return row
}

async function requireFace(tx: FamilyTx, faceId: string): Promise<void> {
  const face = isId(faceId) && (await tx.maybe(sql`select 1 from cluster.faces where face_id = ${faceId}`))
  if (!face) throw errors.faceNotFound()
}

/** Names, links or hides a person: one entry each. An empty name or child takes it away. */
export async function updatePerson(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  r: UpdatePersonRequest,
): Promise<Said> {
  const earlier = await begin(tx, key)
  if (earlier) return earlier
  const person = await ground(tx, r.personId)
  const name = r.name?.trim()
  if (name !== undefined && [...name].length > LONGEST_NAME) throw errors.nameTooLong(LONGEST_NAME)
  const words: Words[] = []
  if (name !== undefined) words.push({ kind: 'name', person, name })
  if (r.childId !== undefined) words.push({ kind: 'link', person, childId: r.childId })
  if (r.hidden !== undefined) words.push({ kind: 'hide', person, hidden: r.hidden })
  if (words.length === 0) throw errors.nothingToChange()
  return write(
    tx,
    by,
    key,
    words.map(w => ({ words: w, personId: person.personId })),
  )
}

/** Two people are one; the second stays. */
export async function mergePeople(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  personId: string,
  intoId: string,
): Promise<Said> {
  const earlier = await begin(tx, key)
  if (earlier) return earlier
  if (personId === intoId) throw errors.mergeWithItself()
  const person = await ground(tx, personId)
  const into = await ground(tx, intoId)
  return write(tx, by, key, [{ words: { kind: 'merge', person, into }, personId: intoId }])
}

/** Some faces of a person are another one. `newPersonId` is fresh; a repeated call answers the one of the first. */
export async function splitPerson(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  personId: string,
  faceIds: readonly string[],
  newPersonId: string,
): Promise<Said & { newPersonId: string }> {
  const earlier = await begin(tx, key)
  if (earlier) {
    const row = await tx.one<{ personId: string }>(
      sql`select person_id from cluster.corrections where correction_id = ${earlier.ids[0]}`,
    )
    return { ...earlier, newPersonId: row.personId }
  }
  const person = await ground(tx, personId)
  const apart = new Set(faceIds)
  const members = await tx.many<{ faceId: string }>(
    sql`select face_id from cluster.faces where person_id = ${personId} order by quality desc, face_id`,
  )
  const rest = members.map(m => m.faceId).filter(id => !apart.has(id))
  if (apart.size === 0 || rest.length === 0 || rest.length + apart.size !== members.length) throw errors.splitInvalid()
  const left = person.anchors.filter(id => !apart.has(id))
  const words: Words = {
    kind: 'split',
    person: { personId, anchors: left.length ? left : rest.slice(0, 8) },
    newPersonId,
    faceIds: [...apart].sort(),
  }
  return { ...(await write(tx, by, key, [{ words, personId: newPersonId }])), newPersonId }
}

/**
 * A face is this person. Faces like it follow, which is how a person is named from a picture; but not those of another person that a parent
 * spoke about, or that is the larger one of the two: then only this face was meant.
 */
export async function confirmFace(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  faceId: string,
  personId: string,
): Promise<Said> {
  const earlier = await begin(tx, key)
  if (earlier) return earlier
  await requireFace(tx, faceId)
  const person = await ground(tx, personId)
  const was = await tx.maybe<Grounded>(sql`
    select a.person_id, a.anchors from cluster.faces f join cluster.people a using (family_id, person_id)
    join cluster.people p on p.family_id = f.family_id and p.person_id = ${personId}
    where f.face_id = ${faceId} and a.person_id <> p.person_id and a.face_count > 1 and (a.touched or a.face_count > p.face_count)`)
  const from = was && { ...was, anchors: was.anchors.filter(id => id !== faceId) }
  return write(tx, by, key, [{ words: { kind: 'confirm', person, faceId, ...(from ? { from } : {}) }, personId }])
}

/** A face is not this person; without a person: no face of anyone. */
export async function rejectFace(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  faceId: string,
  personId: string,
): Promise<Said> {
  const earlier = await begin(tx, key)
  if (earlier) return earlier
  await requireFace(tx, faceId)
  if (personId === '') return write(tx, by, key, [{ words: { kind: 'reject', faceId }, personId: null }])
  const known = await ground(tx, personId)
  const anchors = known.anchors.filter(id => id !== faceId)
  return write(tx, by, key, [{ words: { kind: 'reject', person: { personId, anchors }, faceId }, personId }])
}

/** Answers a question with a candidate, `neither` or `not_sure`. */
export async function answerQuestion(
  tx: FamilyTx,
  by: MemberCaller,
  key: string | undefined,
  questionId: string,
  answer: string,
): Promise<Said> {
  const earlier = await begin(tx, key)
  if (earlier) return earlier
  const question = isId(questionId)
    ? await tx.maybe<{ candidates: { personId: string }[]; alike: string[] }>(
        sql`select candidates, alike from cluster.questions where question_id = ${questionId}`,
      )
    : undefined
  if (!question) throw errors.questionNotFound()
  const people: Grounded[] = []
  for (const candidate of question.candidates) people.push(await ground(tx, candidate.personId))
  const without = (p: Grounded): Grounded => ({
    ...p,
    anchors: p.anchors.filter(id => id !== questionId && !question.alike.includes(id)),
  })
  const about = { kind: 'answer' as const, faceId: questionId, alike: question.alike }
  if (answer === 'neither' || answer === 'not_sure')
    return write(tx, by, key, [{ words: { ...about, answer, others: people.map(without) }, personId: null }])
  const person = people.find(p => p.personId === answer)
  if (!person) throw errors.answerInvalid()
  const others = people.filter(p => p !== person).map(without)
  return write(tx, by, key, [{ words: { ...about, answer: 'person', person, others }, personId: person.personId }])
}

/** Takes a correction back: as if it had never been said. Twice is the same as once. */
export async function undoCorrection(tx: FamilyTx, correctionId: string): Promise<Said> {
  await hold(tx)
  const row = isId(correctionId)
    ? await tx.maybe<{ undone: boolean }>(
        sql`select undone from cluster.corrections where correction_id = ${correctionId}`,
      )
    : undefined
  if (!row) throw errors.correctionNotFound()
  if (row.undone) return { ids: [correctionId], generation: 0 }
  await tx.changed(
    sql`update cluster.corrections set undone = true, undone_at = now() where correction_id = ${correctionId}`,
  )
  return { ids: [correctionId], generation: await touch(tx) }
}
