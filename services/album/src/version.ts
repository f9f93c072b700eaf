import { sql, type FamilyTx } from '@keepsake/db'

/**
 * Lets one change of a family's album happen at a time. Taken first by everything that changes something: versions then grow in the order
 * of commits, and no two changes can wait for each other.
 */
export async function lockFamily(tx: FamilyTx): Promise<void> {
  const lock = sql`select 1 as locked from album.families where family_id = ${tx.familyId} for update`
  if ((await tx.maybe(lock)) !== undefined) return
  await tx.changed(sql`insert into album.families (family_id) values (${tx.familyId}) on conflict do nothing`)
  await tx.one(lock)
}

/** Takes the family's next version. */
export async function bump(tx: FamilyTx): Promise<number> {
  const { version } = await tx.one<{ version: number }>(sql`
    insert into album.families (family_id, version) values (${tx.familyId}, 1)
    on conflict (family_id) do update set version = album.families.version + 1
    returning version`)
  return version
}
