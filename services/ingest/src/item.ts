import { sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { Media } from '@keepsake/proto/ingest/v1'
import type { Described, DescribedPlace, Embedded } from './describe.js'
import type { MetadataFacts } from './facts.js'
import type { Mundane } from './marks.js'
import type { QualityMarks } from './quality.js'

/** What an item's files may be: a still (with or without a clip) or a video. */
export type Kind = 'photo' | 'video' | 'live'

/** An item as it is stored. */
export interface ItemRow {
  id: string
  version: number
  state: 'pending' | 'ready' | 'failed'
  failureCode: string | null
  failureMessage: string | null
  kind: Kind
  fileName: string
  contentType: string
  size: number
  sha256: string
  originalKey: string
  clipKey: string | null
  clipUploaded: boolean
  thumbnailKey: string | null
  previewKey: string | null
  posterKey: string | null
  playbackKey: string | null
  width: number
  height: number
  duration: number | null
  rotation: 0 | 90 | 180 | 270
  takenAt: Date
  dated: boolean
  taken: StoredTaken
  contentIdentifier: string | null
  burstId: string | null
  hash: string | null
  embedded: Embedded
  described: StoredDescription
  rendered: Rendered
  lastModified: Date | null
  audience: string
  collections: string[]
  uploadedBy: string
  uploadedAt: Date
}

/** The capture time without the instant, which is a column. */
export interface StoredTaken {
  offsetMinutes: number
  precision: string
  source: string
  offsetSource: string
  timeZone?: string
}

/** What is shown beside the time. */
export interface StoredDescription {
  place?: DescribedPlace
  camera?: string
  description?: string
  tags?: readonly string[]
  stars?: number
}

/** What came out of decoding. */
export interface Rendered {
  quality?: QualityMarks
  blurHash?: string
  mundane?: Mundane
  /** RMS per second, 0..1. */
  loudness?: number[]
  hasAudio?: boolean
  /** Of each second, 0 (still) to 1 (everything moves). */
  motion?: number[]
}

/** The statement that reads one item. */
export const itemOf = (familyId: string, id: string): Sql =>
  sql`select * from ingest.media where family_id = ${familyId} and id = ${id}`

/** One item, which nobody else changes until the transaction ends; undefined when there is none (erased). */
export const lockItem = (tx: FamilyTx, id: string): Promise<ItemRow | undefined> =>
  tx.maybe<ItemRow>(sql`${itemOf(tx.familyId, id)} for update`)

/** What stands beside an item's files, oldest first. */
export async function sidecarsOf(tx: FamilyTx, mediaId: string): Promise<MetadataFacts[]> {
  const rows = await tx.many<{ facts: MetadataFacts }>(sql`
    select distinct on (s.received_at, s.scope, s.folder, s.name) s.facts
    from ingest.paths p
    join ingest.sidecars s on s.family_id = p.family_id and s.scope = p.scope and s.folder = p.folder and s.target in (p.name, p.stem)
    where p.family_id = ${tx.familyId} and p.media_id = ${mediaId}
    order by s.received_at, s.scope, s.folder, s.name`)
  return rows.map(row => row.facts)
}

/** Stores what was decided of an item, and in the same write what `also` sets (columns with their values). */
export async function saveDescription(tx: FamilyTx, id: string, described: Described, also?: Sql): Promise<void> {
  const { taken, dated, ...shown } = described
  const { at, ...rest } = taken
  await tx.changed(sql`
    update ingest.media set taken_at = ${at}, dated = ${dated}, taken = ${sql.json(rest)}, described = ${sql.json(shown)}, changed_at = now()
      ${also ? sql`, ${also}` : sql.empty}
    where family_id = ${tx.familyId} and id = ${id}`)
}

/** The item as other services see it. */
export function toMedia(row: ItemRow): Media {
  const { place, camera, description, tags, stars } = row.described
  return {
    id: row.id,
    version: row.version,
    state: row.state,
    failureCode: row.failureCode ?? undefined,
    failureMessage: row.failureMessage ?? undefined,
    kind: row.kind,
    fileName: row.fileName,
    contentType: row.contentType,
    size: row.size,
    sha256: row.sha256,
    width: row.width,
    height: row.height,
    duration: row.duration ?? undefined,
    taken: { at: row.takenAt, timeZone: undefined, ...row.taken },
    place: place && { altitude: undefined, ...place },
    camera: camera ?? '',
    description: description ?? '',
    tags: [...(tags ?? [])],
    stars,
    quality: row.rendered.quality,
    blurHash: row.rendered.blurHash ?? '',
    perceptualHash: row.hash ?? '',
    mundane: row.rendered.mundane ?? '',
    originalKey: row.originalKey,
    thumbnailKey: row.thumbnailKey ?? '',
    previewKey: row.previewKey ?? '',
    posterKey: row.posterKey ?? '',
    playbackKey: row.playbackKey ?? '',
    clipKey: row.clipKey ?? '',
    audience: row.audience,
    collections: row.collections,
    uploadedByMemberId: row.uploadedBy,
    uploadedAt: row.uploadedAt,
    rotation: row.rotation,
    loudness: row.rendered.loudness ?? [],
    hasAudio: row.rendered.hasAudio ?? false,
    motion: row.rendered.motion ?? [],
  }
}
