import { sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { Expression } from './attributes.js'
import { fromBytes, toBytes } from './embedding.js'
import type { TimeRange } from './tracks.js'

/** The newest version of the pipeline. Raise it where vectors of the old and the new one cannot be compared, and go on shipping the old one (`pipelines.ts`). */
export const PIPELINE = 1

/** A face as it is stored: places in parts of the upright picture, 0 to 1. */
export interface StoredFace {
  id: string
  mediaId: string
  box: { x: number; y: number; w: number; h: number }
  /** Left eye, right eye, nose, left and right corner of the mouth. */
  landmarks: { x: number; y: number }[]
  score: number
  quality: number
  sharpness: number
  age: number
  ageSpread: number
  smile: number
  expression: Expression
  eyesOpen: number
  yaw: number
  pitch: number
  roll: number
  embedding: Float32Array
  /** Tracks of videos: the moment of the box, and where the face is seen, in seconds. */
  at?: number
  ranges: TimeRange[]
  cropKey: string
}

/** An item that was looked at. */
export interface LookedAt {
  mediaId: string
  version: number
  pipeline: number
  state: 'done' | 'failed'
  failureCode: string | null
}

interface FaceRow extends Omit<StoredFace, 'box' | 'landmarks' | 'ranges' | 'at' | 'embedding'> {
  box: number[]
  landmarks: number[]
  ranges: number[]
  seenAt: number | null
  embedding: Buffer
}

/** The version of the pipeline that holds for the family. */
export const holding = (tx: FamilyTx): Sql => sql`(select pipeline from face.families where family_id = ${tx.familyId})`

/** What was written about an item, if it was looked at by the version that holds. */
export function readItem(tx: FamilyTx, mediaId: string): Promise<LookedAt | undefined> {
  return tx.maybe<LookedAt>(sql`
    select media_id, version, pipeline, state, failure_code from face.items
    where family_id = ${tx.familyId} and media_id = ${mediaId} and pipeline = ${holding(tx)}`)
}

/** Items by id, or those that hold the given faces, in the order of their ids. */
export function readItems(tx: FamilyTx, mediaIds: readonly string[], faceIds: readonly string[]): Promise<LookedAt[]> {
  return tx.many<LookedAt>(sql`
    select media_id, version, pipeline, state, failure_code from face.items i
    where family_id = ${tx.familyId} and pipeline = ${holding(tx)} and (media_id = any(${mediaIds}::uuid[]) or exists (
      select 1 from face.faces f where f.family_id = i.family_id and f.media_id = i.media_id and f.pipeline = i.pipeline
        and f.id = any(${faceIds}::uuid[])))
    order by media_id`)
}

/** Every face of items, or single faces; larger ones of an item first. */
export async function readFaces(
  tx: FamilyTx,
  mediaIds: readonly string[],
  faceIds: readonly string[] = [],
): Promise<StoredFace[]> {
  const rows = await tx.many<FaceRow>(sql`
    select id, media_id, box, landmarks, score, quality, sharpness, age, age_spread, smile, expression, eyes_open, yaw, pitch, roll,
      embedding, seen_at, ranges, crop_key
    from face.faces
    where family_id = ${tx.familyId} and pipeline = ${holding(tx)}
      and (media_id = any(${mediaIds}::uuid[]) or id = any(${faceIds}::uuid[]))
    order by media_id, box[3] * box[4] desc, id`)
  return rows.map(toFace)
}

/** Every face of an item, by any version. */
export async function idsOfItem(tx: FamilyTx, mediaId: string): Promise<string[]> {
  const rows = await tx.many<{ id: string }>(sql`
    select distinct id from face.faces where family_id = ${tx.familyId} and media_id = ${mediaId}`)
  return rows.map(row => row.id)
}

/** Replaces what one version stored about an item: its row and all its faces. */
export async function replaceFaces(
  tx: FamilyTx,
  item: { mediaId: string; version: number; failureCode?: string },
  faces: readonly StoredFace[],
  pipeline: number,
): Promise<void> {
  const { mediaId, version, failureCode } = item
  const state = failureCode === undefined ? 'done' : 'failed'
  await tx.changed(
    sql`delete from face.faces where family_id = ${tx.familyId} and media_id = ${mediaId} and pipeline = ${pipeline}`,
  )
  await tx.changed(sql`
    insert into face.items (family_id, media_id, version, pipeline, state, failure_code)
    values (${tx.familyId}, ${mediaId}, ${version}, ${pipeline}, ${state}, ${failureCode})
    on conflict (family_id, media_id, pipeline) do update set version = excluded.version, state = excluded.state, failure_code = excluded.failure_code, at = now()`)
  for (const face of faces) await insertFace(tx, face, pipeline)
}

function insertFace(tx: FamilyTx, face: StoredFace, pipeline: number): Promise<number> {
  const { x, y, w, h } = face.box
  const landmarks = face.landmarks.flatMap(point => [point.x, point.y])
  const ranges = face.ranges.flatMap(range => [range.start, range.end])
  return tx.changed(sql`
    insert into face.faces (family_id, id, media_id, box, landmarks, score, quality, sharpness, age, age_spread, smile,
      expression, eyes_open, yaw, pitch, roll, embedding, seen_at, ranges, crop_key, pipeline)
    values (${tx.familyId}, ${face.id}, ${face.mediaId}, ${[x, y, w, h]}, ${landmarks}, ${face.score}, ${face.quality},
      ${face.sharpness}, ${face.age}, ${face.ageSpread}, ${face.smile}, ${face.expression}, ${face.eyesOpen}, ${face.yaw},
      ${face.pitch}, ${face.roll}, ${toBytes(face.embedding)}, ${face.at}, ${ranges}, ${face.cropKey}, ${pipeline})`)
}

function toFace({ box, landmarks, ranges, seenAt, embedding, ...rest }: FaceRow): StoredFace {
  const [x = 0, y = 0, w = 0, h = 0] = box
  const pairs = (values: number[]) =>
    Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i] as number, values[2 * i + 1] as number] as const)
  return {
    ...rest,
    box: { x, y, w, h },
    landmarks: pairs(landmarks).map(([px, py]) => ({ x: px, y: py })),
    ranges: pairs(ranges).map(([start, end]) => ({ start, end })),
    embedding: fromBytes(embedding),
    ...(seenAt === null ? {} : { at: seenAt }),
  }
}
