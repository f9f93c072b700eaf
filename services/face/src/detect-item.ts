import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { FacesDetected, isGone, LAST_TRY, publish, type EventContext, type MediaIngested } from '@keepsake/events'
import { isMediaFailure, type ObjectStore } from '@keepsake/media'
import type { Media } from '@keepsake/proto/ingest/v1'
import { KeepsakeError } from '@keepsake/rpc'
import { noteConsent, type ConsentWord } from './consent.js'
import { removedOf, wasErased, withoutRemoved, type RemovedFace } from './erase-faces.js'
import { cropsOf, hasCrops, markCrops, markStaleCrops } from './erase.js'
import { errors, GAVE_UP } from './errors.js'
import { assignIds, assignIdsByPlace } from './face-ids.js'
import { detectSeconds, facesFound } from './metrics.js'
import type { ObservedFace, ObserveTools } from './observe.js'
import type { Pipelines } from './pipelines.js'
import { idsOfItem, readFaces, readItem, replaceFaces, type StoredFace } from './store.js'

/** What the service asks of others while it works on an item. */
export interface Peers {
  /** The family's word; undefined when there is no such family any more. */
  consent(familyId: string, signal: AbortSignal): Promise<ConsentWord | undefined>
  /** What ingest knows of the item; undefined when it knows none. */
  media(familyId: string, mediaId: string, signal: AbortSignal): Promise<Media | undefined>
}

export interface DetectTools extends ObserveTools {
  store: ObjectStore
  db: Db
  peers: Peers
  pipelines: Pipelines
}

/** A change to be committed together with the note that the event was taken in. */
export type Effect = (tx: FamilyTx) => Promise<void>

/**
 * From this attempt on an error that nobody can name ends in a failed item too: an import must come to an end. One that passes by itself (a store or a peer that is away) gets
 * every try that the event log has.
 */
const LAST_ATTEMPT = 4
/** Models get this long for one item, ms. */
export const WORK_MS = 540_000
/** The group's name in the event log; removed items are buried under it. */
export const GROUP = 'face'

/**
 * Looks for faces in an item that was ingested. Nothing is decoded without consent, and nothing is stored unless consent still holds and the item still
 * exists in the transaction that stores it. Taking the same event in twice stores the same.
 */
export async function detectItem(
  tools: DetectTools,
  event: MediaIngested,
  context: EventContext,
): Promise<Effect | undefined> {
  const { db, peers } = tools
  const { familyId, signal } = context
  const { mediaId } = event
  const consent = await peers.consent(familyId, signal)
  const { known, holds, gone } = await db.family(familyId, async tx => ({
    known: await readItem(tx, mediaId),
    holds: await holdingVersion(tx),
    gone: await isGone(tx, GROUP, 'media', mediaId),
  }))
  if (!consent?.given || gone) {
    // An earlier attempt may have left crops before it was cut off.
    if (!(await hasCrops(tools.store, familyId, mediaId))) return undefined
    return async tx => void (await markCrops(tx, [mediaId]))
  }
  if (known && known.version >= event.version) return undefined
  const pipeline = holds ?? tools.pipelines.newest.version
  const media = await peers.media(familyId, mediaId, signal)
  if (media?.state !== 'ready') return undefined
  const item = { mediaId, version: Math.max(event.version, media.version) }
  let faces: StoredFace[]
  const began = performance.now()
  const ended = (outcome: 'ready' | 'failed') => {
    const kind = media.kind === 'video' ? 'video' : 'photo'
    detectSeconds.record((performance.now() - began) / 1000, { kind, outcome })
  }
  try {
    const seen = await tools.pipelines
      .of(pipeline)
      .observe(familyId, media, tools, { lane: 'backfill', deadline: Date.now() + WORK_MS, signal })
    const { earlier, removed } = await db.family(familyId, async tx => ({
      earlier: await readFaces(tx, [mediaId]),
      removed: await removedOf(tx, mediaId),
    }))
    const observed = withoutRemoved(seen, removed, media.rotation)
    faces = await keepPortraits(tools, familyId, mediaId, observed, { earlier, removed, by: 'likeness' })
    ended('ready')
    facesFound.add(faces.length, {})
  } catch (error) {
    const failureCode = failureOf(error, context.attempt)
    if (failureCode === undefined || signal.aborted) throw error
    ended('failed')
    return tx => storeFaces(tx, consent, { ...item, failureCode }, [], pipeline)
  }
  return tx => storeFaces(tx, consent, item, faces, pipeline)
}

