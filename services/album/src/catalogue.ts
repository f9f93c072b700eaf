import { isId, sql, type FamilyTx } from '@keepsake/db'
import { isAnyGone, MediaChanged, publish } from '@keepsake/events'
import type { Media as IngestMedia } from '@keepsake/proto/ingest/v1'
import { readAudience } from './audience.js'
import { noteMedia } from './changes.js'
import { putIntoNamedCollections } from './collections.js'
import { factsOf, type Corrections, type Facts, type IngestedFacts } from './facts.js'
import { catalogued } from './metrics.js'
import { bump, lockFamily } from './version.js'
import { wordsOf } from './words.js'

/** The name under which album consumes events and keeps tombstones. */
export const group = 'album'

/** The columns that facts fill, for an insert or an update, in this order: see `factColumns`. */
export const factValues = (facts: Facts) => sql`
  ${facts.takenAt}, ${facts.offsetMinutes}, ${facts.precision}, ${facts.source}, ${facts.timeZone}, ${facts.localDay}, ${facts.month},
  ${facts.place.latitude}, ${facts.place.longitude}, ${facts.place.city}, ${facts.place.region}, ${facts.place.country},
  ${facts.place.countryCode}, ${facts.description}, ${facts.rotation}`

/** The columns that facts fill. */
export const factColumns = sql`
  taken_at, offset_minutes, taken_precision, taken_source, time_zone, local_day, month, latitude, longitude, city, region, country,
  country_code, description, rotation`

/**
 * Takes what ingest knows of an item into the catalogue: a new entry, or the facts of a known one under the corrections people made. An
 * older version than the one known, or an item that was erased, changes nothing.
 */
export async function takeIngested(tx: FamilyTx, media: IngestMedia): Promise<void> {
  await lockFamily(tx)
  if (await isAnyGone(tx, group, { media: media.id, family: tx.familyId })) return
  const known = await tx.maybe<{
    ingestVersion: number
    state: string
    corrections: Corrections
    trashedAt: Date | null
  }>(sql`
    select ingest_version, state, corrections, trashed_at from album.media where family_id = ${tx.familyId} and id = ${media.id}`)
  if (known !== undefined && known.ingestVersion >= media.version) return

  const ingested = ingestedFacts(media)
  const facts = factsOf(ingested, known?.corrections ?? {})
  const audience = readAudience(media.audience)
  const version = await bump(tx)
  await tx.changed(sql`
    insert into album.media as m (
      family_id, id, version, state, failure_code, failure_message, kind, file_name, content_type, size, ${factColumns},
      width, height, duration, blur_hash, perceptual_hash, mundane, audience_kind, audience_ids, uploaded_by, uploaded_at,
      ingest_version, ingested)
    values (
      ${tx.familyId}, ${media.id}, ${version}, ${media.state}, ${media.failureCode}, ${media.failureMessage}, ${media.kind || 'photo'},
      ${media.fileName}, ${media.contentType}, ${media.size}, ${factValues(facts)},
      ${media.width}, ${media.height}, ${media.duration}, ${media.blurHash}, ${media.perceptualHash}, ${media.mundane},
      ${audience.kind}, ${audience.ids}::uuid[], ${isId(media.uploadedByMemberId) ? media.uploadedByMemberId : null},
      ${media.uploadedAt ?? facts.takenAt}, ${media.version}, ${sql.json(ingested)})
    on conflict (family_id, id) do update set
      version = excluded.version, state = excluded.state, failure_code = excluded.failure_code, failure_message = excluded.failure_message,
      kind = excluded.kind, file_name = excluded.file_name, content_type = excluded.content_type, size = excluded.size,
      taken_at = excluded.taken_at, offset_minutes = excluded.offset_minutes, taken_precision = excluded.taken_precision,
      taken_source = excluded.taken_source, time_zone = excluded.time_zone, local_day = excluded.local_day, month = excluded.month,
      latitude = excluded.latitude, longitude = excluded.longitude, city = excluded.city, region = excluded.region,
      country = excluded.country, country_code = excluded.country_code, description = excluded.description, rotation = excluded.rotation,
      width = excluded.width, height = excluded.height, duration = excluded.duration, blur_hash = excluded.blur_hash,
      perceptual_hash = excluded.perceptual_hash, mundane = excluded.mundane,
      ingest_version = excluded.ingest_version, ingested = excluded.ingested`)
  if (known?.state !== media.state && isState(media.state)) catalogued.add(1, { state: media.state })
  await setWords(tx, media.id, { fileName: media.fileName, ingested, facts })
  if (known === undefined) await putIntoNamedCollections(tx, version, media.id, media.collections)
  if (known?.trashedAt) return
  await noteMedia(tx, version, [media.id], 'put')
  const what =
    media.state === 'ready'
      ? known?.state === 'ready'
        ? 'facts'
        : 'created'
      : media.state === 'failed'
        ? 'failed'
        : undefined
  if (what !== undefined) await publish(tx, MediaChanged, { mediaIds: [media.id], version, what: [what] })
}

const isState = (state: string): state is 'pending' | 'ready' | 'failed' =>
  state === 'pending' || state === 'ready' || state === 'failed'

/** Makes an item findable by its words. */
export async function setWords(
  tx: FamilyTx,
  mediaId: string,
  { fileName, ingested, facts }: { fileName: string; ingested: IngestedFacts; facts: Facts },
): Promise<void> {
  const { city, region, country } = facts.place
  const words = wordsOf([fileName, facts.description, ingested.description, city, region, country, ...ingested.tags])
  await tx.changed(sql`
    with others as (
      delete from album.words where family_id = ${tx.familyId} and media_id = ${mediaId} and not word = any(${words}::text[]))
    insert into album.words (family_id, word, media_id)
    select ${tx.familyId}, unnest(${words}::text[]), ${mediaId} on conflict do nothing`)
}

function ingestedFacts(media: IngestMedia): IngestedFacts {
  const { taken, place } = media
  const at = taken?.at ?? media.uploadedAt ?? new Date(0)
  return {
    takenAtMs: at.getTime(),
    offsetMinutes: taken?.offsetMinutes ?? 0,
    precision: taken?.precision || 'second',
    source: taken?.source || 'file-date',
    ...(taken?.timeZone === undefined ? {} : { timeZone: taken.timeZone }),
    ...(place === undefined
      ? {}
      : {
          place: {
            latitude: place.latitude,
            longitude: place.longitude,
            city: place.city,
            region: place.region,
            country: place.country,
            countryCode: place.countryCode,
          },
        }),
    description: media.description,
    tags: media.tags,
    ...(media.stars === undefined ? {} : { stars: media.stars }),
    originalKey: media.originalKey,
    // A clip that ingest took out of the original is derived: it ends like this, an uploaded one does not.
    ...(media.clipKey === '' || media.clipKey.endsWith('/clip') ? {} : { clipKey: media.clipKey }),
  }
}
