/** Removes objects that nothing speaks of any more. A row stands until its bytes are gone, so a crash loses nothing. */
import { sql, type Db } from '@keepsake/db'
import type { Crossing } from './crossing.js'
import type { ObjectStore } from '@keepsake/media'
import { garbageRemoved } from './erasures.js'

/** Removes everything that was thrown away, of any family; says how many rows there were. */
export async function emptyGarbage(db: Db, crossing: Crossing, objects: ObjectStore): Promise<number> {
  const rows = await crossing.many<{ familyId: string; prefix: string; at: Date }>(sql`
    select family_id, prefix, at from render.garbage order by at limit 1000`)
  for (const { familyId, prefix, at } of rows) {
    const removed = prefix.endsWith('/') ? await objects.removePrefix(prefix) : Number(await objects.remove(prefix))
    await db.family(familyId, async tx => {
      await tx.changed(sql`delete from render.garbage where family_id = ${tx.familyId} and prefix = ${prefix}`)
      await garbageRemoved(tx, at, removed)
    })
  }
  return rows.length
}
