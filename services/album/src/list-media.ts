import { isId, sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { ListMediaRequest, ListMediaResponse, ListMonthsResponse, MediaFilter } from '@keepsake/proto/album/v1'
import { decodeCursor, encodeCursor, isTime, pageSize } from './cursor.js'
import { errors } from './errors.js'
import { mediaColumns, ownedBy, toMedia, type MediaRow } from './media.js'
import { visibleTo, type Viewer } from './viewer.js'
import { matchesTerm, queryTerms } from './words.js'

const kinds = new Set(['photo', 'video', 'live'])
const states = new Set(['pending', 'ready', 'failed'])
const audiences = new Set(['everyone', 'parents', 'groups', 'members'])
const noFilter: MediaFilter = { kinds: [], trash: false, states: [] }

/** The condition on `album.media m` that a filter asks for, with the viewer's audience in it. `from` is included, `to` is not. */
export async function filterSql(tx: FamilyTx, viewer: Viewer, filter: MediaFilter = noFilter): Promise<Sql> {
  const parts = [sql`m.family_id = ${tx.familyId}`, visibleTo(viewer)]
  parts.push(filter.trash ? sql`m.trashed_at is not null and ${ownedBy(viewer)}` : sql`m.trashed_at is null`)
  if (filter.from !== undefined) parts.push(sql`m.taken_at >= ${filter.from}`)
  if (filter.to !== undefined) parts.push(sql`m.taken_at < ${filter.to}`)
  if (filter.kinds.length > 0) {
    if (!filter.kinds.every(kind => kinds.has(kind))) throw errors.invalidFilter('Kinds are photo, video and live.')
    parts.push(sql`m.kind = any(${filter.kinds}::text[])`)
  }
  if (filter.states.length > 0) {
    if (!filter.states.every(state => states.has(state)))
      throw errors.invalidFilter('States are pending, ready and failed.')
    parts.push(sql`m.state = any(${filter.states}::text[])`)
  }
  if (filter.personId !== undefined) parts.push(isId(filter.personId) ? withPerson(filter.personId) : sql`false`)
  if (filter.childId !== undefined) parts.push(isId(filter.childId) ? withChild(filter.childId) : sql`false`)
  if (filter.favourite !== undefined) {
    const marked = sql`m.id in (select f.media_id from album.favourites f
      where f.family_id = ${tx.familyId} and f.member_id = ${viewer.memberId})`
    parts.push(filter.favourite ? marked : sql`not (${marked})`)
  }
  if (filter.minRating !== undefined) parts.push(sql`m.rating >= ${filter.minRating}`)
  if (filter.audienceKind !== undefined) {
    if (!audiences.has(filter.audienceKind))
      throw errors.invalidFilter('An audience is everyone, parents, groups or members.')
    parts.push(sql`m.audience_kind = ${filter.audienceKind}`)
  }
  if (filter.collectionId !== undefined)
    parts.push(
      isId(filter.collectionId)
        ? sql`m.id in (select cm.media_id from album.collection_media cm
            where cm.family_id = ${tx.familyId} and cm.collection_id = ${filter.collectionId})`
        : sql`false`,
    )
  if (filter.query !== undefined) parts.push(...(await queryParts(tx, filter.query)))
  return sql.join(parts, sql` and `)
}

/** Items on which cluster sees a person. */
export const withPerson = (personId: string): Sql => sql`exists (
  select 1 from album.media_people mp
  where mp.family_id = m.family_id and mp.media_id = m.id and mp.person_id = ${personId})`

/** Items on which a person linked to a child is seen; of any child where none is named. */
export const withChild = (childId?: string): Sql => sql`exists (
  select 1 from album.media_people mp join album.people p on p.family_id = mp.family_id and p.id = mp.person_id
  where mp.family_id = m.family_id and mp.media_id = m.id
    and ${childId === undefined ? sql`p.child_id is not null` : sql`p.child_id = ${childId}`})`

// A word with fewer items than this is looked up; a commoner one is checked item by item along the timeline, where a page fills soon.
const rareWord = 2_000

async function queryParts(tx: FamilyTx, query: string): Promise<Sql[]> {
  const terms = queryTerms(query)
  if (terms.length === 0) return query.trim() === '' ? [] : [sql`false`]
  const people = await tx.many<{ id: string; name: string }>(sql`
    select id, name from album.people where family_id = ${tx.familyId} and name <> '' and not hidden`)
  const parts: Sql[] = []
  for (const term of terms) {
    const named = people.filter(person => matchesTerm(person.name, term)).map(person => person.id)
    // The range a beginning spans; \u{10ffff} sorts after every character that a word can hold.
    const word = term.prefix
      ? sql`w.word >= ${term.term} and w.word < ${`${term.term}\u{10ffff}`}`
      : sql`w.word = ${term.term}`
    const found = await tx.many<{ mediaId: string }>(sql`
      select w.media_id from album.words w where w.family_id = ${tx.familyId} and ${word}
      union all
      select mp.media_id from album.media_people mp where mp.family_id = ${tx.familyId} and mp.person_id = any(${named}::uuid[])
      limit ${rareWord + 1}`)
    if (found.length <= rareWord) parts.push(sql`m.id = any(${found.map(row => row.mediaId)}::uuid[])`)
    else
      // offset 0 keeps the planner from turning this into a join over every item that has the word.
      parts.push(sql`(
        exists (select 1 from album.words w
                where w.family_id = m.family_id and w.media_id = m.id and ${word} offset 0)
        or exists (select 1 from album.media_people mp
                   where mp.family_id = m.family_id and mp.media_id = m.id and mp.person_id = any(${named}::uuid[]) offset 0))`)
  }
  return parts
}

/** A page of items by capture time, for one viewer. */
export async function listMedia(tx: FamilyTx, viewer: Viewer, request: ListMediaRequest): Promise<ListMediaResponse> {
  const { rows, nextCursor } = await pageOfMedia(tx, viewer, await filterSql(tx, viewer, request.filter), request)
  return { media: rows.map(toMedia), nextCursor }
}

/** A page of the items that `where` allows (it must hold the viewer's audience), newest or oldest first. */
export async function pageOfMedia(
  tx: FamilyTx,
  viewer: Viewer,
  where: Sql,
  { cursor, limit, order }: { cursor: string; limit: number; order: string },
): Promise<{ rows: MediaRow[]; nextCursor: string }> {
  if (!['', 'newest', 'oldest'].includes(order)) throw errors.invalidFilter('The order is newest or oldest.')
  const oldest = order === 'oldest'
  const after = decodeCursor(cursor, [isTime, id => typeof id === 'string' && isId(id)])
  const size = pageSize(limit, 50, 500)
  const at =
    after === undefined
      ? sql`true`
      : oldest
        ? sql`(m.taken_at, m.id) > (${new Date(Number(after[0]))}, ${after[1]})`
        : sql`(m.taken_at, m.id) < (${new Date(Number(after[0]))}, ${after[1]})`
  const by = oldest ? sql`m.taken_at, m.id` : sql`m.taken_at desc, m.id desc`
  const rows = await tx.many<MediaRow>(sql`
    select ${mediaColumns(viewer)} from (
      select * from album.media m where ${where} and ${at} order by ${by} limit ${size + 1}
    ) m order by ${by}`)
  const page = rows.slice(0, size)
  const last = page.at(-1)
  const nextCursor = rows.length > size && last !== undefined ? encodeCursor([last.takenAt.getTime(), last.id]) : ''
  return { rows: page, nextCursor }
}

/** The timeline's index: months with items, newest first. */
export async function listMonths(
  tx: FamilyTx,
  viewer: Viewer,
  filter: MediaFilter | undefined,
): Promise<ListMonthsResponse> {
  return { months: await monthsOf(tx, await filterSql(tx, viewer, filter)) }
}

/** Months (yyyy-mm) of the items that `where` allows, newest first, with counts. */
export function monthsOf(tx: FamilyTx, where: Sql): Promise<{ month: string; count: number }[]> {
  return tx.many<{ month: string; count: number }>(sql`
    select m.month, count(*) as count from album.media m where ${where} group by m.month order by m.month desc`)
}
