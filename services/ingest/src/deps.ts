import type { Db, Turns } from '@keepsake/db'
import type { Media, ObjectStore } from '@keepsake/media'
import type { Call } from '@keepsake/rpc'
import type { Places } from './places.js'

/** What ingest must know of a family to date and name its items. */
export interface FamilySettings {
  /** IANA name. */
  readonly timeZone: string
  readonly locale: string
}

/** Limits and times that operators may set. */
export interface Knobs {
  /** Bytes. */
  readonly maxUpload: number
  readonly leaseMs: number
  readonly uploadMs: number
}

/** What the parts of ingest work with. Clocks are passed in. */
export interface Deps {
  readonly db: Db
  readonly objects: ObjectStore
  readonly media: Media
  readonly places: Places
  readonly knobs: Knobs
  /** Whose complete upload is decided next. */
  readonly finishing: Turns
  /** Of a family; remembered for a while. Rejects while the family service is away. */
  settings(familyId: string): Promise<FamilySettings>
  /** Tells album of a new item so that it can be read at once; never rejects: the event says the same later. */
  register(familyId: string, mediaId: string): Promise<void>
  /**
   * Which of these items the caller may see in the album as it is now, the trash included. What album has erased is not among them, even while
   * ingest has not heard of it; what album has not heard of yet is told to it first. Rejects while album is away.
   */
  seen(call: Call, mediaIds: readonly string[]): Promise<ReadonlySet<string>>
  /** The rotation that a person gave an item, degrees clockwise; undefined when album does not know the item. */
  rotation(familyId: string, mediaIds: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Epoch ms. */
  now(): number
}

/** The prefix under which everything of an item lies. */
export const mediaPrefix = (familyId: string, mediaId: string) => `families/${familyId}/media/${mediaId}/`

/** Where the bytes of an item that began as this upload lie: the upload's id becomes the item's. */
export const originalKey = (familyId: string, uploadId: string) => `${mediaPrefix(familyId, uploadId)}original`

/** The prefix of an upload's parts. */
export const uploadPrefix = (familyId: string, uploadId: string) => `families/${familyId}/uploads/${uploadId}/`
