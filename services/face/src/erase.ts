import { sql, type Db, type FamilyTx } from '@keepsake/db'
import type { ObjectStore } from '@keepsake/media'
import { cropsRemoved } from './erasures.js'

/** Where the crops of an item's faces lie. Ends in `/`. */
export const cropsOf = (familyId: string, mediaId: string): string => `families/${familyId}/media/${mediaId}/faces/`

/** Whether any crop of the item lies in the store. */
export async function hasCrops(store: ObjectStore, familyId: string, mediaId: string): Promise<boolean> {
  for await (const _ of store.list(cropsOf(familyId, mediaId))) return true
  return false
}

/** Forgets items: their rows go with this transaction, their crops soon after (see `CropSweeper`). Items that were never looked at count too. Says how many rows. */
export async function forgetItems(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  await markCrops(tx, mediaIds)
  const ids = [...mediaIds]
  await tx.changed(sql`delete from face.removed where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])`)
  const faces = await tx.changed(
    sql`delete from face.faces where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])`,
  )
  return (
    faces +
    (await tx.changed(sql`delete from face.items where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])`))
  )
}

/**
 * Forgets everything about the family but its word on consent; answers the items that had faces, and how many rows went. Crops of every item are looked for: one that was
 * cut off may have left some where no face is known.
 */
export async function forgetFamily(
  tx: FamilyTx,
): Promise<{ items: { mediaId: string; version: number }[]; rows: number }> {
  const items = await tx.many<{ mediaId: string; version: number }>(sql`
    select media_id, max(version) as version from face.items i where family_id = ${tx.familyId}
      and exists (select 1 from face.faces f where f.family_id = i.family_id and f.media_id = i.media_id)
    group by media_id order by media_id`)
  await tx.changed(sql`
    insert into face.garbage (family_id, media_id) select distinct family_id, media_id from face.items where family_id = ${tx.familyId}
    on conflict (family_id, media_id) do update set keep = '{}', added_at = now()`)
  const faces = await tx.changed(sql`delete from face.faces where family_id = ${tx.familyId}`)
  const rows = faces + (await tx.changed(sql`delete from face.items where family_id = ${tx.familyId}`))
  return { items, rows }
}

/** A family without any face begins with the newest version of the pipeline: there is nothing to compare with, and nothing to prepare. */
export const beginAnew = (tx: FamilyTx, newest: number): Promise<number> =>
  tx.changed(sql`
    update face.families set pipeline = ${newest}, next_pipeline = null, former_pipeline = null, switch_anyway = false
    where family_id = ${tx.familyId}`)

/** Marks the crops of items for removal. */
export function markCrops(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  return tx.changed(sql`
    insert into face.garbage (family_id, media_id) select ${tx.familyId}, unnest(${mediaIds}::uuid[])
    on conflict (family_id, media_id) do update set keep = '{}', added_at = now()`)
}

/** Marks the crops of an item that belong to none of these faces any more. */
export function markStaleCrops(tx: FamilyTx, mediaId: string, faceIds: readonly string[]): Promise<number> {
  return tx.changed(sql`
    insert into face.garbage (family_id, media_id, keep) values (${tx.familyId}, ${mediaId}, ${faceIds}::uuid[])
    on conflict (family_id, media_id) do update set keep = excluded.keep, added_at = now()`)
}

interface Garbage {
  familyId: string
  mediaId: string
  keep: string[]
  addedAt: Date
}

/** Removes marked crops until none are left; says how many objects went. A mark that was renewed meanwhile stays for the next time. */
export async function sweepCrops(db: Db, store: ObjectStore, signal?: AbortSignal): Promise<number> {
  let removed = 0
  for (;;) {
    const marks = await db.system('remove crops of faces that were erased', tx =>
      tx.many<Garbage>(sql`select family_id, media_id, keep, added_at from face.garbage order by added_at limit 100`),
    )
    if (marks.length === 0) return removed
    for (const { familyId, mediaId, keep, addedAt } of marks) {
      signal?.throwIfAborted()
      const prefix = cropsOf(familyId, mediaId)
      const kept = new Set(keep.map(id => prefix + id))
      let gone = 0
      for await (const { key } of store.list(prefix)) if (!kept.has(key) && (await store.remove(key))) gone++
      removed += gone
      await db.family(familyId, async tx => {
        await tx.changed(sql`
          delete from face.garbage
          where family_id = ${familyId} and media_id = ${mediaId} and date_trunc('milliseconds', added_at) <= ${addedAt}`)
        await cropsRemoved(tx, mediaId, gone)
      })
    }
  }
}

/** What is kept of items (of all, when none are named): rows, and objects in the store. */
export async function countStored(
  db: Db,
  store: ObjectStore,
  familyId: string,
  mediaIds: readonly string[],
): Promise<{ rows: number; objects: number }> {
  const all = mediaIds.length === 0
  const { rows, items } = await db.family(familyId, tx =>
    tx.one<{ rows: number; items: string[] }>(sql`
      with looked as (select media_id from face.items where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[]))),
      marked as (select media_id from face.garbage where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[])))
      select
        (select count(*) from looked) + (select count(*) from marked) + (select count(*) from face.faces
          where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[])))
          as rows,
        array(select media_id::text from looked union select media_id::text from marked) as items`),
  )
  let objects = 0
  for (const mediaId of new Set([...items, ...mediaIds]))
    for await (const _ of store.list(cropsOf(familyId, mediaId))) objects++
  return { rows, objects }
}
