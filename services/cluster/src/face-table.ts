import type { AgeGroupMeans } from './age-groups.js'
import { DIMENSIONS } from './age-groups.js'
import type { Face } from './face.js'
import type { Calibrations } from './score.js'
import { CENTRED, CHILD_BELOW_YEARS, RAW, weightOf } from './score.js'
import { share } from './sums.js'

/** Weights are multiples of this: sums of them are exact, whatever their order. */
const WEIGHT_STEP = 2 ** -16

/**
 * Canonical order: by content, then by id. It breaks ties, so that the result is a function of what the faces are and not of when they
 * came or which ids they were given. Values that are no numbers come first.
 */
export function canonicalOrder(a: Face, b: Face): number {
  for (let k = 0; k < DIMENSIONS; k++) {
    const d = finite(a.embedding[k]) - finite(b.embedding[k])
    if (d !== 0) return d
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

const finite = (v: number | undefined): number => (Number.isFinite(v) ? v! : -2)

/**
 * Faces with what comparing needs, as flat arrays: `raw` the embeddings, `own` the embedding in the space in which a pair with a child is
 * compared (centred where there are means). A face has a slot as long as it is there; slots tell nothing about order.
 */
export class FaceTable {
  /** By slot; undefined where a face went. */
  readonly faces: (Face | undefined)[] = []
  /** Slot by face id. */
  readonly index = new Map<string, number>()
  raw = new Float32Array(0)
  own = new Float32Array(0)
  /** 1 where the face is predicted to be a child. */
  child = new Uint8Array(0)
  weight = new Float64Array(0)
  /** What a face adds to the inner product of its own embedding with a sum that it is in: for `raw`, and for `own`. */
  rawSelf = new Float64Array(0)
  ownSelf = new Float64Array(0)
  readonly calibrations: Calibrations
  readonly #free: number[] = []
  readonly #unit = new Float64Array(DIMENSIONS)

  constructor(readonly means?: AgeGroupMeans) {
    this.calibrations = means ? CENTRED : RAW
  }

  /** Number of faces. */
  get size(): number {
    return this.index.size
  }

  /** Lays a face out; answers its slot. Embeddings are normalised again: a stored float is not exactly of length 1. */
  add(face: Face): number {
    const i = this.#free.pop() ?? this.faces.length
    if (i >= this.weight.length) this.reserve(Math.max(64, 2 * i))
    const child = face.age < (this.means?.childBelowYears ?? CHILD_BELOW_YEARS)
    this.faces[i] = face
    this.index.set(face.id, i)
    this.child[i] = child ? 1 : 0
    this.weight[i] = Math.round(weightOf(face.quality) / WEIGHT_STEP) * WEIGHT_STEP
    const unit = this.#unit
    normalise(face.embedding, undefined, unit)
    this.raw.set(unit, i * DIMENSIONS)
    if (this.means) normalise(unit, child ? this.means.child : this.means.adult, unit)
    this.own.set(unit, i * DIMENSIONS)
    this.rawSelf[i] = self(this.weight[i]!, this.raw, i)
    this.ownSelf[i] = self(this.weight[i]!, this.own, i)
    return i
  }

  /** Lets go of a face; its slot is given to another one later. */
  remove(slot: number): void {
    const { id } = this.faces[slot]!
    // A face that is replaced stands under its id already.
    if (this.index.get(id) === slot) this.index.delete(id)
    this.faces[slot] = undefined
    // It may be erased: nothing of it stays.
    for (const of of [this.raw, this.own]) of.fill(0, slot * DIMENSIONS, (slot + 1) * DIMENSIONS)
    this.#free.push(slot)
  }

  /** Canonical order of the faces in two slots. */
  compare(i: number, j: number): number {
    return i === j ? 0 : canonicalOrder(this.faces[i]!, this.faces[j]!)
  }

  /** Makes room for so many faces. */
  reserve(faces: number): void {
    const grow = <T extends { set: (from: T) => void }>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.raw = grow(new Float32Array(faces * DIMENSIONS), this.raw)
    this.own = grow(new Float32Array(faces * DIMENSIONS), this.own)
    this.child = grow(new Uint8Array(faces), this.child)
    this.weight = grow(new Float64Array(faces), this.weight)
    this.rawSelf = grow(new Float64Array(faces), this.rawSelf)
    this.ownSelf = grow(new Float64Array(faces), this.ownSelf)
  }
}

/** A table of these faces. */
export function faceTable(faces: readonly Face[], means?: AgeGroupMeans): FaceTable {
  const table = new FaceTable(means)
  table.reserve(faces.length)
  for (const face of faces) table.add(face)
  return table
}

function self(weight: number, of: Float32Array, i: number): number {
  let sum = 0
  for (let k = i * DIMENSIONS; k < (i + 1) * DIMENSIONS; k++) sum += share(weight, of[k]!) * of[k]!
  return sum
}

/** An embedding that holds what is no number becomes nothing at all: it is like nobody. */
function normalise(from: ArrayLike<number>, mean: Float64Array | undefined, into: Float64Array): void {
  let length = 0
  for (let k = 0; k < DIMENSIONS; k++) {
    const v = from[k]! - (mean ? mean[k]! : 0)
    into[k] = v
    length += v * v
  }
  if (!Number.isFinite(length)) {
    into.fill(0)
    return
  }
  const scale = length > 0 ? 1 / Math.sqrt(length) : 0
  for (let k = 0; k < DIMENSIONS; k++) into[k] = into[k]! * scale
}
