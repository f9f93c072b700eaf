import type { FamilyTx, Sql } from '@keepsake/db'
import { isId, sql } from '@keepsake/db'
import type {
  Assignment,
  BirthDoubt,
  ChildProposal,
  GetAssignmentsRequest,
  GetAssignmentsResponse,
  GetProgressResponse,
  ListCorrectionsRequest,
  ListCorrectionsResponse,
  ListPeopleRequest,
  ListPeopleResponse,
  ListQuestionsRequest,
  ListQuestionsResponse,
  Person,
} from '@keepsake/proto/cluster/v1'
import type { Call } from '@keepsake/rpc'
import { errors } from './errors.js'
import { readWords, shownWords } from './overruled.js'
import { visibleTo } from './viewer.js'

interface PersonRow {
  personId: string
  name: string | null
  childId: string | null
  hidden: boolean
  age: number | null
  stage: string
  childProbability: number
  version: number
  faceCount: number
  mediaCount: number
  coverFaceId: string
  firstSeen: Date | null
  lastSeen: Date | null
}

const toPerson = (row: PersonRow): Person => ({
  id: row.personId,
  name: row.name ?? undefined,
  childId: row.childId ?? undefined,
  hidden: row.hidden,
  faceCount: row.faceCount,
  mediaCount: row.mediaCount,
  coverFaceId: row.coverFaceId,
  firstSeen: row.firstSeen ?? undefined,
  lastSeen: row.lastSeen ?? undefined,
  age: row.age ?? undefined,
  stage: row.stage,
  childProbability: row.childProbability,
  version: row.version,
})

/** People as the caller may see them: counted over his items, with a face from one of them. */
const people = (call: Call, which: Sql): Sql => sql`
  with seen as (
    select f.person_id, count(*)::int as face_count, count(distinct f.media_id)::int as media_count,
      (array_agg(f.face_id order by f.face_id = p.cover_face_id desc, f.confirmed desc, f.quality desc, f.face_id))[1] as cover_face_id,
      min(i.taken_at) as first_seen, max(i.taken_at) as last_seen
    from cluster.people p
    join cluster.faces f on f.family_id = p.family_id and f.person_id = p.person_id
    join cluster.items i on i.family_id = f.family_id and i.media_id = f.media_id
    where ${visibleTo(call)} and ${which}
    group by f.person_id)
  select p.person_id, p.name, p.child_id, p.hidden, p.age, p.stage, p.child_probability, p.version, s.face_count, s.media_count,
    s.cover_face_id, s.first_seen, s.last_seen
  from seen s join cluster.people p using (person_id)`

/** One person, or PERSON_NOT_FOUND where the caller sees no face of it. */
export async function getPerson(tx: FamilyTx, call: Call, personId: string): Promise<Person> {
  if (!isId(personId)) throw errors.personNotFound()
  const row = await tx.maybe<PersonRow>(people(call, sql`p.person_id = ${personId}`))
  if (!row) throw errors.personNotFound()
  return toPerson(row)
}

/** A person needs so many items to be listed, unless a parent spoke about it: single faces are mostly passers-by. */
const LISTED_FROM = 2

/** People, those with most faces first. */
export async function listPeople(tx: FamilyTx, call: Call, request: ListPeopleRequest): Promise<ListPeopleResponse> {
  const limit = pageSize(request.limit, 100, 500)
  const offset = decodeCursor(request.cursor)
  const rows = await tx.many<PersonRow>(sql`
    select * from (${people(call, sql`(${request.includeHidden} or not p.hidden)`)}) as all_people
    where media_count >= ${LISTED_FROM} or (select touched from cluster.people t where t.person_id = all_people.person_id)
    order by face_count desc, person_id limit ${limit + 1} offset ${offset}`)
  return {
    people: rows.slice(0, limit).map(toPerson),
    nextCursor: rows.length > limit ? encodeCursor(offset + limit) : '',
  }
}

/** Ids in one request, at most. */
const MOST_IDS = 500
const PAGE = 2000

/** Who is on items, or all faces of one person in pages. */
export async function getAssignments(
  tx: FamilyTx,
  call: Call,
  request: GetAssignmentsRequest,
): Promise<GetAssignmentsResponse> {
  if (request.mediaIds.length > MOST_IDS) throw errors.tooMany(MOST_IDS)
  const ids = request.mediaIds.filter(isId)
  const offset = decodeCursor(request.cursor)
  const onePerson = request.personId !== undefined && request.personId !== ''
  if (onePerson && !isId(request.personId!)) throw errors.personNotFound()
  const which = onePerson ? sql`f.person_id = ${request.personId}` : sql`f.media_id = any(${ids}::uuid[])`
  const page = onePerson ? sql`limit ${PAGE + 1} offset ${offset}` : sql.empty
  const rows = await tx.many<{
    faceId: string
    mediaId: string
    personId: string | null
    confidence: number
    confirmed: boolean
  }>(sql`
    select f.face_id, f.media_id, f.person_id, f.confidence, f.confirmed
    from cluster.faces f join cluster.items i using (family_id, media_id)
    where ${visibleTo(call)} and ${which} order by f.media_id, f.face_id ${page}`)
  const more = onePerson && rows.length > PAGE
  const assignments = rows
    .slice(0, onePerson ? PAGE : undefined)
    .map((row): Assignment => ({ ...row, personId: row.personId ?? undefined }))
  const named = [...new Set(assignments.map(a => a.personId).filter(id => id !== undefined))]
  const family = await tx.maybe<{ version: number }>(sql`select version from cluster.families`)
  return {
    assignments,
    nextCursor: more ? encodeCursor(offset + PAGE) : '',
    version: family?.version ?? 0,
    people: (await tx.many<PersonRow>(people(call, sql`p.person_id = any(${named}::uuid[])`))).map(toPerson),
  }
}

