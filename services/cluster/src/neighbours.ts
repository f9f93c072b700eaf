import { DIMENSIONS } from './age-groups.js'
import type { DotKernel } from './dot-kernel.js'
import { TILE } from './dot-kernel.js'
import type { FaceTable } from './face-table.js'
import { pairScore } from './score.js'

/**
 * For each of some faces its best matches among them, best first, by place in the list of faces. Only pairs at or above `floor` count: an
 * average can only reach the threshold where some pair does.
 */
export interface Neighbours {
  width: number
  /** count x width, -1 where there are fewer. */
  index: Int32Array
  score: Float64Array
}

/** Matches kept per face. More than a burst holds; what lies further is found again between whole clusters. */
export const WIDTH = 16

/**
 * The best matches of the faces in these slots, found exactly. The order of slots breaks ties: give them in canonical order.
 * @param kernels two of them: one for each space in which pairs are compared.
 */
export function findNeighbours(
  table: FaceTable,
  slots: readonly number[],
  kernels: readonly [DotKernel, DotKernel],
  options: { width?: number; floor?: number } = {},
): Neighbours {
  const { width = WIDTH, floor = 0 } = options
  const n = slots.length
  const lists: Neighbours = { width, index: new Int32Array(n * width).fill(-1), score: new Float64Array(n * width) }
  const { child, raw, own, calibrations } = table
  const [grown, young] = kernels
  for (let from = 0; from < n; from += TILE) {
    const to = Math.min(n, from + TILE)
    let children = false
    for (let k = from; k < to; k++) {
      const at = slots[k]! * DIMENSIONS
      grown.columns.set(raw.subarray(at, at + DIMENSIONS), (k - from) * DIMENSIONS)
      young.columns.set(own.subarray(at, at + DIMENSIONS), (k - from) * DIMENSIONS)
      children ||= child[slots[k]!] === 1
    }
    // A pair is compared once, from the later one.
    for (let i = from + 1; i < n; i++) {
      const slot = slots[i]!
      const at = slot * DIMENSIONS
      const count = Math.min(to, i) - from
      if (!child[slot]) {
        grown.row.set(raw.subarray(at, at + DIMENSIONS))
        grown.run(count)
      }
      if (child[slot] || children) {
        young.row.set(own.subarray(at, at + DIMENSIONS))
        young.run(count)
      }
      for (let k = 0; k < count; k++) {
        const both = child[slot]! + child[slots[from + k]!]!
        const c = both === 0 ? calibrations.adults : both === 2 ? calibrations.children : calibrations.mixed
        const score = ((both === 0 ? grown : young).out[k]! - c.zero) / c.unit
        if (score < floor) continue
        offer(lists, i, from + k, score)
        offer(lists, from + k, i, score)
      }
    }
  }
  return lists
}

/** Puts a match into a list that is kept in order: higher score first, then the earlier face. */
function offer(lists: Neighbours, i: number, j: number, score: number): void {
  const { width, index, score: scores } = lists
  const base = i * width
  let at = width - 1
  if (index[base + at]! >= 0 && !before(score, j, scores[base + at]!, index[base + at]!)) return
  while (at > 0 && (index[base + at - 1]! < 0 || before(score, j, scores[base + at - 1]!, index[base + at - 1]!))) {
    index[base + at] = index[base + at - 1]!
    scores[base + at] = scores[base + at - 1]!
    at--
  }
  index[base + at] = j
  scores[base + at] = score
}

const before = (s: number, j: number, t: number, k: number): boolean => s > t || (s === t && j < k)

/** Every pair in the lists once, smaller place first. */
export function* edges(lists: Neighbours): Generator<[number, number, number]> {
  const { width, index, score } = lists
  const has = (i: number, j: number): boolean => {
    for (let k = 0; k < width; k++) if (index[i * width + k] === j) return true
    return false
  }
  for (let i = 0; i * width < index.length; i++) {
    for (let k = 0; k < width; k++) {
      const j = index[i * width + k]!
      if (j < 0) break
      if (i < j || !has(j, i)) yield [Math.min(i, j), Math.max(i, j), score[i * width + k]!]
    }
  }
}

/** All pairs of the faces in these slots at or above the floor, by definition; for checking the fast search in tests. */
export function pairsByDefinition(
  table: FaceTable,
  slots: readonly number[],
  floor: number,
): [number, number, number][] {
  const found: [number, number, number][] = []
  for (let i = 0; i < slots.length; i++)
    for (let j = 0; j < i; j++) {
      const score = pairScore(table, slots[i]!, slots[j]!)
      if (score >= floor) found.push([j, i, score])
    }
  return found
}
