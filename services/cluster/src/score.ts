import type { AgeGroupMeans } from './age-groups.js'
import { DIMENSIONS } from './age-groups.js'
import type { Face } from './face.js'

/** A cosine becomes a score: (cosine - zero) / unit. At 0 about one pair of strangers in a hundred is accepted. */
export interface Calibration {
  zero: number
  unit: number
}

/** One calibration per kind of pair, so that scores of all kinds compare with 0. */
export interface Calibrations {
  adults: Calibration
  children: Calibration
  mixed: Calibration
}

/**
 * With means: adults by their raw cosine, pairs with a child by the cosine after the group's mean is taken away. Measured on 187 faces of
 * adults and 182 of children and the same people grown up: accepted at 1 % false accepts 0.815 -> 0.889 (design notes, models, section 4).
 */
export const CENTRED: Calibrations = {
  adults: { zero: 0.912, unit: 0.05 },
  children: { zero: 0.4, unit: 0.25 },
  mixed: { zero: 0.4, unit: 0.25 },
}

/** Without means: raw cosines with the stricter thresholds measured for pairs with a child (0.940, 0.911 at 1 % false accepts). */
export const RAW: Calibrations = {
  adults: { zero: 0.912, unit: 0.05 },
  children: { zero: 0.942, unit: 0.05 },
  mixed: { zero: 0.92, unit: 0.05 },
}

/** A face predicted younger than this is a child where no means file says otherwise, years. */
export const CHILD_BELOW_YEARS = 20

/** Weight of a face in averages: a poor face moves a person's place less. Never 0, so that every cluster has a place. */
export const weightOf = (quality: number): number =>
  0.2 + 0.8 * Math.min(1, Math.max(0, Number.isFinite(quality) ? quality : 0))

/**
 * Faces in canonical order with what comparing needs, as flat arrays: `raw` the embeddings, `own` the embedding in the space in which a
 * pair with a child is compared (centred where there are means).
 */
export interface FaceTable {
  size: number
  faces: readonly Face[]
  /** Index by face id. */
  index: ReadonlyMap<string, number>
  raw: Float32Array
  own: Float32Array
  /** 1 where the face is predicted to be a child. */
  child: Uint8Array
  weight: Float64Array
  calibrations: Calibrations
}

/**
 * Canonical order: by content, then by id. It makes every later step, down to the rounding of sums, a function of what the faces are and
 * not of when they came or which id they were given.
 */
export function canonicalOrder(a: Face, b: Face): number {
  for (let k = 0; k < DIMENSIONS; k++) {
    const d = a.embedding[k]! - b.embedding[k]!
    if (d !== 0) return d
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

/** Lays faces out for comparing. Embeddings are normalised again: a stored float is not exactly of length 1. */
export function faceTable(faces: readonly Face[], means?: AgeGroupMeans): FaceTable {
  const ordered = [...faces].sort(canonicalOrder)
  const n = ordered.length
  const raw = new Float32Array(n * DIMENSIONS)
  const own = new Float32Array(n * DIMENSIONS)
  const child = new Uint8Array(n)
  const weight = new Float64Array(n)
  const index = new Map<string, number>()
  const unit = new Float64Array(DIMENSIONS)
  const below = means?.childBelowYears ?? CHILD_BELOW_YEARS
  ordered.forEach((face, i) => {
    index.set(face.id, i)
    child[i] = face.age < below ? 1 : 0
    weight[i] = weightOf(face.quality)
    normalise(face.embedding, undefined, unit)
    raw.set(unit, i * DIMENSIONS)
    if (means) normalise(unit, child[i] ? means.child : means.adult, unit)
    own.set(unit, i * DIMENSIONS)
  })
  return { size: n, faces: ordered, index, raw, own, child, weight, calibrations: means ? CENTRED : RAW }
}

function normalise(from: ArrayLike<number>, mean: Float64Array | undefined, into: Float64Array): void {
  let length = 0
  for (let k = 0; k < DIMENSIONS; k++) {
    const v = from[k]! - (mean ? mean[k]! : 0)
    into[k] = v
    length += v * v
  }
  const scale = length > 0 ? 1 / Math.sqrt(length) : 0
  for (let k = 0; k < DIMENSIONS; k++) into[k] = into[k]! * scale
}

/** Score of two faces of a table, the same whichever comes first. */
export function pairScore(table: FaceTable, i: number, j: number): number {
  const { child, raw, own, calibrations } = table
  const young = child[i]! + child[j]!
  const of = young === 0 ? raw : own
  const c = young === 0 ? calibrations.adults : young === 2 ? calibrations.children : calibrations.mixed
  return (dot(of, i * DIMENSIONS, of, j * DIMENSIONS) - c.zero) / c.unit
}

/** Inner product of two embeddings in flat arrays, added up in a fixed order. */
export function dot(a: ArrayLike<number>, ao: number, b: ArrayLike<number>, bo: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let k = 0; k < DIMENSIONS; k += 4) {
    s0 += a[ao + k]! * b[bo + k]!
    s1 += a[ao + k + 1]! * b[bo + k + 1]!
    s2 += a[ao + k + 2]! * b[bo + k + 2]!
    s3 += a[ao + k + 3]! * b[bo + k + 3]!
  }
  return s0 + s1 + (s2 + s3)
}

/** Score -> probability that both are one person: 0.5 at the threshold, 0.88 half a unit above. */
export const confidenceOf = (score: number): number => 1 / (1 + Math.exp(-4 * score))
