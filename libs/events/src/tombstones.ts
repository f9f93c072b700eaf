import { sql, type FamilyTx } from '@keepsake/db'

/**
 * Topics have no order among each other, so an event about an item can come after the item's removal. A group that keeps rows per item buries the
 * item when it hears of the removal and asks `isGone` before it writes: both take the item's lock, so neither can slip past the other.
 */
export async function bury(tx: FamilyTx, group: string, kind: string, ids: readonly string[]): Promise<void> {
  // In one order, so that two batches cannot wait for each other.
  for (const id of [...ids].sort()) await tx.maybe(sql`select pg_advisory_xact_lock(${lockOf(tx, group, kind, id)})`)
  await tx.changed(sql`
    insert into events.tombstones (grp, family_id, kind, id)
    select ${group}, ${tx.familyId}, ${kind}, unnest(${ids}::text[]) on conflict do nothing`)
}

/** Whether the thing was removed. While this transaction is open nobody can bury it. */
export async function isGone(tx: FamilyTx, group: string, kind: string, id: string): Promise<boolean> {
  await tx.maybe(sql`select pg_advisory_xact_lock_shared(${lockOf(tx, group, kind, id)})`)
  const grave = await tx.maybe(sql`
    select 1 from events.tombstones where grp = ${group} and family_id = ${tx.familyId} and kind = ${kind} and id = ${id}`)
  return grave !== undefined
}

const lockOf = (tx: FamilyTx, group: string, kind: string, id: string) =>
  sql`hashtextextended(${`${group}/${tx.familyId}/${kind}/${id}`}, 7305004)`
