import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, type FamilyTx, type Turns } from '@keepsake/db'
import { isGone, LAST_TRY, MediaFailed, MediaIngested, publish, type EventContext } from '@keepsake/events'
import {
  isMediaFailure,
  mediaError,
  sniff,
  sniffBytes,
  type Loudness,
  type RenderedImage,
  type RgbImage,
  type Rotation,
  type VideoProbe,
} from '@keepsake/media'
import { KeepsakeError } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import { objectSource } from './byte-source.js'
import { mediaPrefix, type Deps } from './deps.js'
import { describeItem, type Embedded, type VideoFacts } from './describe.js'
import { itemFailures } from './errors.js'
import { defined, validPosition } from './facts.js'
import { itemOf, lockItem, saveDescription, sidecarsOf, type ItemRow, type Kind, type Rendered } from './item.js'
import { mundaneMark } from './marks.js'
import { turnSeconds, workSeconds } from './metrics.js'
import { qualityMarks } from './quality.js'

const log = logger('ingest')

/**
 * Tries of an event (over about three minutes) after which a trouble that nobody can name, or a full disk, which only a person can help, becomes the item's state, so that
 * nothing stays pending for ever. What passes by itself (a store or a peer that is away) gets every try that the event log has.
 */
const LAST_ATTEMPT = 6

/** How many items are worked on at a time. */
export interface WorkTurns {
  readonly stills: Turns
  readonly videos: Turns
}

/** What decoding an item gave. */
interface Worked {
  kind: Kind
  embedded: Embedded
  width: number
  height: number
  duration?: number | undefined
  hash: string
  rendered: Rendered
  contentType: string
  keys: { thumbnail: string; preview: string; poster?: string; playback?: string; clip?: string }
}

type Effect = (tx: FamilyTx) => Promise<void>

/**
 * Works on an accepted item: metadata, renditions, clip, quality. Answers the effect, which makes the item ready or failed; undefined when
 * a newer version of the item is (or will be) worked on. Nothing but objects is written before the effect, so a crash costs only time.
 */
export async function workOn(
  deps: Deps,
  turns: WorkTurns,
  event: { mediaId: string; version: number },
  context: EventContext,
): Promise<Effect | undefined> {
  const { familyId, signal } = context
  const [item] = await deps.db.familyRows<ItemRow>(familyId, () => itemOf(familyId, event.mediaId))
  if (!item || item.version !== event.version || item.state !== 'pending') return undefined
  const turn = item.kind === 'photo' ? turns.stills : turns.videos
  const cameMs = performance.now()
  return turn.run(familyId, { signal }, async () => {
    const startedMs = performance.now()
    turnSeconds.record((startedMs - cameMs) / 1000, { kind: item.kind })
    const record = (outcome: 'ready' | 'failed') =>
      workSeconds.record((performance.now() - startedMs) / 1000, { kind: item.kind, outcome })
    try {
      const result = await decode(deps, familyId, item, item.rotation, signal)
      const settings = await deps.settings(familyId)
      record('ready')
      return tx => makeReady(deps, tx, item, result, settings)
    } catch (error) {
      const failure = failureOf(error, context.attempt, signal)
      if (failure === undefined) throw error
      record('failed')
      return tx => makeFailed(tx, item, failure)
    }
  })
}

/** Renders an item anew with another rotation; undefined when it is not ready or has that rotation already. */
export async function turnItem(
  deps: Deps,
  turns: WorkTurns,
  mediaId: string,
  rotation: Rotation,
  context: EventContext,
): Promise<Effect | undefined> {
  const { familyId, signal } = context
  const [item] = await deps.db.familyRows<ItemRow>(familyId, () => itemOf(familyId, mediaId))
  if (!item || item.state !== 'ready' || item.rotation === rotation) return undefined
  const turn = item.kind === 'photo' ? turns.stills : turns.videos
  const result = await turn.run(familyId, { signal }, () => decode(deps, familyId, item, rotation, signal))
  const settings = await deps.settings(familyId)
  return async tx => {
    const now = await lockItem(tx, mediaId)
    if (!now || now.version !== item.version) throw new Error('the item changed while it was turned: again')
    await tx.changed(sql`
      update ingest.media set rotation = ${rotation} where family_id = ${tx.familyId} and id = ${mediaId}`)
    await makeReady(deps, tx, item, result, settings)
  }
}

