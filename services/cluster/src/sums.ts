import { DIMENSIONS } from './age-groups.js'
import type { FaceTable } from './face-table.js'
import type { Calibrations } from './score.js'

/**
 * What a set of faces adds up to: the average score of two sets is a few inner products of sums, however many faces they hold. Every
 * addend is a multiple of 2^-30 (faces) or 2^-16 (weights), so that up to four million faces add up without rounding: sums are a
 * function of the set, not of the order in which it came together.
 */
export interface Sums {
  count: number
  /** Sum of the weights of adults, and of children. */
  adults: number
  children: number
  /** Weighted sums of adults' embeddings as they are, of adults' and of children's centred ones; absent where there are none. */
  raw: Float64Array | undefined
  own: Float64Array | undefined
  young: Float64Array | undefined
}

/** Adding and taking away this rounds to a multiple of 2^-30. */
const ROUND = 1.5 * 2 ** 22

/** A weighted component as it enters a sum. */
export const share = (weight: number, value: number): number => weight * value + ROUND - ROUND

/** Sums of the faces in these slots. */
export function sumsOf(table: FaceTable, slots: readonly number[]): Sums {
  const sums: Sums = { count: slots.length, adults: 0, children: 0, raw: undefined, own: undefined, young: undefined }
  for (const i of slots) {
    const w = table.weight[i]!
    const from = i * DIMENSIONS
    if (table.child[i]) {
      const young = (sums.young ??= new Float64Array(DIMENSIONS))
      for (let k = 0; k < DIMENSIONS; k++) young[k]! += share(w, table.own[from + k]!)
      sums.children += w
    } else {
      const raw = (sums.raw ??= new Float64Array(DIMENSIONS))
      const own = (sums.own ??= new Float64Array(DIMENSIONS))
      for (let k = 0; k < DIMENSIONS; k++) {
        raw[k]! += share(w, table.raw[from + k]!)
        own[k]! += share(w, table.own[from + k]!)
      }
      sums.adults += w
    }
  }
  return sums
}

/** Sums of two sets that have no face in common. */
export function added(a: Sums, b: Sums): Sums {
  return {
    count: a.count + b.count,
    adults: a.adults + b.adults,
    children: a.children + b.children,
    raw: plus(a.raw, b.raw),
    own: plus(a.own, b.own),
    young: plus(a.young, b.young),
  }
}

function plus(a: Float64Array | undefined, b: Float64Array | undefined): Float64Array | undefined {
  if (!a || !b) return a ?? b
  const sum = new Float64Array(DIMENSIONS)
  for (let k = 0; k < DIMENSIONS; k++) sum[k] = a[k]! + b[k]!
  return sum
}

/** Weighted average of the scores of all pairs between two sets, the same whichever comes first. */
export function averageScore(a: Sums, b: Sums, { adults, children, mixed }: Calibrations): number {
  const wa = a.adults
  const wb = b.adults
  const ca = a.children
  const cb = b.children
  let sum = 0
  if (wa > 0 && wb > 0) sum += (product(a.raw!, b.raw!) - adults.zero * wa * wb) / adults.unit
  if (ca > 0 && cb > 0) sum += (product(a.young!, b.young!) - children.zero * ca * cb) / children.unit
  if ((wa > 0 && cb > 0) || (ca > 0 && wb > 0)) {
    const one = wa > 0 && cb > 0 ? product(a.own!, b.young!) - mixed.zero * wa * cb : 0
    const other = ca > 0 && wb > 0 ? product(b.own!, a.young!) - mixed.zero * ca * wb : 0
    sum += (one + other) / mixed.unit
  }
  return sum / ((wa + ca) * (wb + cb))
}

/**
 * Weighted average of the scores of a face with a set.
 * @param inside the face is one of the set: it is compared with the others.
 */
export function faceScore(table: FaceTable, i: number, sums: Sums, inside: boolean): number {
  const { adults, children, mixed } = table.calibrations
  const w = inside ? table.weight[i]! : 0
  const young = table.child[i] === 1
  const wa = sums.adults - (young ? 0 : w)
  const wc = sums.children - (young ? w : 0)
  let sum = 0
  if (young) {
    if (wc > 0)
      sum += (against(sums.young!, table.own, i) - (w > 0 ? table.ownSelf[i]! : 0) - children.zero * wc) / children.unit
    if (wa > 0) sum += (against(sums.own!, table.own, i) - mixed.zero * wa) / mixed.unit
  } else {
    if (wa > 0)
      sum += (against(sums.raw!, table.raw, i) - (w > 0 ? table.rawSelf[i]! : 0) - adults.zero * wa) / adults.unit
    if (wc > 0) sum += (against(sums.young!, table.own, i) - mixed.zero * wc) / mixed.unit
  }
  return wa + wc > 0 ? sum / (wa + wc) : 0
}

function product(p: Float64Array, q: Float64Array): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let k = 0; k < DIMENSIONS; k += 4) {
    s0 += p[k]! * q[k]!
    s1 += p[k + 1]! * q[k + 1]!
    s2 += p[k + 2]! * q[k + 2]!
    s3 += p[k + 3]! * q[k + 3]!
  }
  return s0 + s1 + (s2 + s3)
}

function against(sum: Float64Array, of: Float32Array, i: number): number {
  const from = i * DIMENSIONS
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let k = 0; k < DIMENSIONS; k += 4) {
    s0 += sum[k]! * of[from + k]!
    s1 += sum[k + 1]! * of[from + k + 1]!
    s2 += sum[k + 2]! * of[from + k + 2]!
    s3 += sum[k + 3]! * of[from + k + 3]!
  }
  return s0 + s1 + (s2 + s3)
}
