import type { FamilyTx } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { goneOf, MediaRated, MomentsChanged, publish } from '@keepsake/events'
import { injectTrace } from '@keepsake/telemetry'
import type { Described } from './describe.js'
import type { MomentItem } from './moments.js'
import { findMoments } from './moments.js'
import type { RatingInput } from './rate.js'
import { rate } from './rate.js'

/** An item to be rated, with the mark that this rating answers. */
export interface Stale {
  mediaId: string
  mark: number
  /** Of the event that marked it. */
  traceparent?: string | null
}

/** The consumer group, and the kind of its tombstones. */
export const GROUP = 'rating'
export const KIND = 'media'

/** Items rated at a time. */
export const BATCH = 200

/** Notes that something about items was heard. They are rated soon. */
export async function markStale(tx: FamilyTx, mediaIds: readonly string[]): Promise<void> {
  if (mediaIds.length === 0) return
  const { mark } = await nextMark(tx)
  await tx.changed(sql`
    insert into rating.stale (family_id, media_id, mark, traceparent)
    select ${tx.familyId}, id, ${mark}, ${injectTrace()['traceparent']} from unnest(${[...new Set(mediaIds)].sort()}::uuid[]) as id
    on conflict (family_id, media_id) do update set mark = excluded.mark, traceparent = excluded.traceparent`)
}

/** Notes that everything may be different: children, consent, blocks of the whole family. */
export async function markAllStale(tx: FamilyTx): Promise<void> {
  const { mark } = await nextMark(tx)
  await tx.changed(sql`
    insert into rating.stale (family_id, media_id, mark) select family_id, media_id, ${mark} from rating.items
    on conflict (family_id, media_id) do update set mark = excluded.mark`)
}

const nextMark = (tx: FamilyTx): Promise<{ mark: number }> =>
  tx.one<{ mark: number }>(sql`
    insert into rating.families (family_id, mark) values (${tx.familyId}, 1)
    on conflict (family_id) do update set mark = families.mark + 1 returning mark`)

/** Remembers which versions were heard of. */
export async function heard(tx: FamilyTx, versions: { album?: number; people?: number }): Promise<void> {
  await tx.changed(sql`
    insert into rating.families (family_id, album_version, people_version)
    values (${tx.familyId}, ${versions.album ?? 0}, ${versions.people ?? 0})
    on conflict (family_id) do update set album_version = greatest(families.album_version, excluded.album_version),
      people_version = greatest(families.people_version, excluded.people_version)`)
}

/** Items of the oldest marks. */
export const readStale = (tx: FamilyTx): Promise<Stale[]> =>
  tx.many<Stale>(sql`select media_id, mark, traceparent from rating.stale order by mark, media_id limit ${BATCH}`)

interface GroupRow {
  mediaId: string
  duplicateGroup: string
  solo: number
  value: number
  input: RatingInput
}

/**
 * Stores a batch: new ratings, those of near duplicates that change with them, and the event. Items that are not described are no (ready)
 * items of the album: their rows go. A mark that grew meanwhile stays.
 * @param together the group of near duplicates by item, of the batch and of all that are in a group with one of it: nobody else says that they are in one now
 */
