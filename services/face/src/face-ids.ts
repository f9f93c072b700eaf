import { createHash } from 'node:crypto'
import { cosine } from './embedding.js'

/** Two faces of one item this alike are one face, seen in two runs (the same picture turned has 0.95 and more). */
const SAME_FACE = 0.9

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
  const pairs = faces
    .flatMap((face, index) =>
      earlier.map(({ id, embedding }) => ({ index, id, alike: cosine(face.embedding, embedding) })),
    )
    .filter(({ alike }) => alike >= SAME_FACE)
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
