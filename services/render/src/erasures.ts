/** What render says for the receipt of an erasure. */
import { sql, type FamilyTx } from '@keepsake/db'
import { reportErasure } from '@keepsake/events'
import { GROUP } from './segments.js'
import { familyRemoved, itemsRemoved } from './withdraw.js'

/** Erases items or the family and reports when the last byte is gone, at once where there was none. */
export async function eraseAndReport(
  tx: FamilyTx,
  erasureId: string | undefined,
  kind: 'item' | 'family',
  mediaIds: readonly string[],
): Promise<void> {
  const rows = kind === 'item' ? await itemsRemoved(tx, mediaIds, true) : await familyRemoved(tx)
  if (erasureId === undefined) return
  await tx.changed(sql`
    insert into render.erasures (family_id, erasure_id, kind, rows) values (${tx.familyId}, ${erasureId}, ${kind}, ${rows})
    on conflict (family_id, erasure_id) do update set rows = erasures.rows + excluded.rows, at = now()`)
  await reportRemoved(tx)
}

/** Forgets the answers that a member who is gone was given. */
export async function forgetMember(tx: FamilyTx, erasureId: string | undefined, memberId: string): Promise<void> {
  const rows = await tx.changed(sql`
    delete from render.idempotency where family_id = ${tx.familyId} and member_id::text = ${memberId}`)
  await reportErasure(tx, erasureId, 'member', GROUP, { rows })
}

/** Notes that so many objects of garbage that was thrown away at `at` are gone, and reports what is complete. */
export async function garbageRemoved(tx: FamilyTx, at: Date, objects: number): Promise<void> {
  await tx.changed(sql`
    update render.erasures set objects = objects + ${objects}
    where family_id = ${tx.familyId} and date_trunc('milliseconds', at) >= ${at}`)
  await reportRemoved(tx)
}

async function reportRemoved(tx: FamilyTx): Promise<void> {
  const done = await tx.many<{ erasureId: string; kind: 'item' | 'family'; rows: number; objects: number }>(sql`
    delete from render.erasures e where family_id = ${tx.familyId} and not exists (
      select 1 from render.garbage g where g.family_id = e.family_id and g.at <= e.at)
    returning erasure_id, kind, rows, objects`)
  for (const { erasureId, kind, rows, objects } of done)
    await reportErasure(tx, erasureId, kind, GROUP, { rows, objects })
}
