import { sql, type FamilyTx } from '@keepsake/db'
import { reportErasure, type ErasureKind } from '@keepsake/events'
import { GROUP } from './detect-item.js'

/** Kinds of erasure that concern faces. */
export type FaceErasure = Exclude<ErasureKind, 'member'>

/** Notes an erasure of which so many rows are gone. It is reported when its crops are gone too: at once where there are none. */
export async function noteErasure(
  tx: FamilyTx,
  erasureId: string | undefined,
  kind: FaceErasure,
  mediaIds: readonly string[],
  rows: number,
): Promise<void> {
  if (!erasureId) return
  await tx.changed(sql`
    insert into face.erasures (family_id, erasure_id, kind, media_ids, rows)
    values (${tx.familyId}, ${erasureId}, ${kind}, ${[...mediaIds]}::uuid[], ${rows})
    on conflict (family_id, erasure_id) do update set rows = erasures.rows + excluded.rows`)
  await reportRemoved(tx)
}

/** Notes that so many crops of an item are gone, and reports what is complete. */
export async function cropsRemoved(tx: FamilyTx, mediaId: string, objects: number): Promise<void> {
  await tx.changed(sql`
    update face.erasures set objects = objects + ${objects}
    where family_id = ${tx.familyId} and (kind in ('consent', 'family') or ${mediaId} = any(media_ids))`)
  await reportRemoved(tx)
}

async function reportRemoved(tx: FamilyTx): Promise<void> {
  const done = await tx.many<{ erasureId: string; kind: FaceErasure; rows: number; objects: number }>(sql`
    delete from face.erasures e where family_id = ${tx.familyId} and not exists (
      select 1 from face.garbage g
      where g.family_id = e.family_id and (e.kind in ('consent', 'family') or g.media_id = any(e.media_ids)))
    returning erasure_id, kind, rows, objects`)
  for (const { erasureId, kind, rows, objects } of done)
    await reportErasure(tx, erasureId, kind, GROUP, { rows, objects })
}
