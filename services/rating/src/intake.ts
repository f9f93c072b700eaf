import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { bury, isGone } from '@keepsake/events'
import { GROUP, KIND, markStale } from './store.js'

/** Marks items that were not erased. */
export async function hear(tx: FamilyTx, mediaIds: readonly string[]): Promise<void> {
  const there: string[] = []
  for (const id of [...new Set(mediaIds)].sort()) if (!(await isGone(tx, GROUP, KIND, id))) there.push(id)
  await markStale(tx, there)
}

/** Erased items leave no row; their near duplicates are rated anew, for one of them may be the best now. Says how many rows. */
export async function erase(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  await bury(tx, GROUP, KIND, mediaIds)
  await hold(tx)
  const left = await tx.many<{ mediaId: string }>(sql`
    select media_id from rating.items where not media_id = any(${mediaIds}::uuid[]) and duplicate_group in (
      select duplicate_group from rating.items where media_id = any(${mediaIds}::uuid[]) and duplicate_group is not null)`)
  const rows = await tx.changed(sql`delete from rating.items where media_id = any(${mediaIds}::uuid[])`)
  await tx.changed(sql`delete from rating.stale where media_id = any(${mediaIds}::uuid[])`)
  await tx.changed(sql`update rating.families set moments_stale = true`)
  await markStale(
    tx,
    left.map(row => row.mediaId),
  )
  return rows
}

/** The family is gone: nothing of it stays. Says how many rows went. */
export async function eraseFamily(tx: FamilyTx): Promise<number> {
  await hold(tx)
  let rows = 0
  for (const table of [sql`rating.stale`, sql`rating.items`, sql`rating.families`, sql`rating.erasures`])
    rows += await tx.changed(sql`delete from ${table}`)
  return rows
}

/** The family first, then its items, as whoever stores ratings: all take their locks in one order. */
const hold = (tx: FamilyTx) => tx.maybe(sql`select 1 from rating.families for update`)
