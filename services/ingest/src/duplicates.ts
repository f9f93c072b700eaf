/** What the grouping needs to know of an item. */
export interface Hashed {
  readonly id: string
  /** 64 bits as 16 hex digits; undefined for what has no picture of its own. */
  readonly hash: string | undefined
  /** Capture time, epoch ms. */
  readonly at: number
  /** False where only the file dates the item: it forms no burst. */
  readonly dated: boolean
  /** Frames that the camera itself marked as one burst. */
  readonly burstId?: string | undefined
}

/** Items that show the same. A burst is one moment photographed several times; near duplicates are copies of one picture. */
export interface DuplicateGroup {
  /** The smallest member's id: stable while that member stays. */
  readonly id: string
  readonly kind: 'burst' | 'near-duplicate'
  /** Ascending. */
  readonly mediaIds: readonly string[]
}

/** Differing bits of 64 up to which two pictures are copies (resized, recompressed, another format). */
export const NEAR_BITS = 6
/** Differing bits of 64 up to which two pictures taken right after one another show the same scene. */
export const BURST_BITS = 16
/** Longest pause inside a burst, ms. */
export const BURST_PAUSE_MS = 3_000
/** A hash with fewer set (or unset) bits belongs to a nearly flat picture (a black frame, fog): it resembles everything. */
const MIN_DETAIL_BITS = 6
/** Items of one burst compare with at most so many before them. */
const LOOK_BACK = 16

/**
 * Groups items: bursts by a short pause and a similar hash (or the camera's own mark), near duplicates by a nearly equal hash at any
 * time. A group with any burst link is a burst. The answer does not depend on the order of the items.
 */
export function groupDuplicates(items: readonly Hashed[]): DuplicateGroup[] {
  const sorted = [...items].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  const hashes = sorted.map(item => (item.hash === undefined ? undefined : split(item.hash)))
  const parent = sorted.map((_, i) => i)
  const burst = new Set<number>()
  const find = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!
    return i
  }
  const join = (a: number, b: number, asBurst: boolean) => {
    if (asBurst) burst.add(a).add(b)
    parent[find(a)] = find(b)
  }

  const dated = sorted.flatMap((item, i) => (item.dated ? [i] : []))
  dated.forEach((i, position) => {
    for (let back = 1; back <= LOOK_BACK && back <= position; back++) {
      const j = dated[position - back]!
      if (sorted[i]!.at - sorted[j]!.at > BURST_PAUSE_MS) break
      const [a, b] = [hashes[i], hashes[j]]
      if (a && b && distance(a, b) <= BURST_BITS) join(i, j, true)
    }
  })
  const marked = new Map<string, number>()
  sorted.forEach((item, i) => {
    if (item.burstId === undefined) return
    const first = marked.get(item.burstId)
    if (first === undefined) marked.set(item.burstId, i)
    else join(i, first, true)
  })
  for (const [i, j] of nearPairs(hashes)) join(i, j, false)

  const groups = new Map<number, number[]>()
  sorted.forEach((_, i) => {
    const root = find(i)
    const members = groups.get(root)
    if (members) members.push(i)
    else groups.set(root, [i])
  })
  return [...groups.values()]
    .filter(members => members.length > 1)
    .map((members): DuplicateGroup => {
      const mediaIds = members.map(i => sorted[i]!.id).sort()
      return { id: mediaIds[0]!, kind: members.some(i => burst.has(i)) ? 'burst' : 'near-duplicate', mediaIds }
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** A hash as four numbers of 16 bits. */
type Hash = readonly [number, number, number, number]

const split = (hex: string): Hash => [0, 4, 8, 12].map(i => parseInt(hex.slice(i, i + 4), 16)) as unknown as Hash

const POPCOUNT = Uint8Array.from({ length: 65_536 }, (_, n) => {
  let bits = 0
  for (let v = n; v > 0; v &= v - 1) bits++
  return bits
})

const distance = (a: Hash, b: Hash) =>
  POPCOUNT[a[0] ^ b[0]]! + POPCOUNT[a[1] ^ b[1]]! + POPCOUNT[a[2] ^ b[2]]! + POPCOUNT[a[3] ^ b[3]]!

/** Differing bits of two 64-bit hashes given as 16 hex digits. */
export const hammingDistance = (a: string, b: string): number => distance(split(a), split(b))

/**
 * Pairs at most NEAR_BITS apart, without comparing all with all: 6 differing bits over 4 words leave one word with at most 1,
 * so looking up each word and its 16 neighbours finds every pair. A bucket's members are chained, not squared, when equal.
 */
function* nearPairs(hashes: readonly (Hash | undefined)[]): Generator<[number, number]> {
  const usable = hashes.flatMap((h, i) => {
    if (!h) return []
    const bits = POPCOUNT[h[0]]! + POPCOUNT[h[1]]! + POPCOUNT[h[2]]! + POPCOUNT[h[3]]!
    return bits >= MIN_DETAIL_BITS && bits <= 64 - MIN_DETAIL_BITS ? [i] : []
  })
  // Exact copies first: only one of them takes part in the search.
  const distinct = new Map<string, number>()
  const searched: number[] = []
  for (const i of usable) {
    const key = hashes[i]!.join()
    const first = distinct.get(key)
    if (first === undefined) {
      distinct.set(key, i)
      searched.push(i)
    } else yield [i, first]
  }
  // Chains in typed arrays: with a Map of lists this loop takes ten times as long on 100,000 items.
  const words = new Uint16Array(searched.length * 4)
  searched.forEach((i, position) => words.set(hashes[i]!, position * 4))
  const apart = (a: number, b: number) => {
    let bits = 0
    for (let k = 0; k < 4; k++) bits += POPCOUNT[words[a * 4 + k]! ^ words[b * 4 + k]!]!
    return bits
  }
  const next = new Int32Array(searched.length)
  for (let word = 0; word < 4; word++) {
    const head = new Int32Array(65_536).fill(-1)
    for (let a = 0; a < searched.length; a++) {
      const value = words[a * 4 + word]!
      for (let flip = -1; flip < 16; flip++) {
        for (let b = head[flip < 0 ? value : value ^ (1 << flip)]!; b >= 0; b = next[b]!) {
          if (apart(a, b) <= NEAR_BITS) yield [searched[a]!, searched[b]!]
        }
      }
      next[a] = head[value]!
      head[value] = a
    }
  }
}
