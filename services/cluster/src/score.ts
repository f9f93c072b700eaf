import { DIMENSIONS } from './age-groups.js'
import type { FaceTable } from './face-table.js'

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
