import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { bury, isGone, PeopleChanged, publish } from '@keepsake/events'
import type { DescribedMedia } from '@keepsake/proto/album/v1'
import type { ItemFaces } from '@keepsake/proto/face/v1'
import { logger } from '@keepsake/telemetry'
import { flawOf } from './embedding.js'
import { hold, readEntries, touch } from './store.js'

/** The consumer group, and the kind of its tombstones. */
export const GROUP = 'cluster'
const KIND = 'media'

/** Where a date says nothing about when a picture was taken. */
const UNTRUSTED = new Set(['file-date', ''])

/**
 * Takes over the faces of an item, unless it is gone or a later observation is here already. A face whose embedding cannot be compared with anything is
 * refused, and the item counts as one whose faces failed; its other faces are taken.
 */
export async function takeFaces(tx: FamilyTx, item: ItemFaces, facts: DescribedMedia | undefined): Promise<void> {
  const { mediaId, version } = item
  // A face service of the release before knows one version only.
  const pipeline = item.pipeline || 1
  await hold(tx)
  if (await isGone(tx, GROUP, KIND, mediaId)) return
  const known = await tx.maybe<{ version: number }>(
    sql`select version from cluster.items where media_id = ${mediaId} for update`,
  )
  if (known && known.version > version) return
  const faces = item.faces.filter(face => {
    const flaw = flawOf(face.embedding)
    if (flaw !== undefined)
      logger('cluster').warn({ media_id: mediaId, face_id: face.id }, `a face was refused: ${flaw}`)
    return flaw === undefined
  })
  const gone = await tx.many<{ personId: string | null }>(sql`
    delete from cluster.faces where media_id = ${mediaId} and not face_id = any(${faces.map(f => f.id)}::uuid[])
    returning person_id`)
  // The family's generation rises only where people can change by it.
  const generation = gone.length > 0 || faces.length > 0 ? await touch(tx) : 0
  const failed = item.state === 'failed' || faces.length < item.faces.length
  await tx.changed(sql`
    insert into cluster.items (family_id, media_id, version, generation, faces_failed)
    values (${tx.familyId}, ${mediaId}, ${version}, ${generation}, ${failed})
    on conflict (family_id, media_id) do update set version = excluded.version, faces_failed = excluded.faces_failed,
      generation = greatest(items.generation, excluded.generation)`)
  for (const face of faces) {
    // The answer may be older than the removal of one of its faces.
    if (await isGone(tx, GROUP, 'face', face.id)) continue
    const box = face.box ?? { x: 0, y: 0, w: 0, h: 0 }
    const ranges = face.ranges.length ? sql.json(face.ranges.map(r => ({ start: r.start, end: r.end }))) : null
    await tx.changed(sql`
      insert into cluster.faces (family_id, face_id, media_id, version, pipeline, embedding, age, age_spread, quality, box, ranges)
      values (${tx.familyId}, ${face.id}, ${mediaId}, ${version}, ${pipeline}, ${face.embedding}, ${face.age}, ${face.ageSpread}, ${face.quality},
        ${sql.json({ x: box.x, y: box.y, w: box.w, h: box.h })}, ${ranges}::jsonb)
      on conflict (family_id, face_id) do update set media_id = excluded.media_id, version = excluded.version,
        pipeline = excluded.pipeline, embedding = excluded.embedding,
        age = excluded.age, age_spread = excluded.age_spread, quality = excluded.quality, box = excluded.box, ranges = excluded.ranges`)
  }
  if (generation > 0) await noteArrival(tx)
  if (gone.some(face => face.personId !== null)) await tellItems(tx, [mediaId])
  if (facts) await takeFacts(tx, facts)
}

/**
 * Notes whether the family's faces are of two versions now: it is not sorted until the last one is there. Call it after `touch`, whose lock lets only
 * one arrival at a time see what is left.
 */
export const noteArrival = (tx: FamilyTx): Promise<number> =>
  tx.changed(sql`
    with now as (
      select (select min(pipeline) from cluster.faces where family_id = ${tx.familyId})
        is distinct from (select max(pipeline) from cluster.faces where family_id = ${tx.familyId}) as mixed)
    update cluster.families set arriving = now.mixed from now where family_id = ${tx.familyId} and arriving <> now.mixed`)

