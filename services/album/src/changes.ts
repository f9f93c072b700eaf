import { sql, type FamilyTx } from '@keepsake/db'
import type { ListChangesResponse } from '@keepsake/proto/album/v1'
import { decodeCursor, encodeCursor, isCount, pageSize } from './cursor.js'
import { bump, lockFamily } from './version.js'
import { visibleTo, type Viewer } from './viewer.js'

/** What the feed speaks of. */
export type ChangeKind = 'media' | 'comment' | 'collection' | 'block' | 'edit'

/**
 * Notes that items were put or deleted, with the audience they have now. Note a deletion before the row goes; one version may be noted
 * more than once.
 */
export async function noteMedia(
  tx: FamilyTx,
  version: number,
  ids: readonly string[],
  op: 'put' | 'delete',
): Promise<void> {
  // The newest put of a thing says all; older ones only make the feed longer.
  await tx.changed(sql`
    with older as (
      delete from album.changes where family_id = ${tx.familyId} and kind = 'media' and id = any(${ids}::uuid[]) and op = 'put')
    insert into album.changes (family_id, version, ordinal, kind, id, op, media_id, audience_kind, audience_ids, uploaded_by)
    select m.family_id, ${version}, (${nextOrdinal(tx, version)}) + row_number() over (order by m.id), 'media', m.id, ${op}, m.id,
           m.audience_kind, m.audience_ids, m.uploaded_by
    from album.media m where m.family_id = ${tx.familyId} and m.id = any(${ids}::uuid[])`)
}

/** Notes a change of a comment: whoever sees the item hears of it. */
export async function noteComment(
  tx: FamilyTx,
  version: number,
  mediaId: string,
  commentId: string,
  op: 'put' | 'delete',
): Promise<void> {
  await tx.changed(sql`
    insert into album.changes (family_id, version, ordinal, kind, id, op, media_id, audience_kind, audience_ids, uploaded_by)
    select m.family_id, ${version}, (${nextOrdinal(tx, version)}) + 1, 'comment', ${commentId}, ${op}, m.id,
           m.audience_kind, m.audience_ids, m.uploaded_by
    from album.media m where m.family_id = ${tx.familyId} and m.id = ${mediaId}`)
}

/** Notes a change of something that is no item: for everyone, or for parents (and the member who made it). */
export async function noteThing(
  tx: FamilyTx,
  version: number,
  kind: Exclude<ChangeKind, 'media' | 'comment'>,
  id: string,
  op: 'put' | 'delete',
  audience: 'everyone' | 'parents',
  memberId?: string,
): Promise<void> {
  await tx.changed(sql`
    insert into album.changes (family_id, version, ordinal, kind, id, op, media_id, audience_kind, audience_ids, uploaded_by)
    values (${tx.familyId}, ${version}, (${nextOrdinal(tx, version)}) + 1, ${kind}, ${id}, ${op}, null, ${audience}, '{}', ${memberId})`)
}

const nextOrdinal = (tx: FamilyTx, version: number) =>
  sql`select coalesce(max(ordinal), 0) from album.changes where family_id = ${tx.familyId} and version = ${version}`

/**
 * Notes what a reader sees less, or more, since he last read the feed because his groups or his role changed: for him alone, and once for all
 * his devices. A first reading notes nothing: it begins with what he sees.
 */
async function noteNewEyes(tx: FamilyTx, viewer: Viewer): Promise<void> {
  const { memberId, parent } = viewer
  if (memberId === undefined) return
  const groupIds = [...viewer.groupIds].sort()
  const known = sql`
    select parent, group_ids from album.feed_readers where family_id = ${tx.familyId} and member_id = ${memberId}`
  const same = (was: { parent: boolean; groupIds: string[] } | undefined) =>
    was !== undefined && was.parent === parent && was.groupIds.join() === groupIds.join()
  if (same(await tx.maybe<{ parent: boolean; groupIds: string[] }>(known))) return
  await lockFamily(tx)
  const was = await tx.maybe<{ parent: boolean; groupIds: string[] }>(known)
  if (same(was)) return
  await tx.changed(sql`
    insert into album.feed_readers (family_id, member_id, parent, group_ids)
    values (${tx.familyId}, ${memberId}, ${parent}, ${groupIds}::uuid[])
    on conflict (family_id, member_id) do update set parent = excluded.parent, group_ids = excluded.group_ids`)
  if (was === undefined) return
  const before = visibleTo({ memberId, ...was })
  const now = visibleTo(viewer)
  const version = await bump(tx)
  await tx.changed(sql`
    insert into album.changes (family_id, version, ordinal, kind, id, op, media_id, audience_kind, audience_ids, uploaded_by)
    select m.family_id, ${version}, row_number() over (order by m.id), 'media', m.id, case when ${now} then 'put' else 'delete' end, m.id,
           'members', ${[memberId]}::uuid[], null
    from album.media m
    where m.family_id = ${tx.familyId} and m.trashed_at is null and (${before} is true) <> (${now} is true)`) // unknown uploaders make it null
}

/**
 * The feed after a cursor, oldest first. A put is shown while its item can be seen; a deletion to those who could see the item before and
 * cannot now, also because they left a group. The cursor is answered at the end too: a sync client comes back with it.
 */
export async function listChanges(
  tx: FamilyTx,
  viewer: Viewer,
  cursor: string,
  limit: number,
): Promise<ListChangesResponse> {
  const [version = 0, ordinal = 0] = decodeCursor(cursor, [isCount, isCount]) ?? []
  const size = pageSize(limit, 200, 1_000)
  await noteNewEyes(tx, viewer)
  const rows = await tx.many<{ kind: string; id: string; version: number; ordinal: number; op: string }>(sql`
    select c.kind, c.id, c.version, c.ordinal, c.op
    from album.changes c
    where c.family_id = ${tx.familyId} and (c.version, c.ordinal) > (${version}, ${ordinal}) and ${visibleTo(viewer, 'c')}
      and (c.media_id is null or (c.kind = 'comment' and c.op = 'delete') or (c.op = 'put') = exists (
        select 1 from album.media m
        where m.family_id = c.family_id and m.id = c.media_id and m.trashed_at is null and ${visibleTo(viewer)}))
    order by c.version, c.ordinal limit ${size}`)
  const last = rows.at(-1)
  return {
    changes: rows.map(({ kind, id, version: at, op }) => ({ kind, id, version: at, op })),
    nextCursor: last === undefined ? cursor : encodeCursor([last.version, last.ordinal]),
  }
}
