import { Turns, type Db } from '@keepsake/db'
import type { Media, ObjectStore } from '@keepsake/media'
import type { AlbumServiceService } from '@keepsake/proto/album/v1'
import type { FamilyServiceService } from '@keepsake/proto/family/v1'
import { familyOf, KeepsakeError, type Call, type Client } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import type { Deps, FamilySettings, Knobs } from './deps.js'
import type { Places } from './places.js'
import { isTimeZone } from './time-zones.js'
import type { WorkTurns } from './work.js'

const log = logger('ingest')

/** How long a family's settings are believed. */
const SETTINGS_MS = 60_000
const MOST_FAMILIES = 1_000
const CALL_MS = 5_000
/** An upload's answer does not wait longer for the catalogue. */
const REGISTER_MS = 2_000

/** Everything that one running ingest service works with. */
export class Context implements Deps {
  readonly db: Db
  readonly objects: ObjectStore
  readonly media: Media
  readonly places: Places
  readonly knobs: Knobs
  readonly turns: WorkTurns
  readonly finishing: Turns
  readonly #family: Client<typeof FamilyServiceService>
  readonly #album: Client<typeof AlbumServiceService>
  readonly #settings = new Map<string, { until: number; settings: Promise<FamilySettings> }>()

  constructor(parts: {
    db: Db
    objects: ObjectStore
    media: Media
    places: Places
    knobs: Knobs
    stills: number
    videos: number
    /** Complete uploads of one family that are decided at a time. */
    finishing: number
    family: Client<typeof FamilyServiceService>
    album: Client<typeof AlbumServiceService>
  }) {
    this.db = parts.db
    this.objects = parts.objects
    this.media = parts.media
    this.places = parts.places
    this.knobs = parts.knobs
    // One more than there are children: while one item is decoded, the next is fetched and the last one stored. And one that is never the same family's.
    this.turns = { stills: new Turns(parts.stills + 2, parts.stills + 1), videos: new Turns(parts.videos) }
    this.finishing = new Turns(Infinity, parts.finishing)
    this.#family = parts.family
    this.#album = parts.album
  }

  now(): number {
    return Date.now()
  }

  settings(familyId: string): Promise<FamilySettings> {
    const known = this.#settings.get(familyId)
    if (known && known.until > this.now()) return known.settings
    const settings = this.#askSettings(familyId)
    settings.catch(() => this.#settings.delete(familyId))
    this.#settings.delete(familyId)
    this.#settings.set(familyId, { until: this.now() + SETTINGS_MS, settings })
    const oldest = this.#settings.keys().next().value
    if (this.#settings.size > MOST_FAMILIES && oldest !== undefined) this.#settings.delete(oldest)
    return settings
  }

  /** Asks anew next time: the family's settings changed. */
  forget(familyId: string): void {
    this.#settings.delete(familyId)
  }

  async register(familyId: string, mediaId: string): Promise<void> {
    try {
      await this.#album.registerMedia({ mediaId }, { familyId, deadlineMs: REGISTER_MS })
    } catch (error) {
      log.debug({ err: error, mediaId }, 'album will hear of the item by its event')
    }
  }

  async seen(call: Call, mediaIds: readonly string[]): Promise<ReadonlySet<string>> {
    const seen = new Set<string>()
    for (const mediaId of mediaIds) {
      if (await this.#isSeen(call, mediaId)) seen.add(mediaId)
      else {
        // Hidden, erased, or so new that album has not heard of it.
        await this.#album.registerMedia({ mediaId }, { familyId: familyOf(call), deadlineMs: CALL_MS })
        if (await this.#isSeen(call, mediaId)) seen.add(mediaId)
      }
    }
    return seen
  }

  async rotation(familyId: string, mediaIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { media } = await this.#album.describeMedia(
      { mediaIds: [...mediaIds], all: false, cursor: '' },
      { familyId, deadlineMs: CALL_MS },
    )
    return new Map(media.flatMap(({ media: item }) => (item ? [[item.id, item.rotation] as const] : [])))
  }

  async #isSeen(call: Call, mediaId: string): Promise<boolean> {
    try {
      await this.#album.getMedia({ mediaId }, { call, deadlineMs: CALL_MS })
      return true
    } catch (error) {
      if (KeepsakeError.is(error) && error.code === 'NOT_FOUND') return false
      throw error
    }
  }

  async #askSettings(familyId: string): Promise<FamilySettings> {
    const { family } = await this.#family.getFamily({}, { familyId, deadlineMs: CALL_MS })
    if (!family) {
      throw new KeepsakeError({ code: 'NOT_FOUND', reason: 'FAMILY_NOT_FOUND', message: 'There is no such family.' })
    }
    return { timeZone: isTimeZone(family.timeZone) ? family.timeZone : 'UTC', locale: family.locale || 'en' }
  }
}