/** Takes over what the catalogue says of an item that is known here; older facts change nothing. */
export async function takeFacts(tx: FamilyTx, { media }: DescribedMedia): Promise<void> {
  if (!media) return
  await hold(tx)
  const takenAt = UNTRUSTED.has(media.takenAtSource) ? undefined : media.takenAt
  const was = await tx.maybe<{ takenAt: Date | null; factsVersion: number }>(
    sql`select taken_at, facts_version from cluster.items where media_id = ${media.id} for update`,
  )
  if (!was || was.factsVersion > media.version) return
  const moved = (was.takenAt?.getTime() ?? null) !== (takenAt?.getTime() ?? null)
  const faces = await tx.maybe(sql`select 1 from cluster.faces where media_id = ${media.id} limit 1`)
  const generation = moved && faces ? await touch(tx) : 0
  await tx.changed(sql`
    update cluster.items set facts_version = ${media.version}, taken_at = ${takenAt}, audience_kind = ${media.audience?.kind ?? 'parents'},
      audience_ids = ${media.audience?.ids ?? []}::uuid[], uploaded_by = ${media.uploadedByMemberId || null}::uuid,
      generation = greatest(generation, ${generation})
    where media_id = ${media.id}`)
}

/** Items among these of which anything is known here. */
export async function knownItems(tx: FamilyTx, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.many<{ mediaId: string }>(
    sql`select media_id from cluster.items where media_id = any(${ids}::uuid[])`,
  )
  return rows.map(row => row.mediaId)
}

/**
 * Puts items into the trash or takes them out. Removal and restoring come on different topics, without order: the catalogue's version
 * decides which came last. An item that is not known yet is noted when it goes into the trash: its faces may come later.
 */
export async function setTrashed(
  tx: FamilyTx,
  ids: readonly string[],
  version: number,
  trashed: boolean,
): Promise<void> {
  await hold(tx)
  let generation: number | undefined
  for (const id of [...ids].sort()) {
    if (await isGone(tx, GROUP, KIND, id)) continue
    const was = await tx.maybe<{ catalogueVersion: number; trashed: boolean }>(
      sql`select catalogue_version, trashed from cluster.items where media_id = ${id} for update`,
    )
    if (was && was.catalogueVersion >= version) continue
    if (!was && !trashed) continue
    if (was?.trashed !== trashed) generation ??= await touch(tx)
    await tx.changed(sql`
      insert into cluster.items (family_id, media_id, catalogue_version, trashed, generation)
      values (${tx.familyId}, ${id}, ${version}, ${trashed}, ${generation ?? 0})
      on conflict (family_id, media_id) do update set catalogue_version = excluded.catalogue_version, trashed = excluded.trashed,
        generation = greatest(items.generation, excluded.generation)`)
  }
}

/** Removes everything about items for good: faces, decisions, and their places in the ledger. A late event finds a tombstone. Says how many rows. */
export async function eraseItems(tx: FamilyTx, ids: readonly string[]): Promise<number> {
  await hold(tx)
  await bury(tx, GROUP, KIND, ids)
  const faces = await tx.many<{ faceId: string }>(
    sql`select face_id from cluster.faces where media_id = any(${ids}::uuid[])`,
  )
  const items = await tx.changed(sql`delete from cluster.items where media_id = any(${ids}::uuid[])`)
  if (faces.length === 0) return items
  await touch(tx)
  await noteArrival(tx)
  return items + faces.length + (await forgetFaces(tx, new Set(faces.map(f => f.faceId))))
}

/** Faces that are erased. */
export interface FaceErasure {
  erasureId: string
  ids: readonly string[]
  /** The items they are on. */
  mediaIds: readonly string[]
}

/** Removes single faces for good; the others of their items stay. Whoever keeps who is on an item hears of it. Says how many rows. Safe to repeat. */
export async function eraseFaces(tx: FamilyTx, { erasureId, ids, mediaIds }: FaceErasure): Promise<number> {
  await hold(tx)
  await bury(tx, GROUP, 'face', ids)
  const faces = await tx.changed(sql`delete from cluster.faces where face_id = any(${ids}::uuid[])`)
  const said = await forgetFaces(tx, new Set(ids))
  if (faces > 0) {
    // The next run reads the items that changed; it need not read the whole family because some faces went.
    const generation = await touch(tx)
    await tx.changed(
      sql`update cluster.items set generation = ${generation} where media_id = any(${mediaIds}::uuid[]) and version >= 0`,
    )
    await noteArrival(tx)
  }
  await tellItems(tx, mediaIds, erasureId)
  return faces + said
}

