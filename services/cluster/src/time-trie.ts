import { DIMENSIONS } from './age-groups.js'
import type { Cluster, Family, Pairs } from './agglomerate.js'
import { byFirst, holds, joinFaces, joinHalves } from './agglomerate.js'
import type { FaceTable } from './face-table.js'

/**
 * Faces in halves of halves of time, with the clusters of each part. Where a part is halved depends on the faces in it alone, never on the
 * order in which they came, and so do its clusters: what changes is one path through the trie, and the rest stays.
 */
export interface Part {
  readonly depth: number
  readonly count: number
  readonly clusters: readonly Cluster[]
  /** See `Joined`. */
  readonly free: boolean
  /** Of a leaf. */
  readonly slots?: readonly number[]
  /** Of what is halved; one half may be empty. */
  readonly halves?: readonly [Part | undefined, Part | undefined]
  readonly pairs?: Pairs
}

/** Bits that tell times apart, in milliseconds; what lies beyond 140,000 years counts as the end. */
const TIME_BITS = 53
const HALF = 2 ** (TIME_BITS - 1)
/** Planes of bits of an embedding's components, by which pictures of one moment, or without a date, are told apart: to a 128th. */
const PLANES = 8

/** Which half a face belongs to at a depth: with or without a date first, then by time, then by content. */
export function halfOf(table: FaceTable, slot: number, depth: number): 0 | 1 {
  const face = table.faces[slot]!
  const dated = face.takenAt !== undefined && Number.isFinite(face.takenAt)
  if (depth === 0) return dated ? 1 : 0
  let at = depth - 1
  if (dated) {
    if (at < TIME_BITS) {
      const time = Math.floor(Math.max(-HALF, Math.min(HALF - 1, face.takenAt!))) + HALF
      return Math.floor(time / 2 ** (TIME_BITS - 1 - at)) % 2 === 1 ? 1 : 0
    }
    at -= TIME_BITS
  }
  if (at < PLANES * DIMENSIONS) {
    // The sign of every component, then the next bit of every component, and so on.
    const fixed = Math.min(2 ** 31 - 1, Math.floor((table.raw[slot * DIMENSIONS + (at % DIMENSIONS)]! + 1) * 2 ** 30))
    return (fixed >>> (30 - Math.floor(at / DIMENSIONS))) & 1 ? 1 : 0
  }
  // More faces that look the same than a leaf holds: which of them go together does not matter.
  return byId(face.id, at)
}

function byId(id: string, depth: number): 0 | 1 {
  let hash = 0x811c9dc5 ^ depth
  for (let k = 0; k < id.length; k++) hash = Math.imul(hash ^ id.charCodeAt(k), 0x01000193)
  return ((hash ^ (hash >>> 15)) & 4) === 0 ? 0 : 1
}

/** What happens to the faces of a part, by slot. A face that changed is gone and added. */
export interface Changes {
  gone: readonly number[]
  added: readonly number[]
  /** Others of which something else is said than before. */
  touched: readonly number[]
}

/**
 * The part after a change; `undefined` where no face is left. The family's words and singles are those of after it; the data of faces that
 * go are still in the table.
 */
export function changePart(family: Family, part: Part | undefined, depth: number, changes: Changes): Part | undefined {
  const { gone, added, touched } = changes
  if (gone.length + added.length + touched.length === 0) return part
  const count = (part?.count ?? 0) - gone.length + added.length
  if (count === 0) return undefined
  if (count <= family.options.leaf || part?.slots || !part) {
    if (part?.slots && gone.length + added.length === 0) {
      if (holds(family, part, touched)) return part
      return leaf(family, depth, part.slots, part)
    }
    const out = new Set(gone)
    const slots = [...(part ? slotsOf(part) : []).filter(slot => !out.has(slot)), ...added]
    if (count <= family.options.leaf) return leaf(family, depth, slots, part)
    return halved(family, depth, count, { gone: [], added: slots, touched: [] })
  }
  return halved(family, depth, count, changes, part)
}

function slotsOf(part: Part): readonly number[] {
  return part.slots ?? part.halves!.flatMap(half => (half ? slotsOf(half) : []))
}

type Two<T> = readonly [T, T]

function inHalves(table: FaceTable, slots: readonly number[], depth: number): Two<number[]> {
  const halves: Two<number[]> = [[], []]
  for (const slot of slots) halves[halfOf(table, slot, depth)].push(slot)
  return halves
}

function leaf(family: Family, depth: number, slots: readonly number[], earlier?: Part): Part {
  const faces = slots.map(slot => family.singles[slot]!).sort(byFirst(family.table))
  return { depth, count: slots.length, slots, ...joinFaces(family, faces, earlier) }
}

function halved(family: Family, depth: number, count: number, changes: Changes, earlier?: Part): Part {
  const gone = inHalves(family.table, changes.gone, depth)
  const added = inHalves(family.table, changes.added, depth)
  const touched = inHalves(family.table, changes.touched, depth)
  const before = earlier?.halves ?? [undefined, undefined]
  const half = (h: 0 | 1): Part | undefined =>
    changePart(family, before[h], depth + 1, { gone: gone[h], added: added[h], touched: touched[h] })
  const low = half(0)
  const high = half(1)
  const halves = [low, high] as const
  if (!low || !high) {
    const { clusters, free } = (low ?? high)!
    return { depth, count, halves, clusters, free }
  }
  if (
    earlier?.pairs &&
    before[0]?.clusters === low.clusters &&
    before[1]?.clusters === high.clusters &&
    holds(family, earlier, changes.touched)
  )
    return { ...earlier, count, halves }
  return {
    depth,
    count,
    halves,
    ...joinHalves(family, low.clusters, high.clusters, apart(family, low, depth), earlier),
  }
}

/** Whether no picture has faces in both halves: where halves are told apart by date, and faces of one picture have one. */
function apart({ conflicts, table }: Family, half: Part, depth: number): boolean {
  if (!conflicts.sameDate) return false
  return depth === 0 || (depth <= TIME_BITS && table.faces[half.clusters[0]!.first]!.takenAt !== undefined)
}
