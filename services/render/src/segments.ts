/** Encoded stretches of film that can be used again, and the promise that none outlives an item it shows. */
import { createReadStream } from 'node:fs'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { isGone } from '@keepsake/events'
import type { ObjectStore } from '@keepsake/media'
import { segmentKey } from './keys.js'
import { throwAway } from './movie-row.js'
import type { Slot } from './storyboard.js'

/** Name of this service as a group of the event log. */
export const GROUP = 'render'

/** Which of these segments are stored; they count as used now. */
export function knownSegments(db: Db, familyId: string, hashes: readonly string[]): Promise<string[]> {
  return db.family(familyId, async tx => {
    const rows = await tx.many<{ hash: string }>(sql`
      update render.segments set used_at = now() where family_id = ${tx.familyId} and hash = any(${[...hashes]}::text[]) returning hash`)
    return rows.map(r => r.hash)
  })
}

/** Stores a finished segment. One that shows an item that is gone by now is not kept. */
export async function keepSegment(
  db: Db,
  objects: ObjectStore,
  familyId: string,
  slot: Slot,
  file: string,
): Promise<void> {
  const key = segmentKey(familyId, slot.hash)
  // The row comes first: whoever erases an item finds the key even when the bytes arrive later.
  const wanted = await db.family(familyId, async tx => {
    for (const id of [...slot.shows].sort()) if (await isGone(tx, GROUP, 'media', id)) return false
    await tx.changed(sql`
      insert into render.segments (family_id, hash, media_ids) values (${tx.familyId}, ${slot.hash}, ${slot.shows}::uuid[])
      on conflict (family_id, hash) do update set used_at = now()`)
    return true
  })
  if (!wanted) return
  await objects.put(key, createReadStream(file), { contentType: 'video/mp4' })
  const stillWanted = await db.family(familyId, tx =>
    tx.maybe(sql`select 1 from render.segments where family_id = ${tx.familyId} and hash = ${slot.hash}`),
  )
  if (!stillWanted) await objects.remove(key)
}

/** Forgets every segment that shows one of these items; its bytes go after the transaction. Says how many. */
export async function dropSegmentsOf(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  const rows = await tx.many<{ hash: string }>(sql`
    delete from render.segments where family_id = ${tx.familyId} and media_ids && ${[...mediaIds]}::uuid[] returning hash`)
  if (rows.length > 0) await throwAway(tx, ...rows.map(r => segmentKey(tx.familyId, r.hash)))
  return rows.length
}

/** Forgets segments that no film has used for so many days; says how many. */
export async function dropUnused(db: Db, days: number): Promise<number> {
  const families = await db.system('find segments that no film uses', tx =>
    tx.many<{ familyId: string }>(
      sql`select distinct family_id from render.segments where used_at < now() - ${days} * interval '1 day'`,
    ),
  )
  let dropped = 0
  for (const { familyId } of families) {
    dropped += await db.family(familyId, async tx => {
      const rows = await tx.many<{ hash: string }>(sql`
        delete from render.segments where family_id = ${tx.familyId} and used_at < now() - ${days} * interval '1 day' returning hash`)
      await throwAway(tx, ...rows.map(r => segmentKey(tx.familyId, r.hash)))
      return rows.length
    })
  }
  return dropped
}
