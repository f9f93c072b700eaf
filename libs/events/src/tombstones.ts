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
export function isGone(tx: FamilyTx, group: string, kind: string, id: string): Promise<boolean> {
  return isAnyGone(tx, group, { [kind]: id })
}

/** Whether any of these things, by their kinds, was removed: as `isGone` of each, in as many statements as one takes. */
export async function isAnyGone(
  tx: FamilyTx,
  group: string,
  things: Readonly<Record<string, string>>,
): Promise<boolean> {
  const kinds = Object.keys(things).sort()
  const ids = kinds.map(kind => things[kind] ?? '')
  // A statement of its own: what was buried while it waited is seen by the next one only.
  await tx.many(sql`
    select pg_advisory_xact_lock_shared(hashtextextended(name, ${lockSpace})) from unnest(${kinds.map((kind, i) => nameOf(tx, group, kind, ids[i] ?? ''))}::text[]) as name`)
  const grave = await tx.maybe(sql`
    select 1 from events.tombstones t, unnest(${kinds}::text[], ${ids}::text[]) as thing (kind, id)
    where t.grp = ${group} and t.family_id = ${tx.familyId} and t.kind = thing.kind and t.id = thing.id limit 1`)
  return grave !== undefined
}

/**
 * Which of these things were removed. It holds only while nobody can bury them: whoever asks holds a row for update that whoever buries locks in the same
 * transaction, after it buried.
 */
export async function goneOf(
  tx: FamilyTx,
  group: string,
  kind: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.many<{ id: string }>(sql`
    select id from events.tombstones where grp = ${group} and family_id = ${tx.familyId} and kind = ${kind} and id = any(${ids}::text[])`)
  return new Set(rows.map(({ id }) => id))
}

const lockSpace = 7305004

const nameOf = (tx: FamilyTx, group: string, kind: string, id: string) => `${group}/${tx.familyId}/${kind}/${id}`

const lockOf = (tx: FamilyTx, group: string, kind: string, id: string) =>
  sql`hashtextextended(${nameOf(tx, group, kind, id)}, ${lockSpace})`
