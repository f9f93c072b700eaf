import { DIMENSIONS } from './age-groups.js'
import { overlap, simultaneous } from './face.js'
import type { FaceTable } from './face-table.js'
import { dot } from './score.js'

/** Two boxes that cover each other by this much are one face found twice. */
const SAME_BOX = 0.5

/**
 * Raw cosine from which two faces of one picture are taken for one person seen twice: a mirror, a collage, a framed or repeated picture.
 * Strangers do not come near it (99 % quantile of different people in `../priors`: 0.94 for children, 0.92 for adults).
 */
const MIRROR = 0.975

/** For each face the faces of its item that must be somebody else, by slot; empty for a face that is alone. */
export type Conflicts = readonly (readonly number[])[]

const none: readonly number[] = []

/** Which faces are seen apart, kept while faces come and go: one person once per picture, with the exceptions above and tracks of one video that are never seen together. */
export class PictureConflicts {
  readonly of: (readonly number[])[] = []
  /** Pictures whose faces do not all have the same date. */
  readonly #uneven = new Set<string>()
  readonly #byMedia = new Map<string, number[]>()

  constructor(readonly table: FaceTable) {}

  /** Whether faces that are seen apart always have the same date. */
  get sameDate(): boolean {
    return this.#uneven.size === 0
  }

  /** Takes faces out and in, while both are in the table. Says which faces have other conflicts now, the new ones included. */
  change(gone: Iterable<number>, added: Iterable<number>): Set<number> {
    const touched = new Set<string>()
    for (const i of gone) {
      const { mediaId } = this.table.faces[i]!
      const list = this.#byMedia.get(mediaId)!.filter(j => j !== i)
      if (list.length) this.#byMedia.set(mediaId, list)
      else this.#byMedia.delete(mediaId)
      this.of[i] = none
      touched.add(mediaId)
    }
    const changed = new Set<number>()
    for (const i of added) {
      const { mediaId } = this.table.faces[i]!
      const list = this.#byMedia.get(mediaId)
      if (list) list.push(i)
      else this.#byMedia.set(mediaId, [i])
      this.of[i] = none
      changed.add(i)
      touched.add(mediaId)
    }
    for (const mediaId of touched) {
      const list = this.#byMedia.get(mediaId)
      this.#uneven.delete(mediaId)
      if (!list) continue
      const { faces } = this.table
      if (list.some(i => faces[i]!.takenAt !== faces[list[0]!]!.takenAt)) this.#uneven.add(mediaId)
      for (const i of list) {
        const now = list.length < 2 ? none : list.filter(j => j !== i && apart(this.table, i, j))
        const was = this.of[i]!
        if (now.length === was.length && now.every(j => was.includes(j))) continue
        this.of[i] = now
        changed.add(i)
      }
    }
    return changed
  }
}

function apart(table: FaceTable, i: number, j: number): boolean {
  const a = table.faces[i]!
  const b = table.faces[j]!
  if (!simultaneous(a, b)) return false
  if (overlap(a.box, b.box) >= SAME_BOX) return false
  return dot(table.raw, i * DIMENSIONS, table.raw, j * DIMENSIONS) < MIRROR
}
