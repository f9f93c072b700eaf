import { sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { Media } from '@keepsake/proto/album/v1'
import { errors } from './errors.js'
import { correctable, type Corrections } from './facts.js'
import { existing } from './ids.js'
import { visibleTo, type Viewer } from './viewer.js'

/** A row of the catalogue as `mediaColumns` reads it. */
export interface MediaRow {
  id: string
  version: number
  state: string
  failureCode: string | null
  failureMessage: string | null
  kind: string
  fileName: string
  contentType: string
  size: number
  takenAt: Date
  offsetMinutes: number
  takenPrecision: string
  takenSource: string
  timeZone: string
  localDay: string
  latitude: number | null
  longitude: number | null
  city: string
  region: string
  country: string
  countryCode: string
  description: string
  width: number
  height: number
  duration: number | null
  blurHash: string
  perceptualHash: string
  mundane: string
  rotation: number
  audienceKind: string
  audienceIds: string[]
  uploadedBy: string | null
  uploadedAt: Date
  favouriteCount: number
  commentCount: number
  rating: number | null
  trashedAt: Date | null
  corrections: Corrections
  originalKey: string | null
  clipKey: string | null
  favourite: boolean
  personIds: string[]
  collectionIds: string[]
}

/** The plain columns of `album.media m`. */
export const plainColumns = sql`
  m.id, m.version, m.state, m.failure_code, m.failure_message, m.kind, m.file_name, m.content_type, m.size, m.taken_at, m.offset_minutes,
  m.taken_precision, m.taken_source, m.time_zone, m.local_day, m.latitude, m.longitude, m.city, m.region, m.country, m.country_code,
  m.description, m.width, m.height, m.duration, m.blur_hash, m.perceptual_hash, m.mundane, m.rotation, m.audience_kind, m.audience_ids,
  m.uploaded_by, m.uploaded_at, m.favourite_count, m.comment_count, m.rating, m.trashed_at, m.corrections,
  m.ingested->>'originalKey' as original_key, m.ingested->>'clipKey' as clip_key`

/** The columns of `m` with what belongs to an item elsewhere, for one viewer. Put it around a page, not around the whole album. */
export const mediaColumns = (viewer: Viewer): Sql => sql`
  ${plainColumns},
  exists (select 1 from album.favourites f
          where f.family_id = m.family_id and f.media_id = m.id and f.member_id = ${viewer.memberId}) as favourite,
  array(select mp.person_id::text from album.media_people mp
        where mp.family_id = m.family_id and mp.media_id = m.id order by mp.person_id) as person_ids,
  array(select cm.collection_id::text from album.collection_media cm
        where cm.family_id = m.family_id and cm.media_id = m.id order by cm.collection_id) as collection_ids`

/** A row as the contract says it. */
export function toMedia(row: MediaRow): Media {
  return {
    id: row.id,
    fileName: row.fileName,
    kind: row.kind,
    state: row.state,
    failureCode: row.failureCode ?? undefined,
    failureMessage: row.failureMessage ?? undefined,
    takenAt: row.takenAt,
    takenAtOffsetMinutes: row.offsetMinutes,
    takenAtPrecision: row.takenPrecision,
    takenAtSource: row.takenSource,
    place: placeOf(row),
    description: row.description,
    width: row.width,
    height: row.height,
    duration: row.duration ?? undefined,
    audience: { kind: row.audienceKind, ids: row.audienceIds },
    favourite: row.favourite,
    favouriteCount: row.favouriteCount,
    commentCount: row.commentCount,
    blurHash: row.blurHash,
    rating: row.rating ?? undefined,
    personIds: row.personIds,
    collectionIds: row.collectionIds,
    uploadedByMemberId: row.uploadedBy ?? '',
    uploadedAt: row.uploadedAt,
    trashedAt: row.trashedAt ?? undefined,
    version: row.version,
    rotation: row.rotation,
    mundane: row.mundane,
    corrected: correctable.filter(field => row.corrections[field] !== undefined),
    size: row.size,
    contentType: row.contentType,
    timeZone: row.timeZone,
    originalKey: row.originalKey ?? '',
    clipKey: row.clipKey ?? '',
  }
}

function placeOf(row: MediaRow): Media['place'] {
  const { latitude, longitude, city, region, country, countryCode } = row
  if (latitude === null && city === '' && region === '' && country === '' && countryCode === '') return undefined
  return { latitude: latitude ?? undefined, longitude: longitude ?? undefined, city, region, country, countryCode }
}

/** One item, in the trash too for those who may restore it. Throws MEDIA_NOT_FOUND for what the viewer may not see. */
export async function getMedia(tx: FamilyTx, viewer: Viewer, mediaId: string): Promise<Media> {
  const id = existing(mediaId, errors.mediaNotFound)
  const row = await tx.maybe<MediaRow>(sql`
    select ${mediaColumns(viewer)} from album.media m
    where m.family_id = ${tx.familyId} and m.id = ${id} and ${visibleTo(viewer)} and (m.trashed_at is null or ${ownedBy(viewer)})`)
  if (row === undefined) throw errors.mediaNotFound()
  return toMedia(row)
}

/** Whose item it is: parents may change everything, others what they uploaded. */
export const ownedBy = (viewer: Viewer): Sql => (viewer.parent ? sql`true` : sql`m.uploaded_by = ${viewer.memberId}`)

/** Throws MEDIA_NOT_FOUND unless the viewer sees every one of the items now. */
export async function requireVisible(tx: FamilyTx, viewer: Viewer, ids: readonly string[]): Promise<void> {
  const { seen } = await tx.one<{ seen: number }>(sql`
    select count(*) as seen from album.media m
    where m.family_id = ${tx.familyId} and m.id = any(${ids}::uuid[]) and m.trashed_at is null and ${visibleTo(viewer)}`)
  if (seen !== ids.length) throw errors.mediaNotFound()
}

/** As `requireVisible`, and throws NOT_YOURS unless the viewer may change them. */
export async function requireOwned(tx: FamilyTx, viewer: Viewer, ids: readonly string[]): Promise<void> {
  await requireVisible(tx, viewer, ids)
  if (viewer.parent) return
  const { own } = await tx.one<{ own: number }>(sql`
    select count(*) as own from album.media m
    where m.family_id = ${tx.familyId} and m.id = any(${ids}::uuid[]) and ${ownedBy(viewer)}`)
  if (own !== ids.length) throw errors.notYours()
}
