import { sql } from '@keepsake/db'
import { bury, type Removed } from '@keepsake/events'
import { mediaPrefix, type Deps } from './deps.js'

/**
 * Erases items: rows first, with a tombstone that stops late events, then every byte. Doing it again does no harm; a crash in between is
 * followed by a redelivery that removes the rest. Says what went.
 */
export async function eraseMedia(deps: Deps, familyId: string, mediaIds: readonly string[]): Promise<Removed> {
  const rows = await deps.db.family(familyId, async tx => {
    await bury(tx, 'ingest', 'media', mediaIds)
    // What stands beside these items goes with them, unless it is beside another item too.
    const sidecars = await tx.changed(sql`
      delete from ingest.sidecars s using ingest.paths p
      where s.family_id = ${familyId} and p.family_id = ${familyId} and p.media_id = any(${mediaIds}::uuid[])
        and s.scope = p.scope and s.folder = p.folder and s.target in (p.name, p.stem)
        and not exists (
          select 1 from ingest.paths o
          where o.family_id = ${familyId} and not o.media_id = any(${mediaIds}::uuid[])
            and o.scope = s.scope and o.folder = s.folder and s.target in (o.name, o.stem))`)
    const uploads = await tx.changed(
      sql`delete from ingest.uploads where family_id = ${familyId} and media_id = any(${mediaIds}::uuid[])`,
    )
    const media = await tx.changed(
      sql`delete from ingest.media where family_id = ${familyId} and id = any(${mediaIds}::uuid[])`,
    )
    return sidecars + uploads + media
  })
  let objects = 0
  for (const id of mediaIds) objects += await deps.objects.removePrefix(mediaPrefix(familyId, id))
  return { rows, objects }
}

/** Erases everything of a family; says what went. */
export async function eraseFamily(deps: Deps, familyId: string): Promise<Removed> {
  const rows = await deps.db.family(familyId, async tx => {
    await bury(tx, 'ingest', 'family', [familyId])
    const items = await tx.many<{ id: string }>(sql`select id from ingest.media where family_id = ${familyId}`)
    await bury(
      tx,
      'ingest',
      'media',
      items.map(i => i.id),
    )
    const sidecars = await tx.changed(sql`delete from ingest.sidecars where family_id = ${familyId}`)
    const uploads = await tx.changed(sql`delete from ingest.uploads where family_id = ${familyId}`)
    return sidecars + uploads + (await tx.changed(sql`delete from ingest.media where family_id = ${familyId}`))
  })
  const uploads = await deps.objects.removePrefix(`families/${familyId}/uploads/`)
  return { rows, objects: uploads + (await deps.objects.removePrefix(`families/${familyId}/media/`)) }
}

/** What is kept of these items, or of the whole family: rows and objects. */
export async function countStored(
  deps: Deps,
  familyId: string,
  mediaIds: readonly string[],
): Promise<{ rows: number; objects: number }> {
  const all = mediaIds.length === 0
  const { rows } = await deps.db.family(familyId, tx =>
    tx.one<{ rows: number }>(sql`
      select (select count(*) from ingest.media where family_id = ${familyId} and (${all} or id = any(${mediaIds}::uuid[])))
        + (select count(*) from ingest.contents where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[])))
        + (select count(*) from ingest.paths where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[])))
        + (select count(*) from ingest.uploads where family_id = ${familyId} and (${all} or media_id = any(${mediaIds}::uuid[])))
        + (select count(*) from ingest.sidecars where family_id = ${familyId} and ${all}) as rows`),
  )
  const prefixes = all
    ? [`families/${familyId}/media/`, `families/${familyId}/uploads/`]
    : mediaIds.map(id => mediaPrefix(familyId, id))
  let objects = 0
  for (const prefix of prefixes) for await (const _ of deps.objects.list(prefix)) objects++
  return { rows, objects }
}