export async function saveBatch(
  tx: FamilyTx,
  batch: readonly Stale[],
  described: ReadonlyMap<string, Described>,
  together: ReadonlyMap<string, string>,
): Promise<void> {
  const { version } = await tx.one<{ version: number }>(sql`select version from rating.families for update`)
  const ids = batch.map(b => b.mediaId)
  // Erased since they were asked about; an erasure waits for the family's row, which is held now.
  const erased = await goneOf(tx, GROUP, KIND, ids)
  const before = new Map(
    (
      await tx.many<{
        mediaId: string
        value: number
        at: Date
        exact: boolean
        place: string
        latitude: number | null
        longitude: number | null
        duplicateGroup: string | null
      }>(
        sql`select media_id, value, at, exact, place, latitude, longitude, duplicate_group from rating.items where media_id = any(${ids}::uuid[])`,
      )
    ).map(row => [row.mediaId, row]),
  )
  const gone = ids.filter(id => !described.has(id) && before.has(id))
  if (gone.length) await tx.changed(sql`delete from rating.items where media_id = any(${gone}::uuid[])`)
  const rows = [...described.values()].filter(d => !erased.has(d.mediaId))
  const solo = new Map(rows.map(d => [d.mediaId, rate(d.input).value]))
  const next = version + 1
  const rated = new Map<string, number>()
  await insertItems(tx, rows, solo, next)
  const former = [...before.values()].flatMap(({ mediaId, duplicateGroup }) =>
    duplicateGroup === null || duplicateGroup === together.get(mediaId) ? [] : [duplicateGroup],
  )
  const groups = new Set([...former, ...(await joinGroups(tx, ids, together)), ...together.values()])
  const members = groups.size
    ? await tx.many<GroupRow>(sql`
        select media_id, duplicate_group, solo, value, input from rating.items where duplicate_group = any(${[...groups]}::uuid[]) order by solo desc, media_id`)
    : []
  // Who is kept in one of these groups, and is in none of them now, is asked for.
  const known = new Set([...ids, ...together.keys()])
  await markStale(
    tx,
    members.map(({ mediaId }) => mediaId).filter(id => !known.has(id)),
  )
  await settleGroups(tx, members, next, rated)
  const stored = await tx.many<{ mediaId: string; value: number }>(
    sql`select media_id, value from rating.items where media_id = any(${ids}::uuid[])`,
  )
  for (const { mediaId, value } of stored) {
    if (before.get(mediaId)?.value === value) rated.delete(mediaId)
    else rated.set(mediaId, value)
  }
  const moved = gone.length > 0 || rows.some(d => movesMoments(d, before.get(d.mediaId)))
  await tx.changed(sql`
    delete from rating.stale s using unnest(${ids}::uuid[], ${batch.map(b => b.mark)}::bigint[]) as b (media_id, mark)
    where s.media_id = b.media_id and s.mark = b.mark`)
  await tx.changed(sql`
    update rating.families set version = ${rated.size ? next : version}, moments_stale = moments_stale or ${moved}`)
  if (rated.size)
    await publish(tx, MediaRated, {
      rated: [...rated].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([mediaId, value]) => ({ mediaId, value })),
      version: next,
    })
}

function movesMoments(
  now: Described,
  was: { at: Date; exact: boolean; place: string; latitude: number | null; longitude: number | null } | undefined,
): boolean {
  return (
    !was ||
    was.at.getTime() !== now.at.getTime() ||
    was.exact !== now.exact ||
    was.place !== now.place ||
    was.latitude !== (now.latitude ?? null) ||
    was.longitude !== (now.longitude ?? null)
  )
}

async function insertItems(
  tx: FamilyTx,
  rows: readonly Described[],
  solo: ReadonlyMap<string, number>,
  version: number,
): Promise<void> {
  if (rows.length === 0) return
  const records = rows.map(d => {
    const { value, parts } = rate(d.input)
    return {
      media_id: d.mediaId,
      kind: d.kind,
      at: d.at.toISOString(),
      exact: d.exact,
      latitude: d.latitude ?? null,
      longitude: d.longitude ?? null,
      place: d.place,
      audience_kind: d.audienceKind,
      audience_ids: d.audienceIds,
      uploaded_by: d.uploadedBy ?? null,
      blocked: d.blocked,
      mundane: d.mundane,
      child_ids: d.childIds,
      person_ids: d.personIds,
      duplicate_group: d.duplicateGroup ?? null,
      input: d.input,
      solo: solo.get(d.mediaId)!,
      value,
      parts,
    }
  })
  await tx.changed(sql`
    insert into rating.items as r (family_id, media_id, kind, at, exact, latitude, longitude, place, audience_kind, audience_ids, uploaded_by,
      blocked, mundane, child_ids, person_ids, duplicate_group, input, solo, value, parts, version)
    select ${tx.familyId}, media_id, kind, at, exact, latitude, longitude, place, audience_kind, audience_ids, uploaded_by, blocked, mundane,
      child_ids, person_ids, duplicate_group, input, solo, value, parts, ${version}
    from jsonb_to_recordset(${sql.json(records)}::jsonb) as n (media_id uuid, kind text, at timestamptz, exact boolean, latitude double precision,
      longitude double precision, place text, audience_kind text, audience_ids uuid[], uploaded_by uuid, blocked text, mundane text,
      child_ids uuid[], person_ids uuid[], duplicate_group uuid, input jsonb, solo real, value real, parts jsonb)
    on conflict (family_id, media_id) do update set kind = excluded.kind, at = excluded.at, exact = excluded.exact, latitude = excluded.latitude,
      longitude = excluded.longitude, place = excluded.place, audience_kind = excluded.audience_kind, audience_ids = excluded.audience_ids,
      uploaded_by = excluded.uploaded_by, blocked = excluded.blocked, mundane = excluded.mundane, child_ids = excluded.child_ids,
      person_ids = excluded.person_ids, duplicate_group = excluded.duplicate_group, input = excluded.input, solo = excluded.solo,
      value = excluded.value, parts = excluded.parts, version = excluded.version`)
}