/** What parents said, latest first, each with the later word that overruled it. What holds depends on every word, so all are read. */
export async function listCorrections(tx: FamilyTx, request: ListCorrectionsRequest): Promise<ListCorrectionsResponse> {
  const limit = pageSize(request.limit, 50, 500)
  const offset = decodeCursor(request.cursor)
  const words = shownWords(await readWords(tx))
    .filter(word => !request.overruled || word.overruledBy !== undefined)
    .reverse()
  return {
    corrections: words.slice(offset, offset + limit),
    nextCursor: words.length > offset + limit ? encodeCursor(offset + limit) : '',
  }
}

/** Open questions, the most useful first. A relative is asked nothing. */
export async function listQuestions(tx: FamilyTx, request: ListQuestionsRequest): Promise<ListQuestionsResponse> {
  const limit = pageSize(request.limit, 20, 100)
  const offset = decodeCursor(request.cursor)
  const rows = await tx.many<{
    questionId: string
    mediaId: string
    candidates: { personId: string; confidence: number; faceId: string }[]
  }>(sql`
    select question_id, media_id, candidates from cluster.questions order by rank limit ${limit + 1} offset ${offset}`)
  return {
    questions: rows
      .slice(0, limit)
      .map(row => ({ id: row.questionId, faceId: row.questionId, mediaId: row.mediaId, candidates: row.candidates })),
    nextCursor: rows.length > limit ? encodeCursor(offset + limit) : '',
  }
}

/** People who may be children, the surest first. */
export async function listChildProposals(tx: FamilyTx): Promise<ChildProposal[]> {
  const rows = await tx.many<{ personId: string; childId: string | null; confidence: number; reason: string }>(
    sql`select person_id, child_id, confidence, reason from cluster.child_proposals order by rank`,
  )
  return rows.map(row => ({ ...row, childId: row.childId ?? undefined }))
}

/** What pictures say against the birth dates of children. */
export async function listBirthDoubts(tx: FamilyTx): Promise<BirthDoubt[]> {
  const rows = await tx.many<{
    childId: string
    personId: string
    kind: string
    mediaCount: number
    earliest: Date | null
    years: number | null
    followed: boolean
  }>(sql`
    select child_id, person_id, kind, media_count, earliest, years, followed from cluster.birth_doubts order by child_id, person_id`)
  return rows.map(row => ({ ...row, earliest: row.earliest ?? undefined, years: row.years ?? undefined }))
}

/** How many items are answered by the present people. */
export async function progress(tx: FamilyTx): Promise<GetProgressResponse> {
  const row = await tx.maybe<{ done: number; pending: number; version: number; people: number }>(sql`
    select count(i.media_id) filter (where i.generation <= f.done_generation) as done,
      count(i.media_id) filter (where i.generation > f.done_generation) as pending,
      f.version, (select count(*) from cluster.people p where not p.hidden and (p.media_count >= ${LISTED_FROM} or p.touched)) as people
    from cluster.families f left join cluster.items i on i.family_id = f.family_id and i.version >= 0 and not i.faces_failed
    group by f.family_id, f.version, f.done_generation`)
  if (row) return row
  // Items without any face never needed a run.
  const { done } = await tx.one<{ done: number }>(
    sql`select count(*) as done from cluster.items where version >= 0 and not faces_failed`,
  )
  return { done, pending: 0, version: 0, people: 0 }
}

/** Rows kept about items, or about the whole family where no item is named; there the bare mark that an item is in the trash does not count. */
export async function countStored(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  const ids = mediaIds.filter(isId)
  const of = mediaIds.length ? sql`where media_id = any(${ids}::uuid[])` : sql.empty
  const items = mediaIds.length ? of : sql`where not (trashed and version < 0)`
  const { rows } = await tx.one<{ rows: number }>(sql`
    select (select count(*) from cluster.items ${items}) + (select count(*) from cluster.faces ${of}) + (select count(*) from cluster.questions ${of}) as rows`)
  if (mediaIds.length) return rows
  const rest = await tx.one<{ rows: number }>(sql`
    select (select count(*) from cluster.people) + (select count(*) from cluster.corrections) + (select count(*) from cluster.child_proposals)
      + (select count(*) from cluster.birth_doubts) as rows`)
  return rows + rest.rows
}

const pageSize = (limit: number, usual: number, most: number): number => (limit <= 0 ? usual : Math.min(limit, most))
/** The cursor of a list that goes on at so many entries. */
export const encodeCursor = (offset: number): string => Buffer.from(`at ${offset}`).toString('base64url')

/** The number of entries before the page that a cursor names. Throws CURSOR_INVALID. */
export function decodeCursor(cursor: string): number {
  if (cursor === '') return 0
  const found = /^at (\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (!found) throw errors.cursorInvalid()
  return Number(found[1])
}