async function makeReady(
  deps: Deps,
  tx: FamilyTx,
  item: ItemRow,
  result: Worked,
  settings: { timeZone: string; locale: string },
): Promise<void> {
  const now = await lockItem(tx, item.id)
  if (!now || (await isGone(tx, 'ingest', 'media', item.id))) {
    await deps.objects.removePrefix(mediaPrefix(tx.familyId, item.id)) // erased meanwhile: what was just written goes too
    return
  }
  if (now.version !== item.version) return
  const { keys } = result
  const version = now.version + 1 // every state has its own version: whoever has seen the pending item takes this one
  const ready = sql`
    state = 'ready', version = ${version}, failure_code = null, failure_message = null, kind = ${result.kind},
    content_type = ${result.contentType}, width = ${result.width}, height = ${result.height}, duration = ${result.duration},
    hash = ${result.hash}, embedded = ${sql.json(result.embedded)}, rendered = ${sql.json(result.rendered)},
    burst_id = ${result.embedded.facts.burstId}, thumbnail_key = ${keys.thumbnail}, preview_key = ${keys.preview},
    poster_key = ${keys.poster}, playback_key = ${keys.playback}, clip_key = coalesce(clip_key, ${keys.clip})`
  // Sidecars are read here, after the item's lock: one that came meanwhile is in, one that comes later finds the item ready.
  const origin = { fileName: now.fileName, lastModifiedMs: now.lastModified?.getTime() }
  const sidecars = await sidecarsOf(tx, item.id)
  await saveDescription(
    tx,
    item.id,
    await describeItem(result.embedded, sidecars, origin, settings, deps.places, now.uploadedAt.getTime()),
    ready,
  )
  await publish(tx, MediaIngested, { mediaId: item.id, version, kind: result.kind })
}

async function makeFailed(tx: FamilyTx, item: ItemRow, failure: { code: string; message: string }): Promise<void> {
  const now = await lockItem(tx, item.id)
  if (!now || now.version !== item.version) return
  const version = now.version + 1
  await tx.changed(sql`
    update ingest.media set state = 'failed', version = ${version}, failure_code = ${failure.code}, failure_message = ${failure.message}, changed_at = now()
    where family_id = ${tx.familyId} and id = ${item.id}`)
  await publish(tx, MediaFailed, { mediaId: item.id, version, code: failure.code })
}

/** The state that an error leaves the item in; undefined when trying again may help. */
function failureOf(
  error: unknown,
  attempt: number,
  signal: AbortSignal,
): { code: string; message: string } | undefined {
  if (signal.aborted) return undefined
  if (isMediaFailure(error)) {
    // A crash or a timeout may be the machine's: once more, then it is the file's.
    const mayPass = error.retryable || error.reason === 'DECODER_CRASHED'
    return mayPass && attempt < 2 ? undefined : { code: error.reason, message: error.message }
  }
  if (KeepsakeError.is(error) && error.reason === 'OBJECT_NOT_FOUND') {
    return { code: 'ORIGINAL_MISSING', message: itemFailures.ORIGINAL_MISSING }
  }
  const full = KeepsakeError.is(error) && error.reason === 'STORAGE_FULL'
  const away = KeepsakeError.is(error) && error.retryable && !full
  if (attempt < (away ? LAST_TRY : LAST_ATTEMPT)) return undefined
  return full
    ? { code: 'STORAGE_FULL', message: itemFailures.STORAGE_FULL }
    : { code: 'NOT_PROCESSED', message: itemFailures.NOT_PROCESSED }
}

