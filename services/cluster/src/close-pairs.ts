import { DIMENSIONS } from './age-groups.js'
import { DotKernel, TILE } from './dot-kernel.js'
import type { Calibrations } from './score.js'
import type { Sums } from './sums.js'

/**
 * More than single precision can be off: inputs and sums are rounded to 2^-24 of values up to 1 / 0.05, which makes less than 1e-4.
 */
const MARGIN = 1e-3

/** Says quickly which pairs of sets may have an average score from some floor on: in single precision, with its error on the safe side. */
export class ClosePairs {
  readonly kernels = [new DotKernel(), new DotKernel(), new DotKernel()] as const

  constructor(readonly calibrations: Calibrations) {}

  /**
   * Calls `visit` with the places of every pair whose average score reaches the floor, and of few others.
   * @param floors least score of two sets of adults, and of two sets of which one has a child.
   */
  find(
    rows: readonly Sums[],
    columns: readonly Sums[],
    floors: { adults: number; children: number },
    visit: (row: number, column: number) => void,
  ): void {
    const { adults, children, mixed } = this.calibrations
    const [raw, young, own] = this.kernels
    const grown = floors.adults - MARGIN
    const floor = floors.children - MARGIN
    for (let from = 0; from < columns.length; from += TILE) {
      const count = Math.min(TILE, columns.length - from)
      let hasChildren = false
      for (let k = 0; k < count; k++) {
        const sums = columns[from + k]!
        const scale = 1 / (sums.adults + sums.children)
        put(raw.columns, k, sums.raw, scale)
        put(young.columns, k, sums.young, scale)
        put(own.columns, k, sums.own, scale)
        hasChildren ||= sums.children > 0
      }
      for (let r = 0; r < rows.length; r++) {
        const sums = rows[r]!
        const scale = 1 / (sums.adults + sums.children)
        const wa = sums.adults * scale
        const ca = sums.children * scale
        if (wa > 0) {
          put(raw.row, 0, sums.raw, scale / adults.unit)
          raw.run(count)
        }
        if (ca === 0 && !hasChildren) {
          for (let k = 0; k < count; k++) {
            if (raw.out[k]! - adults.zero / adults.unit >= grown) visit(r, from + k)
          }
          continue
        }
        put(young.row, 0, sums.own, scale / mixed.unit)
        if (sums.young) add(young.row, sums.young, scale / children.unit)
        young.run(count)
        if (ca > 0) {
          put(own.row, 0, sums.young, scale / mixed.unit)
          own.run(count)
        }
        for (let k = 0; k < count; k++) {
          const other = columns[from + k]!
          const all = other.adults + other.children
          const wb = other.adults / all
          const cb = other.children / all
          let score = young.out[k]! - (ca * cb * children.zero) / children.unit
          if (wa > 0) score += raw.out[k]! - (wa * wb * adults.zero) / adults.unit
          if (ca > 0) score += own.out[k]!
          score -= ((wa * cb + ca * wb) * mixed.zero) / mixed.unit
          if (score >= (ca === 0 && cb === 0 ? grown : floor)) visit(r, from + k)
        }
      }
    }
  }
}

function put(into: Float32Array, place: number, from: Float64Array | undefined, scale: number): void {
  const at = place * DIMENSIONS
  if (!from) into.fill(0, at, at + DIMENSIONS)
  else for (let k = 0; k < DIMENSIONS; k++) into[at + k] = from[k]! * scale
}

function add(into: Float32Array, from: Float64Array, scale: number): void {
  for (let k = 0; k < DIMENSIONS; k++) into[k]! += from[k]! * scale
}
