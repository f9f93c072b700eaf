import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { bury, MediaChanged, MediaRemoved, publish, reportErasure, startErasure } from '@keepsake/events'
import { group } from './catalogue.js'
import { noteMedia } from './changes.js'
import { forgetComments } from './comments.js'
import { errors } from './errors.js'
import { distinct } from './ids.js'
import { ownedBy, requireOwned } from './media.js'
import { bump, lockFamily } from './version.js'
import { visibleTo, type Viewer } from './viewer.js'

const most = 500

/**
 * Puts items into the trash, where they are invisible for everything but a restore; with `now` they are erased for good, and the receipt's id is
 * answered.
 */
export async function deleteMedia(
  tx: FamilyTx,
  viewer: Viewer,
  mediaIds: readonly string[],
  now: boolean,
): Promise<string | undefined> {
  const ids = checked(mediaIds)
  await lockFamily(tx)
  if (now) {
    await requireErasable(tx, viewer, ids)
    return erase(tx, ids, viewer.memberId)
  }
  await requireOwned(tx, viewer, ids)
  const version = await bump(tx)
  await noteMedia(tx, version, ids, 'delete')
  await tx.changed(sql`
    update album.media set trashed_at = now(), version = ${version}
    where family_id = ${tx.familyId} and id = any(${ids}::uuid[])`)
  await publish(tx, MediaRemoved, { mediaIds: ids, version, how: 'trashed' })
  return undefined
}

/** Takes items out of the trash again, with everything that was theirs. Those that are in no trash stay as they are. */
export async function restoreMedia(tx: FamilyTx, viewer: Viewer, mediaIds: readonly string[]): Promise<void> {
  const ids = checked(mediaIds)
  await lockFamily(tx)
  await requireErasable(tx, viewer, ids)
  const version = await bump(tx)
  const restored = await tx.many<{ id: string }>(sql`
    update album.media set trashed_at = null, version = ${version}
    where family_id = ${tx.familyId} and id = any(${ids}::uuid[]) and trashed_at is not null returning id`)
  if (restored.length === 0) return
  const back = restored.map(row => row.id)
  await noteMedia(tx, version, back, 'put')
  await publish(tx, MediaChanged, { mediaIds: back, version, what: ['restored'] })
}

/** Erases items with all that album keeps of them and tells every owner of something derived to do the same. Answers the receipt's id. */
export async function erase(tx: FamilyTx, ids: readonly string[], byMemberId?: string): Promise<string> {
  const erasureId = await startErasure(tx, { kind: 'item', ids, byMemberId })
  const { rows, version } = await forgetMedia(tx, ids)
  await publish(tx, MediaRemoved, { mediaIds: [...ids], version, how: 'erased', erasureId })
  await reportErasure(tx, erasureId, 'item', group, { rows })
  return erasureId
}

/** Removes all that album keeps of items and leaves a tombstone; says how many rows. Safe to repeat. */
export async function forgetMedia(tx: FamilyTx, ids: readonly string[]): Promise<{ rows: number; version: number }> {
  await lockFamily(tx)
  await bury(tx, group, 'media', ids)
  const version = await bump(tx)
  let rows = await countOf(tx, ids)
  rows += await forgetComments(tx, sql`c.media_id = any(${ids}::uuid[])`)
  await tx.changed(sql`
    delete from album.changes
    where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[]) and (kind = 'comment' or op = 'delete')`)
  await noteMedia(tx, version, ids, 'delete')
  rows += await tx.changed(
    sql`delete from album.media_people where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])`,
  )
  rows += await tx.changed(sql`
    delete from album.media where family_id = ${tx.familyId} and id = any(${ids}::uuid[])`)
  // An edit of nothing else says no more than that somebody edited something.
  await tx.changed(sql`
    delete from album.edits e where e.family_id = ${tx.familyId}
      and not exists (select 1 from album.edit_items i where i.family_id = e.family_id and i.edit_id = e.id)`)
  return { rows, version }
}

/** Rows that go with their item. */
async function countOf(tx: FamilyTx, ids: readonly string[]): Promise<number> {
  const { rows } = await tx.one<{ rows: number }>(sql`
    select (select count(*) from album.comments where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[]))
      + (select count(*) from album.favourites where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[]))
      + (select count(*) from album.words where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[]))
      + (select count(*) from album.collection_media where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[]))
      + (select count(*) from album.edit_items where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])) as rows`)
  return rows
}

/** Erases what has been in the trash for longer than `days`. Several processes may do so at once. Returns how many items went. */
export async function emptyTrash(db: Db, days: number, now: Date): Promise<number> {
  const before = new Date(now.getTime() - days * 86_400_000)
  const families = await db.system('find items whose time in the trash is over', tx =>
    tx.many<{ familyId: string }>(sql`select distinct family_id from album.media where trashed_at < ${before}`),
  )
  let erased = 0
  for (const { familyId } of families) {
    for (;;) {
      const count = await db.family(familyId, async tx => {
        const rows = await tx.many<{ id: string }>(sql`
          select id from album.media where family_id = ${familyId} and trashed_at < ${before} order by trashed_at limit ${most}`)
        // What was restored meanwhile is looked at again under the lock.
        const ids = rows.map(row => row.id)
        if (ids.length === 0) return 0
        await lockFamily(tx)
        const still = await tx.many<{ id: string }>(sql`
          select id from album.media where family_id = ${familyId} and id = any(${ids}::uuid[]) and trashed_at < ${before}`)
        if (still.length > 0)
          await erase(
            tx,
            still.map(row => row.id),
          )
        return still.length
      })
      erased += count
      if (count < most) break
    }
  }
  return erased
}

async function requireErasable(tx: FamilyTx, viewer: Viewer, ids: readonly string[]): Promise<void> {
  const rows = await tx.many<{ own: boolean; trashed: boolean }>(sql`
    select ${ownedBy(viewer)} as own, m.trashed_at is not null as trashed from album.media m
    where m.family_id = ${tx.familyId} and m.id = any(${ids}::uuid[]) and ${visibleTo(viewer)}`)
  // Somebody else's item in the trash is invisible, so it does not exist.
  if (rows.length !== ids.length || rows.some(row => !row.own && row.trashed)) throw errors.mediaNotFound()
  if (rows.some(row => !row.own)) throw errors.notYours()
}

function checked(mediaIds: readonly string[]): string[] {
  const ids = distinct(mediaIds, errors.mediaNotFound)
  if (ids.length === 0 || ids.length > most) throw errors.invalidRequest(`Name between 1 and ${most} items.`)
  return ids
}