/** What is no picture or video is told from its first bytes, before a large file is fetched. */
async function decode(
  deps: Deps,
  familyId: string,
  item: ItemRow,
  rotation: Rotation,
  signal: AbortSignal,
): Promise<Worked> {
  if (item.size === 0) throw mediaError('EMPTY_FILE')
  const sniffed = sniff(await objectSource(deps.objects, item.originalKey, item.size, signal).read(0, sniffBytes))
  const work: Work = { deps, familyId, item, rotation, signal, prefix: mediaPrefix(familyId, item.id) }
  const withOriginal = (fn: (path: string) => Promise<Worked>) =>
    deps.objects.withFile(item.originalKey, fn, { signal })
  switch (sniffed.kind) {
    case 'empty':
      throw mediaError('EMPTY_FILE')
    case 'unknown':
      throw mediaError('NOT_MEDIA')
    case 'other':
      throw mediaError('NOT_MEDIA', { message: `This file is ${sniffed.words}, not a photo or a video.` })
    case 'unsupported':
      throw mediaError('UNSUPPORTED_FORMAT', {
        message: `This file is ${sniffed.words}. Keepsake cannot show that yet; the original is kept.`,
      })
    case 'image':
      return withOriginal(path => decodeStill(work, path, sniffed))
    case 'video':
      return withOriginal(path => decodeVideo(work, path, sniffed))
  }
}

interface Work {
  deps: Deps
  familyId: string
  item: ItemRow
  rotation: Rotation
  signal: AbortSignal
  prefix: string
}

async function decodeStill(
  work: Work,
  path: string,
  sniffed: { format: string; contentType: string },
): Promise<Worked> {
  const { deps, item, rotation, signal, familyId: family } = work
  const image = await deps.media.renderImage({ source: path, rotation }, { signal, family })
  const keys = await storeRenditions(work, image)
  const still: Worked = {
    kind: 'photo',
    embedded: item.embedded,
    width: image.width,
    height: image.height,
    hash: image.dHash,
    rendered: renderedOf(item, image, sniffed.format),
    contentType: sniffed.contentType,
    keys,
  }
  if (item.clipKey !== null && item.clipUploaded) {
    return deps.objects.withFile(item.clipKey, clip => withClip(work, still, clip), { signal }).catch(keepStill(still))
  }
  return image.live?.motionPhoto
    ? inScratch(dir => withMotion(work, still, path, join(dir, 'clip'))).catch(keepStill(still))
    : still
}

/** A broken clip costs the motion, never the photo. */
const keepStill =
  (still: Worked) =>
  (error: unknown): Worked => {
    if (!isMediaFailure(error)) throw error
    log.info({ reason: error.reason }, 'the clip of a live photo cannot be played; its still is shown')
    return still
  }

async function withMotion(work: Work, still: Worked, path: string, target: string): Promise<Worked> {
  const { deps, signal, prefix, familyId: family } = work
  if (!(await deps.media.motionPhotoVideo(path, target, { signal, family }))) return still
  const live = await withClip(work, still, target)
  const clip = `${prefix}clip`
  await deps.objects.put(clip, createReadStream(target), { contentType: 'video/mp4', signal })
  return { ...live, keys: { ...live.keys, clip } }
}

async function withClip(work: Work, still: Worked, clip: string): Promise<Worked> {
  const { deps, rotation, signal, familyId: family } = work
  const probe = await deps.media.probeVideo(clip, { signal, family })
  const { playback, motion } = await storePlayback(work, clip, rotation)
  return {
    ...still,
    kind: 'live',
    embedded: { ...still.embedded, video: videoFacts(probe) },
    duration: probe.durationS,
    rendered: { ...still.rendered, motion, ...(await soundOf(work, clip, probe)) },
    keys: { ...still.keys, playback },
  }
}

