import { sql, type Db, type FamilyTx } from '@keepsake/db'
import {
  bury,
  FacesDetected,
  isGone,
  publish,
  startErasure,
  type ErasureStarted,
  type EventContext,
} from '@keepsake/events'
import { requireParent, type Call } from '@keepsake/rpc'
import { GROUP, type Effect, type Peers } from './detect-item.js'
import { markStaleCrops } from './erase.js'
import { noteErasure } from './erasures.js'
import { errors } from './errors.js'
import type { FaceTools } from './events.js'
import type { ObservedFace } from './observe.js'
import { holding, idsOfItem, readItem } from './store.js'
import type { TimeRange } from './tracks.js'

/** Two boxes that share so much of what they cover are one place. */
const SAME_PLACE = 0.5

type Box = readonly [x: number, y: number, w: number, h: number]

/**
 * Erases faces of the caller's family for good: rows, embeddings and crops here and with everyone who keeps copies. The places are kept, so that
 * looking at the item again finds them not. Answers the receipt's id. Throws FACE_NOT_FOUND.
 */
export async function eraseFaces(db: Db, peers: Peers, call: Call, faceIds: readonly string[]): Promise<string> {
  const { memberId, familyId } = requireParent(call)
  const ids = [...new Set(faceIds)]
  if (ids.length === 0 || !ids.every(id => /^[0-9a-f-]{36}$/i.test(id))) throw errors.faceNotFound()
  const found = await db.family(call, tx => facesOf(tx, ids))
  if (found.length !== ids.length) throw errors.faceNotFound()
  const turned = await rotationsOf(peers, familyId, found, call.signal)
  return db.family(call, async tx => {
    const mediaIds = [...turned.keys()].sort()
    const erasureId = await startErasure(tx, { kind: 'face', ids, mediaIds, byMemberId: memberId })
    await noteErasure(tx, erasureId, 'face', mediaIds, await dropKeepingPlaces(tx, ids, mediaIds, turned))
    return erasureId
  })
}

/**
 * Cluster began an erasure: faces of people who are none of the family's. They go here too, and their places stay. What this service began itself is
 * gone already, and reported.
 */
export async function onErasureStarted(
  tools: Pick<FaceTools, 'db' | 'peers' | 'sweep'>,
  { erasureId, kind, ids }: ErasureStarted,
  context: EventContext,
): Promise<Effect | undefined> {
  return kind === 'face' ? eraseKeepingPlaces(tools, { erasureId, ids, mediaIds: [] }, context) : undefined
}

/**
 * Erases what is left of these faces, keeping their places, and reports it. `mediaIds` are items to be swept whatever is left on them; an item that was erased
 * meanwhile must not leave the receipt open.
 */
export async function eraseKeepingPlaces(
  { db, peers, sweep }: Pick<FaceTools, 'db' | 'peers' | 'sweep'>,
  { erasureId, ids, mediaIds }: Pick<ErasureStarted, 'erasureId' | 'ids' | 'mediaIds'>,
  { familyId, signal }: Pick<EventContext, 'familyId' | 'signal'>,
): Promise<Effect> {
  const found = await db.family(familyId, tx => facesOf(tx, ids))
  const turned = await rotationsOf(peers, familyId, found, signal)
  return async tx => {
    const items = [...new Set([...mediaIds, ...turned.keys()])].sort()
    const rows = await dropKeepingPlaces(tx, ids, items, turned)
    await noteErasure(tx, erasureId, 'face', items, rows)
    sweep()
  }
}

