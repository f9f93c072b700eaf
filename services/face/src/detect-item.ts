import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { FacesDetected, isGone, LAST_TRY, publish, type EventContext, type MediaIngested } from '@keepsake/events'
import { isMediaFailure, type ObjectStore } from '@keepsake/media'
import type { Media } from '@keepsake/proto/ingest/v1'
import { KeepsakeError } from '@keepsake/rpc'
import { noteConsent, type ConsentWord } from './consent.js'
import { removedOf, wasErased, withoutRemoved, type RemovedFace } from './erase-faces.js'
import { cropsOf, hasCrops, markCrops, markStaleCrops } from './erase.js'
import { GAVE_UP } from './errors.js'
import { assignIds } from './face-ids.js'
import { detectSeconds, facesFound } from './metrics.js'
import { observe, type ObservedFace, type ObserveTools } from './observe.js'
import { PIPELINE, readFaces, readItem, replaceFaces, type StoredFace } from './store.js'

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
}

/** A change to be committed together with the note that the event was taken in. */
export type Effect = (tx: FamilyTx) => Promise<void>

/**
 * From this attempt on an error that nobody can name ends in a failed item too: an import must come to an end. One that passes by itself (a store or a peer that is away) gets
 * every try that the event log has.
 */
const LAST_ATTEMPT = 4
/** Models get this long for one item, ms. */
const WORK_MS = 540_000
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
  const { known, gone } = await db.family(familyId, async tx => ({
    known: await readItem(tx, mediaId),
    gone: await isGone(tx, GROUP, 'media', mediaId),
  }))
  if (!consent?.given || gone) {
    // An earlier attempt may have left crops before it was cut off.
    if (!(await hasCrops(tools.store, familyId, mediaId))) return undefined
    return async tx => void (await markCrops(tx, [mediaId]))
  }
  if (known && known.pipeline >= PIPELINE && known.version >= event.version) return undefined
  const media = await peers.media(familyId, mediaId, signal)
  if (media?.state !== 'ready') return undefined
  const version = Math.max(event.version, media.version)
  let faces: StoredFace[]
  const began = performance.now()
  const ended = (outcome: 'ready' | 'failed') => {
    const kind = media.kind === 'video' ? 'video' : 'photo'
    detectSeconds.record((performance.now() - began) / 1000, { kind, outcome })
  }
  try {
    const seen = await observe(familyId, media, tools, { lane: 'backfill', deadline: Date.now() + WORK_MS, signal })
    const removed = await db.family(familyId, tx => removedOf(tx, mediaId))
    const observed = withoutRemoved(seen, removed, media.rotation)
    faces = await keepPortraits(tools, familyId, mediaId, observed, removed)
    ended('ready')
    facesFound.add(faces.length, {})
  } catch (error) {
    const failureCode = failureOf(error, context.attempt)
    if (failureCode === undefined || signal.aborted) throw error
    ended('failed')
    return tx => storeFaces(tx, consent, { mediaId, version, failureCode }, [])
  }
  return tx => storeFaces(tx, consent, { mediaId, version }, faces)
}

async function keepPortraits(
  { db, store }: DetectTools,
  familyId: string,
  mediaId: string,
  observed: readonly ObservedFace[],
  removed: readonly RemovedFace[],
): Promise<StoredFace[]> {
  const earlier = await db.family(familyId, tx => readFaces(tx, [mediaId]))
  const ids = assignIds(
    mediaId,
    observed.map(({ face }) => face),
    earlier,
    removed.map(({ faceId }) => faceId),
  )
  return Promise.all(
    observed.map(async (one, index) => {
      const id = ids[index] as string
      const cropKey = cropsOf(familyId, mediaId) + id
      await store.put(cropKey, one.portrait, { contentType: 'image/webp' })
      return toStored(one, id, mediaId, cropKey)
    }),
  )
}

/** Replaces an item's faces and says so. Consent or the item may have gone since the work began: then only the crops are marked. */
async function storeFaces(
  tx: FamilyTx,
  consent: ConsentWord,
  item: { mediaId: string; version: number; failureCode?: string },
  faces: readonly StoredFace[],
): Promise<void> {
  const { mediaId, version } = item
  const isAllowed = await noteConsent(tx, consent)
  if (!isAllowed || (await isGone(tx, GROUP, 'media', mediaId))) return void (await markCrops(tx, [mediaId]))
  const known = await readItem(tx, mediaId)
  if (known && known.version > version) return
  const kept: StoredFace[] = []
  for (const face of [...faces].sort((a, b) => a.id.localeCompare(b.id)))
    if (!(await wasErased(tx, face.id))) kept.push(face)
  const hadFaces = await tx.maybe(sql`
    select 1 from face.faces where family_id = ${tx.familyId} and media_id = ${mediaId} limit 1`)
  await replaceFaces(tx, item, kept)
  if (hadFaces || kept.length < faces.length)
    await markStaleCrops(
      tx,
      mediaId,
      kept.map(face => face.id),
    )
  await publish(tx, FacesDetected, { mediaId, version, faces: kept.length })
}

/** The code that an item fails with; undefined where trying again may help. */
function failureOf(error: unknown, attempt: number): string | undefined {
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