async function decodeVideo(
  work: Work,
  path: string,
  sniffed: { contentType: string; format: string },
): Promise<Worked> {
  const { deps, item, rotation, signal, prefix, familyId: family } = work
  const probe = await deps.media.probeVideo(path, { signal, family })
  const frame: RgbImage = await deps.media.posterFrame(path, { rotation, signal, family })
  const image = await deps.media.renderImage({ source: frame }, { signal, family })
  const keys = await storeRenditions(work, image)
  const poster = `${prefix}renditions/poster`
  await deps.objects.put(poster, image.preview.data, { contentType: image.preview.contentType, signal })
  const { playback, motion } = await storePlayback(work, path, rotation)
  const turned = rotation === 90 || rotation === 270
  return {
    kind: 'video',
    embedded: { facts: { readings: [] }, video: videoFacts(probe) },
    width: turned ? probe.height : probe.width,
    height: turned ? probe.width : probe.height,
    duration: probe.durationS,
    hash: image.dHash,
    rendered: { ...renderedOf(item, image, sniffed.format, probe), motion, ...(await soundOf(work, path, probe)) },
    contentType: probe.contentType,
    keys: { ...keys, poster, playback },
  }
}

async function storeRenditions(work: Work, image: RenderedImage): Promise<{ thumbnail: string; preview: string }> {
  const { deps, signal, prefix } = work
  const keys = { thumbnail: `${prefix}renditions/thumbnail`, preview: `${prefix}renditions/preview` }
  await Promise.all([
    deps.objects.put(keys.thumbnail, image.thumbnail.data, { contentType: image.thumbnail.contentType, signal }),
    deps.objects.put(keys.preview, image.preview.data, { contentType: image.preview.contentType, signal }),
  ])
  return keys
}

/** Writes the file to play; says its key and how much each second moves. */
function storePlayback(work: Work, path: string, rotation: Rotation): Promise<{ playback: string; motion: number[] }> {
  const { deps, signal, prefix, familyId: family } = work
  return inScratch(async dir => {
    const target = join(dir, 'playback.mp4')
    const { motion } = await deps.media.transcodePlayback(path, target, { rotation, signal, family })
    const playback = `${prefix}renditions/playback`
    await deps.objects.put(playback, createReadStream(target), { contentType: 'video/mp4', signal })
    return { playback, motion }
  })
}

/** Sound that cannot be measured is no reason to lose a video. */
async function soundOf(work: Work, path: string, probe: VideoProbe): Promise<Pick<Rendered, 'loudness' | 'hasAudio'>> {
  if (probe.audio.length === 0) return { hasAudio: false }
  try {
    const { rmsDb }: Loudness = await work.deps.media.loudness(path, {
      signal: work.signal,
      family: work.familyId,
    })
    return { hasAudio: true, loudness: rmsDb.map(db => Math.round(10 ** (db / 20) * 1e4) / 1e4) }
  } catch (error) {
    if (isMediaFailure(error)) return { hasAudio: true }
    throw error
  }
}

function renderedOf(item: ItemRow, image: RenderedImage, format: string, video?: VideoProbe): Rendered {
  const { facts } = item.embedded
  const width = video?.width ?? image.width
  const height = video?.height ?? image.height
  const mundane = mundaneMark({
    fileName: item.fileName,
    format,
    width,
    height,
    hasCamera: facts.make !== undefined || facts.model !== undefined || video?.quickTime.make !== undefined,
    userComment: facts.userComment,
    software: facts.software,
    figures: video ? undefined : image.quality,
  })
  return { quality: qualityMarks(image.quality, width, height), blurHash: image.blurhash, ...(mundane && { mundane }) }
}

function videoFacts(probe: VideoProbe): VideoFacts {
  const { quickTime, createdAt, durationS } = probe
  const { location } = quickTime
  return {
    durationS,
    ...defined({
      createdMs: createdAt?.getTime(),
      creationDate: quickTime.creationDate,
      position: location && validPosition(location.latitude, location.longitude, location.altitude),
      make: quickTime.make,
      model: quickTime.model,
      software: quickTime.software,
    }),
  }
}

async function inScratch<T>(fn: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-ingest-'))
  try {
    return await fn(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