/** Says at once that faces went from items: a run tells of the faces that it sees, and would say nothing of an item that has none left. */
async function tellItems(tx: FamilyTx, mediaIds: readonly string[], erasureId?: string): Promise<void> {
  const family = await tx.maybe<{ version: number }>(
    sql`update cluster.families set version = version + 1 returning version`,
  )
  await publish(tx, PeopleChanged, {
    version: family?.version ?? 0,
    mediaIds: [...mediaIds].sort(),
    all: false,
    ...(erasureId === undefined ? {} : { erasureId }),
  })
}

/** Forgets an item that face knows nothing of any more; only that it is in the trash is kept. */
export async function dropFaces(tx: FamilyTx, mediaId: string): Promise<void> {
  await hold(tx)
  const had = await tx.changed(sql`delete from cluster.faces where media_id = ${mediaId}`)
  await tx.changed(sql`delete from cluster.items where media_id = ${mediaId} and not trashed`)
  await tx.changed(sql`update cluster.items set version = -1 where media_id = ${mediaId}`)
  if (had === 0) return
  await touch(tx)
  await noteArrival(tx)
  await tellItems(tx, [mediaId])
}

/** Turns what is known of items in the trash into bare marks, as of items whose faces were never seen. */
async function keepTrash(tx: FamilyTx): Promise<void> {
  await tx.changed(sql`
    update cluster.items set version = -1, generation = 0, faces_failed = false, facts_version = -1, taken_at = null,
      audience_kind = null, audience_ids = '{}', uploaded_by = null
    where trashed`)
}

/** Takes faces out of the ledger; an entry about such a face alone goes with it. Says how many entries changed. */
async function forgetFaces(tx: FamilyTx, gone: ReadonlySet<string>): Promise<number> {
  let changed = 0
  const prune = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.filter(v => !(typeof v === 'string' && gone.has(v))).map(prune)
    if (value && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, prune(v)]))
    return value
  }
  for (const { id, sequence: _s, undone: _u, ...entry } of await readEntries(tx)) {
    if ('faceId' in entry && gone.has(entry.faceId)) {
      changed += await tx.changed(sql`delete from cluster.corrections where correction_id = ${id}`)
      continue
    }
    const kept = prune(entry)
    if (JSON.stringify(kept) !== JSON.stringify(entry))
      changed += await tx.changed(
        sql`update cluster.corrections set entry = ${sql.json(kept)} where correction_id = ${id}`,
      )
  }
  return changed
}

/**
 * Removes every face, person and word of the family: consent was withdrawn (`why` is `consent`), or the family is gone. Says how many rows.
 * Consent may be given again, so a withdrawal leaves the bare mark of what is in the trash; the catalogue will not tell of that a second time.
 */
export async function eraseFamily(tx: FamilyTx, why = 'removed', erasureId?: string): Promise<number> {
  // A run or a word that is being stored comes before; what comes after finds nothing that it could belong to.
  await hold(tx)
  if (why === 'consent') await keepTrash(tx)
  let rows = 0
  for (const table of [
    sql`cluster.child_proposals`,
    sql`cluster.birth_doubts`,
    sql`cluster.questions`,
    sql`cluster.people`,
    sql`cluster.corrections`,
    sql`cluster.faces`,
  ])
    rows += await tx.changed(sql`delete from ${table}`)
  rows += await tx.changed(
    why === 'consent' ? sql`delete from cluster.items where not trashed` : sql`delete from cluster.items`,
  )
  const family = await tx.maybe<{ version: number }>(sql`
    update cluster.families set version = version + 1, generation = generation + 1, done_generation = generation + 1, waiting_since = null,
      arriving = false
    returning version`)
  // A run under way has read what is gone: its generation is passed, so it stores nothing.
  if (family || erasureId !== undefined)
    await publish(tx, PeopleChanged, {
      version: family?.version ?? 0,
      mediaIds: [],
      all: true,
      ...(erasureId === undefined ? {} : { erasureId }),
    })
  return rows
}

/** Says how people are now, to whoever waits for it because of an erasure. */
export async function tellPeople(tx: FamilyTx, erasureId: string): Promise<void> {
  const family = await tx.maybe<{ version: number }>(sql`select version from cluster.families`)
  await publish(tx, PeopleChanged, { version: family?.version ?? 0, mediaIds: [], all: true, erasureId })
}
