import { DIMENSIONS } from './age-groups.js'
import type { Face } from './face.js'

/** Settings of the generator of families for tests and benches. */
export interface SyntheticOptions {
  faces: number
  people: number
  seed: number
  /** Cosine of two pictures of one adult, about; real ones: median 0.94. */
  self?: number
  /** Cosine of two strangers, about; real ones: median 0.83. */
  strangers?: number
  /** Faces per picture, at most. */
  perPicture?: number
}

/** A face with the person it really is. */
export interface SyntheticFace extends Face {
  truth: number
}

/** A small seeded generator (mulberry32): the same numbers on every machine. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** A random direction. */
export function direction(random: () => number): Float64Array {
  const v = new Float64Array(DIMENSIONS)
  for (let k = 0; k < DIMENSIONS; k += 2) {
    const r = Math.sqrt(-2 * Math.log(1 - random()))
    const t = 2 * Math.PI * random()
    v[k] = r * Math.cos(t)
    v[k + 1] = r * Math.sin(t)
  }
  return scaled(v)
}

/** The vector at length 1. */
export function scaled(v: ArrayLike<number>): Float64Array {
  let s = 0
  for (let k = 0; k < v.length; k++) s += v[k]! * v[k]!
  const by = s > 0 ? 1 / Math.sqrt(s) : 0
  return Float64Array.from({ length: v.length }, (_, k) => v[k]! * by)
}

/** Sum of weighted vectors at length 1. */
export function mix(...parts: readonly (readonly [number, ArrayLike<number>])[]): Float64Array {
  const v = new Float64Array(DIMENSIONS)
  for (const [w, p] of parts) for (let k = 0; k < DIMENSIONS; k++) v[k]! += w * p[k]!
  return scaled(v)
}

/**
 * Adults as the embedding sees them: a common direction (strangers are alike), a person's own, and what changes from picture to picture.
 * Few people are seen often, many once: person = floor(u * v * people).
 */
export function syntheticFaces(options: SyntheticOptions): SyntheticFace[] {
  const { faces, people, seed, self = 0.94, strangers = 0.83, perPicture = 4 } = options
  const random = seeded(seed)
  const common = direction(random)
  const own = Array.from({ length: people }, () => direction(random))
  const found: SyntheticFace[] = []
  const start = Date.UTC(2015, 0, 1)
  for (let picture = 0; found.length < faces; picture++) {
    const count = 1 + Math.floor(random() * random() * perPicture)
    const here = new Set<number>()
    for (let i = 0; i < count && found.length < faces; i++) {
      const truth = Math.floor(random() * random() * people)
      if (here.has(truth)) continue
      here.add(truth)
      // Noise of a heavy tail: some pictures are bad.
      const noise = (1 - self) * Math.exp(0.35 * (random() + random() - 1))
      const embedding = mix(
        [Math.sqrt(strangers), common],
        [Math.sqrt(Math.max(0, 1 - strangers - noise)), own[truth]!],
        [Math.sqrt(noise), direction(random)],
      )
      found.push({
        id: `f${String(found.length).padStart(6, '0')}`,
        mediaId: `m${String(picture).padStart(6, '0')}`,
        embedding: Float32Array.from(embedding),
        age: 35,
        ageSpread: 5,
        quality: 0.5 + random() / 2,
        box: { x: i * 0.22, y: 0.2, w: 0.15, h: 0.2 },
        takenAt: start + picture * 3_600_000,
        truth,
      })
    }
  }
  return found
}

/** A direction in the first few dimensions: real people differ in some twenty of them, real pictures in some fifty. */
function narrow(random: () => number, dimensions: number): Float64Array {
  return scaled(direction(random).fill(0, dimensions))
}

/** Settings of the generator of siblings among classmates. */
export interface ChildrenOptions {
  seed: number
  siblings?: number
  /** Cosine between siblings' own directions. */
  alike?: number
  /** Cosine of two pictures of one child after centring; real ones: about 0.4. */
  self?: number
  pictures?: number
  classmates?: number
}

/**
 * Children as the embedding sees them, around the mean of their age group: siblings in many pictures, a fifth of them together, and
 * classmates in three each.
 */
export function syntheticChildren(mean: ArrayLike<number>, options: ChildrenOptions): SyntheticFace[] {
  const { seed, siblings = 3, alike = 0, self = 0.42, pictures = 240, classmates = 25 } = options
  const random = seeded(seed)
  const blood = narrow(random, 20)
  const own = [
    ...Array.from({ length: siblings }, () =>
      mix([Math.sqrt(alike), blood], [Math.sqrt(1 - alike), narrow(random, 20)]),
    ),
    ...Array.from({ length: classmates }, () => narrow(random, 20)),
  ]
  const found: SyntheticFace[] = []
  const add = (truth: number, picture: number, x: number): void => {
    const clear = Math.min(0.85, self / Math.exp(0.5 * (random() + random() - 1)))
    const look = mix([Math.sqrt(clear), own[truth]!], [Math.sqrt(1 - clear), narrow(random, 48)])
    // Faces of children lie about 0.32 from their mean (traces of `../priors`).
    const embedding = scaled(look.map((v, k) => mean[k]! + 0.32 * v))
    found.push({
      id: `f${String(found.length).padStart(6, '0')}`,
      mediaId: `m${String(picture).padStart(6, '0')}`,
      embedding: Float32Array.from(embedding),
      age: 5,
      ageSpread: 3,
      quality: 0.3 + 0.5 * random(),
      box: { x, y: 0.2, w: 0.1, h: 0.1 },
      truth,
    })
  }
  for (let picture = 0; picture < pictures; picture++) {
    const first = Math.floor(random() * siblings)
    add(first, picture, 0)
    const second = Math.floor(random() * siblings)
    if (random() < 0.2 && second !== first) add(second, picture, 0.5)
  }
  for (let k = 0; k < 3 * classmates; k++) add(siblings + (k % classmates), pictures + k, 0)
  return found
}

/** BCubed precision, recall and F of a labelling against the truth: what share of a face's companions belong to it, and the reverse. */
export function bcubed(
  truth: readonly unknown[],
  labels: readonly unknown[],
): { precision: number; recall: number; f: number } {
  const count = (of: readonly unknown[]): Map<unknown, number> => {
    const m = new Map<unknown, number>()
    for (const x of of) m.set(x, (m.get(x) ?? 0) + 1)
    return m
  }
  const byTruth = count(truth)
  const byLabel = count(labels)
  const both = new Map<unknown, Map<unknown, number>>()
  truth.forEach((t, i) => {
    const row = both.get(t) ?? new Map<unknown, number>()
    row.set(labels[i], (row.get(labels[i]) ?? 0) + 1)
    both.set(t, row)
  })
  let precision = 0
  let recall = 0
  truth.forEach((t, i) => {
    const hit = both.get(t)!.get(labels[i])!
    precision += hit / byLabel.get(labels[i])!
    recall += hit / byTruth.get(t)!
  })
  precision /= truth.length || 1
  recall /= truth.length || 1
  return { precision, recall, f: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0 }
}
