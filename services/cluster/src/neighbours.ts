import { DIMENSIONS } from './age-groups.js'
import { DotKernel, TILE } from './dot-kernel.js'
import type { FaceTable } from './score.js'
import { pairScore } from './score.js'

/**
 * For each face its best matches, best first. Only pairs at or above `floor` count: an average can only reach the threshold where some
 * pair does.
 */
export interface Neighbours {
  width: number
  floor: number
  /** size x width, -1 where there are fewer. */
  index: Int32Array
  score: Float64Array
}

/** Matches kept per face. More than a burst holds; what lies further is found again between whole clusters. */
export const WIDTH = 16

/**
 * The best matches of every face. With `earlier`, only pairs with a new face (or lists that lost a face) are compared again; the answer
 * is exactly the one from nothing.
 */
export function findNeighbours(
  table: FaceTable,
  options: { width?: number; floor?: number; earlier?: { table: FaceTable; neighbours: Neighbours } } = {},
): Neighbours {
  const { width = WIDTH, floor = 0, earlier } = options
  const n = table.size
  const lists: Neighbours = {
    width,
    floor,
    index: new Int32Array(n * width).fill(-1),
    score: new Float64Array(n * width),
  }
  const state = new Uint8Array(n).fill(NEW)
  if (earlier && earlier.neighbours.width === width && earlier.neighbours.floor === floor)
    carryOver(table, lists, earlier, state)
  compare(table, lists, state)
  return lists
}

/** A face not seen before; one whose list lost a match and is looked for again; one whose list is taken over. */
const NEW = 2
const AGAIN = 1
const KEPT = 0

/** Takes over the lists of faces that are unchanged and lost no match, and says so in `state`. */
function carryOver(
  table: FaceTable,
  lists: Neighbours,
  earlier: { table: FaceTable; neighbours: Neighbours },
  state: Uint8Array,
): void {
  const { width } = lists
  const before = earlier.table
  const now = new Int32Array(before.size).fill(-1)
  before.faces.forEach((face, i) => {
    const j = table.index.get(face.id)
    if (j !== undefined && same(before, i, table, j)) now[i] = j
  })
  for (let i = 0; i < before.size; i++) {
    const j = now[i]!
    if (j < 0) continue
    let whole = true
    for (let k = 0; k < width && whole; k++) {
      const m = earlier.neighbours.index[i * width + k]!
      if (m < 0) break
      whole = now[m]! >= 0
    }
    state[j] = whole ? KEPT : AGAIN
    if (!whole) continue
    for (let k = 0; k < width; k++) {
      const m = earlier.neighbours.index[i * width + k]!
      if (m < 0) break
      lists.index[j * width + k] = now[m]!
      lists.score[j * width + k] = earlier.neighbours.score[i * width + k]!
    }
  }
}

function same(a: FaceTable, i: number, b: FaceTable, j: number): boolean {
  if (a.child[i] !== b.child[j] || a.calibrations !== b.calibrations) return false
  for (let k = 0; k < DIMENSIONS; k++) {
    if (
      a.raw[i * DIMENSIONS + k] !== b.raw[j * DIMENSIONS + k] ||
      a.own[i * DIMENSIONS + k] !== b.own[j * DIMENSIONS + k]
    )
      return false
  }
  return true
}

/** Compares every pair with a face that is not kept once, and offers the score to those lists that do not know of it. */
function compare(table: FaceTable, lists: Neighbours, state: Uint8Array): void {
  const n = table.size
  const { child, raw, own, calibrations } = table
  const { floor } = lists
  const open: number[] = []
  for (let i = 0; i < n; i++) if (state[i] !== KEPT) open.push(i)
  if (open.length === 0) return
  const grown = new DotKernel()
  const young = new DotKernel()
  for (let from = 0; from < n; from += TILE) {
    const to = Math.min(n, from + TILE)
    grown.columns.set(raw.subarray(from * DIMENSIONS, to * DIMENSIONS))
    young.columns.set(own.subarray(from * DIMENSIONS, to * DIMENSIONS))
    const kept = state.subarray(from, to).includes(KEPT)
    const children = child.subarray(from, to).includes(1)
    for (const i of open) {
      // A pair of two open faces is compared once, from the later one.
      if (i <= from && !kept) continue
      const count = (kept ? to : Math.min(to, i)) - from
      if (!child[i]) {
        grown.row.set(raw.subarray(i * DIMENSIONS, (i + 1) * DIMENSIONS))
        grown.run(count)
      }
      if (child[i] || children) {
        young.row.set(own.subarray(i * DIMENSIONS, (i + 1) * DIMENSIONS))
        young.run(count)
      }
      for (let k = 0; k < count; k++) {
        const j = from + k
        const both = child[i]! + child[j]!
        const c = both === 0 ? calibrations.adults : both === 2 ? calibrations.children : calibrations.mixed
        const score = ((both === 0 ? grown : young).out[k]! - c.zero) / c.unit
        if (score < floor) continue
        const other = state[j]!
        if (j === i || (other !== KEPT && j > i)) continue
        offer(lists, i, j, score)
        // A kept list has already judged a face that was there before.
        if (other !== KEPT || state[i] === NEW) offer(lists, j, i, score)
      }
    }
  }
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

/** Every pair in the lists once, smaller index first. */
export function* edges(table: FaceTable, lists: Neighbours): Generator<[number, number, number]> {
  const { width, index, score } = lists
  const has = (i: number, j: number): boolean => {
    for (let k = 0; k < width; k++) if (index[i * width + k] === j) return true
    return false
  }
  for (let i = 0; i < table.size; i++) {
    for (let k = 0; k < width; k++) {
      const j = index[i * width + k]!
      if (j < 0) break
      if (i < j || !has(j, i)) yield [Math.min(i, j), Math.max(i, j), score[i * width + k]!]
    }
  }
}

/** All pairs of the given faces at or above the floor, by definition; for checking the fast search in tests. */
export function pairsByDefinition(table: FaceTable, floor: number): [number, number, number][] {
  const found: [number, number, number][] = []
  for (let i = 0; i < table.size; i++)
    for (let j = 0; j < i; j++) {
      const score = pairScore(table, i, j)
      if (score >= floor) found.push([j, i, score])
    }
  return found
}