/** Moves items that are not in the batch to the group that they are in with one of it; answers the groups that they left. */
async function joinGroups(
  tx: FamilyTx,
  batch: readonly string[],
  together: ReadonlyMap<string, string>,
): Promise<string[]> {
  const inBatch = new Set(batch)
  const others = [...together].filter(([id]) => !inBatch.has(id))
  if (others.length === 0) return []
  const moved = await tx.many<{ former: string | null }>(sql`
    update rating.items i set duplicate_group = n.duplicate_group
    from unnest(${others.map(([id]) => id)}::uuid[], ${others.map(([, group]) => group)}::uuid[]) as n (media_id, duplicate_group)
      join rating.items was on was.media_id = n.media_id
    where i.media_id = n.media_id and i.duplicate_group is distinct from n.duplicate_group
    returning was.duplicate_group as former`)
  return moved.flatMap(({ former }) => former ?? [])
}

/** In every group the best stays as it is and the others count as duplicates of it. `members` come best first. */
async function settleGroups(
  tx: FamilyTx,
  members: readonly GroupRow[],
  version: number,
  rated: Map<string, number>,
): Promise<void> {
  const led = new Set<string>()
  for (const member of members) {
    const best = !led.has(member.duplicateGroup)
    led.add(member.duplicateGroup)
    const input = { ...member.input, duplicate: !best }
    const { value, parts } = rate(input)
    if (input.duplicate === member.input.duplicate && same(value, member.value)) continue
    await tx.changed(sql`
      update rating.items set input = ${sql.json(input)}, value = ${value}, parts = ${sql.json(parts)}, version = ${version}
      where media_id = ${member.mediaId}`)
    rated.set(member.mediaId, value)
  }
}

/** Values are stored as real: a tenth survives to the sixth digit. */
const same = (a: number, b: number): boolean => Math.abs(a - b) < 1e-4

interface MomentRow {
  mediaId: string
  at: Date
  exact: boolean
  latitude: number | null
  longitude: number | null
  place: string
  momentId: string | null
}

/** A row as the search for moments takes it. */
export const momentItem = (row: Omit<MomentRow, 'momentId'>): MomentItem => ({
  mediaId: row.mediaId,
  at: row.at.getTime(),
  exact: row.exact,
  place: row.place,
  ...(row.latitude === null || row.longitude === null ? {} : { latitude: row.latitude, longitude: row.longitude }),
})

/** Finds the family's moments anew where times or places changed; says so where one is different. */
export async function renewMoments(tx: FamilyTx): Promise<void> {
  const family = await tx.maybe<{ momentsStale: boolean; momentsVersion: number }>(
    sql`select moments_stale, moments_version from rating.families for update`,
  )
  if (!family?.momentsStale) return
  const rows = await tx.many<MomentRow>(
    sql`select media_id, at, exact, latitude, longitude, place, moment_id from rating.items`,
  )
  const of = new Map(findMoments(rows.map(momentItem)).flatMap(m => m.mediaIds.map(id => [id, m.id] as const)))
  const changed = rows.filter(row => (of.get(row.mediaId) ?? null) !== row.momentId)
  for (let from = 0; from < changed.length; from += 5000) {
    const part = changed.slice(from, from + 5000)
    await tx.changed(sql`
      update rating.items i set moment_id = n.moment_id
      from unnest(${part.map(c => c.mediaId)}::uuid[], ${part.map(c => of.get(c.mediaId) ?? null)}::uuid[]) as n (media_id, moment_id)
      where i.media_id = n.media_id`)
  }
  const version = family.momentsVersion + (changed.length ? 1 : 0)
  await tx.changed(sql`update rating.families set moments_stale = false, moments_version = ${version}`)
  if (changed.length) await publish(tx, MomentsChanged, { version })
}