/** How the pictures with these faces are turned now, degrees clockwise, by item. */
async function rotationsOf(
  peers: Peers,
  familyId: string,
  faces: readonly { mediaId: string }[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const turned = new Map<string, number>()
  for (const { mediaId } of faces)
    if (!turned.has(mediaId)) turned.set(mediaId, (await peers.media(familyId, mediaId, signal))?.rotation ?? 0)
  return turned
}

/** Removes faces and keeps where they were, so that they are not found there again. Says how many rows went. */
async function dropKeepingPlaces(
  tx: FamilyTx,
  ids: readonly string[],
  mediaIds: readonly string[],
  turned: ReadonlyMap<string, number>,
): Promise<number> {
  // First: from here on nobody stores one of them again.
  await bury(tx, GROUP, 'face', ids)
  for (const face of await facesOf(tx, ids))
    await tx.changed(sql`
      insert into face.removed (family_id, face_id, media_id, box, rotation, ranges)
      values (${tx.familyId}, ${face.id}, ${face.mediaId}, ${face.box}, ${turned.get(face.mediaId) ?? 0}, ${face.ranges})
      on conflict do nothing`)
  return dropFaces(tx, ids, mediaIds)
}

/** Removes the rows of faces, marks their crops and says of their items what is left. Safe to repeat. */
async function dropFaces(tx: FamilyTx, faceIds: readonly string[], mediaIds: readonly string[]): Promise<number> {
  const rows = await tx.changed(sql`
    delete from face.faces where family_id = ${tx.familyId} and id = any(${[...faceIds]}::uuid[])`)
  for (const mediaId of mediaIds) {
    const left = await idsOfItem(tx, mediaId)
    await markStaleCrops(tx, mediaId, left)
    const item = await readItem(tx, mediaId)
    if (item) await publish(tx, FacesDetected, { mediaId, version: item.version, faces: left.length })
  }
  return rows
}

const facesOf = (tx: FamilyTx, ids: readonly string[]) =>
  tx.many<{ id: string; mediaId: string; box: number[]; ranges: number[] }>(sql`
    select distinct on (id) id, media_id, box, ranges from face.faces f
    where family_id = ${tx.familyId} and id = any(${[...ids]}::uuid[]) order by id, (pipeline = ${holding(tx)}) desc`)

/** Where faces of an item were that a parent had erased. */
export interface RemovedFace {
  faceId: string
  box: number[]
  rotation: number
  ranges: number[]
}

/** The erased faces of an item. */
export const removedOf = (tx: FamilyTx, mediaId: string): Promise<RemovedFace[]> =>
  tx.many<RemovedFace>(sql`
    select face_id, box, rotation, ranges from face.removed where family_id = ${tx.familyId} and media_id = ${mediaId}`)

/** Those of the observed faces that nobody had erased; `rotation` is how the picture is turned now, degrees clockwise. */
export function withoutRemoved(
  observed: readonly ObservedFace[],
  removed: readonly RemovedFace[],
  rotation: number,
): ObservedFace[] {
  return observed.filter(
    ({ face, width, height, ranges }) =>
      !removed.some(({ box, rotation: then, ranges: seen }) => {
        const { x0, y0, x1, y1 } = face.box
        const now: Box = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]
        const turned = turn(box as unknown as Box, (rotation - then + 360) % 360)
        return overlap(now, turned) >= SAME_PLACE && meet(ranges, seen)
      }),
  )
}

/** A box of a picture that is turned clockwise by so many degrees. */
export function turn([x, y, w, h]: Box, degrees: number): Box {
  if (degrees === 90) return [1 - y - h, x, h, w]
  if (degrees === 180) return [1 - x - w, 1 - y - h, w, h]
  if (degrees === 270) return [y, 1 - x - w, h, w]
  return [x, y, w, h]
}

function overlap(a: Box, b: Box): number {
  const w = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0])
  const h = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1])
  if (w <= 0 || h <= 0) return 0
  return (w * h) / (a[2] * a[3] + b[2] * b[3] - w * h)
}

/** Whether a track was on screen when the erased one was; stills have no times. */
function meet(ranges: readonly TimeRange[], seen: readonly number[]): boolean {
  if (seen.length === 0 || ranges.length === 0) return true
  for (let i = 0; i < seen.length; i += 2)
    if (ranges.some(({ start, end }) => start <= (seen[i + 1] ?? 0) && end >= (seen[i] ?? 0))) return true
  return false
}

/** Whether a face was erased while it was being found. */
export const wasErased = (tx: FamilyTx, faceId: string): Promise<boolean> => isGone(tx, GROUP, 'face', faceId)
