import { createHash } from 'node:crypto'
import { cosine } from './embedding.js'

/** Two faces of one item this alike are one face, seen in two runs (the same picture turned has 0.95 and more). */
const SAME_FACE = 0.9
/** Two boxes that share so much of what they cover are one place. */
const SAME_PLACE = 0.5

/**
 * The id of the `index`-th face of an item: a valid UUIDv7 with the item's own time and bits that follow from the item, so that
 * looking again after a crash gives the same faces.
 */
export function faceId(mediaId: string, index: number): string {
  const hash = createHash('sha256').update(`face/${mediaId}/${index}`).digest('hex')
  const time = mediaId.replaceAll('-', '').slice(0, 12)
  const variant = ((parseInt(hash.charAt(3), 16) & 3) | 8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`
}

/**
 * Ids for the faces of an item, in their order. A face that is there already (the item was turned, or is looked at by a better model) keeps its id,
 * and with it what people said about it; pairs are made best first. No face gets an id out of `never`.
 */
export function assignIds(
  mediaId: string,
  faces: readonly { embedding: ArrayLike<number> }[],
  earlier: readonly { id: string; embedding: ArrayLike<number> }[],
  never: readonly string[] = [],
): string[] {
  const alike = (face: { embedding: ArrayLike<number> }, known: { embedding: ArrayLike<number> }) =>
    cosine(face.embedding, known.embedding)
  return assign(mediaId, faces, earlier, never, alike, SAME_FACE)
}

/** Where a face is: box in parts of the picture; times for a track of a video. */
interface Place {
  box: { x: number; y: number; w: number; h: number }
  ranges: readonly { start: number; end: number }[]
}

/**
 * The same where vectors cannot be compared because another version of the pipeline made them: a face at the place of an earlier one, in the same
 * picture turned the same way, is that face.
 */
export function assignIdsByPlace(
  mediaId: string,
  faces: readonly Place[],
  earlier: readonly ({ id: string } & Place)[],
  never: readonly string[] = [],
): string[] {
  return assign(mediaId, faces, earlier, never, samePlace, SAME_PLACE)
}

/** Share of the two boxes' union that both cover; 0 for tracks that are never on screen together. */
function samePlace(a: Place, b: Place): number {
  const together =
    a.ranges.length === 0 ||
    b.ranges.length === 0 ||
    a.ranges.some(p => b.ranges.some(q => p.start <= q.end && q.start <= p.end))
  if (!together) return 0
  const w = Math.min(a.box.x + a.box.w, b.box.x + b.box.w) - Math.max(a.box.x, b.box.x)
  const h = Math.min(a.box.y + a.box.h, b.box.y + b.box.h) - Math.max(a.box.y, b.box.y)
  if (w <= 0 || h <= 0) return 0
  return (w * h) / (a.box.w * a.box.h + b.box.w * b.box.h - w * h)
}

function assign<F, E extends { id: string }>(
  mediaId: string,
  faces: readonly F[],
  earlier: readonly E[],
  never: readonly string[],
  likeness: (face: F, known: E) => number,
  least: number,
): string[] {
  const pairs = faces
    .flatMap((face, index) => earlier.map(known => ({ index, id: known.id, alike: likeness(face, known) })))
    .filter(({ alike }) => alike >= least)
    .sort((a, b) => b.alike - a.alike || a.index - b.index || a.id.localeCompare(b.id))
  const ids = new Map<number, string>()
  const taken = new Set<string>(never)
  for (const { index, id } of pairs) {
    if (ids.has(index) || taken.has(id)) continue
    ids.set(index, id)
    taken.add(id)
  }
  // An id once given to a face that is gone may come back in corrections: it is not given to another one.
  for (const { id } of earlier) taken.add(id)
  let next = 0
  const fresh = (): string => {
    const id = faceId(mediaId, next++)
    return taken.has(id) ? fresh() : id
  }
  return faces.map((_, index) => ids.get(index) ?? fresh())
}
