import { DIMENSIONS } from './age-groups.js'
import { overlap, simultaneous } from './face.js'
import type { FaceTable } from './score.js'
import { dot } from './score.js'

/** Two boxes that cover each other by this much are one face found twice. */
const SAME_BOX = 0.5

/**
 * Raw cosine from which two faces of one picture are taken for one person seen twice: a mirror, a collage, a framed or repeated picture.
 * Strangers do not come near it (99 % quantile of different people in `../priors`: 0.94 for children, 0.92 for adults).
 */
const MIRROR = 0.975

/** For each face the faces of its item that must be somebody else, by index; empty for a face that is alone. */
export type Conflicts = readonly (readonly number[])[]

const none: readonly number[] = []

/** One person once per picture, with the exceptions above and tracks of one video that are never seen together. */
export function findConflicts(table: FaceTable): Conflicts {
  const byMedia = new Map<string, number[]>()
  table.faces.forEach((face, i) => {
    const list = byMedia.get(face.mediaId)
    if (list) list.push(i)
    else byMedia.set(face.mediaId, [i])
  })
  const conflicts: (readonly number[])[] = new Array<readonly number[]>(table.size).fill(none)
  for (const list of byMedia.values()) {
    if (list.length < 2) continue
    for (const i of list) conflicts[i] = list.filter(j => j !== i && apart(table, i, j))
  }
  return conflicts
}

function apart(table: FaceTable, i: number, j: number): boolean {
  const a = table.faces[i]!
  const b = table.faces[j]!
  if (!simultaneous(a, b)) return false
  if (overlap(a.box, b.box) >= SAME_BOX) return false
  return dot(table.raw, i * DIMENSIONS, table.raw, j * DIMENSIONS) < MIRROR
}