async function holdingVersion(tx: FamilyTx): Promise<number | undefined> {
  const row = await tx.maybe<{ pipeline: number }>(
    sql`select pipeline from face.families where family_id = ${tx.familyId}`,
  )
  return row?.pipeline
}

/** What is known of an item's faces when they are looked for again. */
interface KnownFaces {
  earlier: readonly StoredFace[]
  removed: readonly RemovedFace[]
  /** How an earlier face is found again: by its vector where that is of the same version, else by its place. */
  by: 'likeness' | 'place'
}

/** Gives faces their ids and keeps their crops; one that stands for a face of another version already stays as it is. */
export async function keepPortraits(
  { store }: Pick<DetectTools, 'store'>,
  familyId: string,
  mediaId: string,
  observed: readonly ObservedFace[],
  { earlier, removed, by }: KnownFaces,
): Promise<StoredFace[]> {
  const never = removed.map(({ faceId }) => faceId)
  const places = observed.map(one => toStored(one, '', mediaId, ''))
  const ids =
    by === 'place' ? assignIdsByPlace(mediaId, places, earlier, never) : assignIds(mediaId, places, earlier, never)
  const kept = new Set(by === 'place' ? earlier.map(({ id }) => id) : [])
  return Promise.all(
    places.map(async (place, index) => {
      const id = ids[index] as string
      const cropKey = cropsOf(familyId, mediaId) + id
      const { portrait } = observed[index] as ObservedFace
      if (!kept.has(id)) await store.put(cropKey, portrait, { contentType: 'image/webp' })
      return { ...place, id, cropKey }
    }),
  )
}

/** Replaces an item's faces and says so. Consent or the item may have gone since the work began: then only the crops are marked. */
async function storeFaces(
  tx: FamilyTx,
  consent: ConsentWord,
  item: { mediaId: string; version: number; failureCode?: string },
  faces: readonly StoredFace[],
  pipeline: number,
): Promise<void> {
  const { mediaId, version } = item
  const isAllowed = await noteConsent(tx, consent, pipeline)
  if (!isAllowed || (await isGone(tx, GROUP, 'media', mediaId))) return void (await markCrops(tx, [mediaId]))
  if ((await holdingVersion(tx)) !== pipeline) throw errors.familyMoved()
  const known = await readItem(tx, mediaId)
  if (known && known.version > version) return
  const kept: StoredFace[] = []
  for (const face of [...faces].sort((a, b) => a.id.localeCompare(b.id)))
    if (!(await wasErased(tx, face.id))) kept.push(face)
  const hadFaces = await tx.maybe(sql`
    select 1 from face.faces where family_id = ${tx.familyId} and media_id = ${mediaId} limit 1`)
  await replaceFaces(tx, item, kept, pipeline)
  if (hadFaces || kept.length < faces.length) await markStaleCrops(tx, mediaId, await idsOfItem(tx, mediaId))
  await publish(tx, FacesDetected, { mediaId, version, faces: kept.length })
}

/** The code that an item fails with; undefined where trying again may help. */
export function failureOf(error: unknown, attempt: number): string | undefined {
  if (!KeepsakeError.is(error)) return attempt >= LAST_ATTEMPT ? GAVE_UP : undefined
  if (isMediaFailure(error) && !error.retryable) return error.reason
  if (error.reason === 'FACE_NO_PICTURE') return error.reason
  return attempt >= (error.retryable ? LAST_TRY : LAST_ATTEMPT) ? GAVE_UP : undefined
}

function toStored(
  { face, width, height, at, ranges }: ObservedFace,
  id: string,
  mediaId: string,
  cropKey: string,
): StoredFace {
  const { box, landmarks, pose, ...rest } = face
  const part = (value: number, whole: number) => Math.min(1, Math.max(0, value / whole))
  const x = part(box.x0, width)
  const y = part(box.y0, height)
  return {
    ...rest,
    ...pose,
    id,
    mediaId,
    box: { x, y, w: part(box.x1, width) - x, h: part(box.y1, height) - y },
    landmarks: landmarks.map(point => ({ x: point.x / width, y: point.y / height })),
    ranges,
    cropKey,
    ...(at === undefined ? {} : { at }),
  }
}
