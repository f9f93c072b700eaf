import { DIMENSIONS } from './age-groups.js'
import type { Conflicts } from './conflicts.js'
import { CandidateHeap } from './heap.js'
import type { Neighbours } from './neighbours.js'
import { edges } from './neighbours.js'
import type { FaceTable } from './score.js'

/** What a cluster may not be joined with, from the ledger: by face index. */
export interface Demands {
  /** Number of the person that a face stands for, -1 for none. */
  label: Int32Array
  /** Numbers of people that a face is not. */
  not: ReadonlyMap<number, ReadonlySet<number>>
  /** 1 for faces that wait until the structure stands, and then join the best cluster, if any. */
  waits: Uint8Array
  /** 1 for faces of nobody: they join nothing. */
  nobody: Uint8Array
}

export interface AgglomerateOptions {
  /** Average score from which two clusters are one person. */
  threshold: number
  /** Taken off the threshold for pairs of clusters in which a child is compared: for any, and more the more faces both have. */
  childSlack: number
  childSlackOfMany: number
  /** Taken off the score per share of pictures in which both clusters are seen apart. */
  conflictPenalty: number
}

/**
 * At 0, the calibrated threshold of a pair, the average over all pairs is the stricter test. On the development sets (lfw10, dlib_johns,
 * face_recognition, openface, also pooled) every value from -0.2 to 0.2 gives BCubed F 1.000; -0.4 begins to join strangers.
 * For children the threshold is lower, the more so the more faces speak: on simulated families (`syntheticChildren`, three siblings, 25 classmates,
 * self-cosine 0.42 after centring as in `../priors`) recall rises from 0.61 to 0.81 while precision falls from 0.978 to 0.971.
 * A penalty of 10 lets 1 picture in 10 speak against an average that is one unit above the threshold: a poster or a mistaken box does not
 * split a person; two siblings who are seen together now and then never join, however alike.
 */
export const DEFAULTS: AgglomerateOptions = {
  threshold: 0,
  childSlack: 0.1,
  childSlackOfMany: 0.4,
  conflictPenalty: 10,
}

/** Clusters as flat sums: the average score of two clusters is a few inner products of sums, however many faces they hold. */
export class Clusters {
  readonly parent: Int32Array
  readonly count: Int32Array
  readonly version: Int32Array
  readonly label: Int32Array
  /** Faces of a cluster as a chain from its root. */
  readonly next: Int32Array
  readonly last: Int32Array
  readonly #adult: Float64Array
  readonly #child: Float64Array
  readonly #adultRaw: Float64Array
  readonly #adultWeight: Float64Array
  readonly #childWeight: Float64Array
  readonly not: Map<number, ReadonlySet<number>>

  constructor(
    readonly table: FaceTable,
    readonly conflicts: Conflicts,
    readonly demands: Demands,
    readonly options: AgglomerateOptions,
  ) {
    const n = table.size
    this.parent = Int32Array.from({ length: n }, (_, i) => i)
    this.count = new Int32Array(n).fill(1)
    this.version = new Int32Array(n)
    this.label = demands.label.slice()
    this.next = new Int32Array(n).fill(-1)
    this.last = Int32Array.from({ length: n }, (_, i) => i)
    this.#adultRaw = new Float64Array(n * DIMENSIONS)
    this.#adult = new Float64Array(n * DIMENSIONS)
    this.#child = new Float64Array(n * DIMENSIONS)
    this.#adultWeight = new Float64Array(n)
    this.#childWeight = new Float64Array(n)
    this.not = new Map(demands.not)
    for (let i = 0; i < n; i++) {
      const w = table.weight[i]!
      const own = table.child[i] ? this.#child : this.#adult
      for (let k = i * DIMENSIONS; k < (i + 1) * DIMENSIONS; k++) {
        own[k] = w * table.own[k]!
        if (!table.child[i]) this.#adultRaw[k] = w * table.raw[k]!
      }
      ;(table.child[i] ? this.#childWeight : this.#adultWeight)[i] = w
    }
  }

  root(i: number): number {
    const { parent } = this
    let at = i
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!
      at = parent[at]!
    }
    return at
  }

  /** Faces of the cluster with this root, in the order in which they came together. */
  *members(root: number): Generator<number> {
    for (let i = root; i >= 0; i = this.next[i]!) yield i
  }

  /** Weighted average of the scores of all pairs between two clusters, without what the pictures say. */
  average(a: number, b: number): number {
    const { adults, children, mixed } = this.table.calibrations
    const wa = this.#adultWeight[a]!
    const wb = this.#adultWeight[b]!
    const ca = this.#childWeight[a]!
    const cb = this.#childWeight[b]!
    let sum = 0
    if (wa > 0 && wb > 0) sum += (product(this.#adultRaw, a, b) - adults.zero * wa * wb) / adults.unit
    if (ca > 0 && cb > 0) sum += (product(this.#child, a, b) - children.zero * ca * cb) / children.unit
    if (wa > 0 && cb > 0) sum += (across(this.#adult, a, this.#child, b) - mixed.zero * wa * cb) / mixed.unit
    if (ca > 0 && wb > 0) sum += (across(this.#adult, b, this.#child, a) - mixed.zero * ca * wb) / mixed.unit
    return sum / ((wa + ca) * (wb + cb))
  }

  /** Weighted average of the scores of one face with the other faces of its cluster. */
  averageToOthers(i: number, root: number): number {
    return this.#faceTo(i, root, this.table.weight[i]!)
  }

  /** Weighted average of the scores of one face with the faces of a cluster that it is not in. */
  faceAverage(i: number, root: number): number {
    return this.#faceTo(i, root, 0)
  }

  /** As above; `w` is the weight with which the face itself is in the sums. */
  #faceTo(i: number, root: number, w: number): number {
    const { table } = this
    const { adults, children, mixed } = table.calibrations
    const young = table.child[i] === 1
    const wa = this.#adultWeight[root]! - (young ? 0 : w)
    const wc = this.#childWeight[root]! - (young ? w : 0)
    let sum = 0
    if (young) {
      if (this.#childWeight[root]! > w)
        sum += (this.#against(this.#child, root, table.own, i, w) - children.zero * wc) / children.unit
      if (wa > 0) sum += (this.#against(this.#adult, root, table.own, i, 0) - mixed.zero * wa) / mixed.unit
    } else {
      if (this.#adultWeight[root]! > w)
        sum += (this.#against(this.#adultRaw, root, table.raw, i, w) - adults.zero * wa) / adults.unit
      if (wc > 0) sum += (this.#against(this.#child, root, table.own, i, 0) - mixed.zero * wc) / mixed.unit
    }
    return wa + wc > 0 ? sum / (wa + wc) : 0
  }

  /** Inner product of a face with a cluster's sum without the face's own share. */
  #against(sum: Float64Array, root: number, of: Float32Array, i: number, own: number): number {
    let s = 0
    for (let k = 0; k < DIMENSIONS; k++) {
      const v = of[i * DIMENSIONS + k]!
      s += (sum[root * DIMENSIONS + k]! - own * v) * v
    }
    return s
  }

  /** Whether the ledger allows the two to be one. */
  allowed(a: number, b: number): boolean {
    const la = this.label[a]!
    const lb = this.label[b]!
    if (la >= 0 && lb >= 0 && la !== lb) return false
    return !(lb >= 0 && this.not.get(a)?.has(lb)) && !(la >= 0 && this.not.get(b)?.has(la))
  }

  /** Pictures in which both clusters are seen as two people, as a share of the smaller cluster. */
  conflictShare(a: number, b: number): number {
    const [small, large] = this.count[a]! <= this.count[b]! ? [a, b] : [b, a]
    let found = 0
    for (let i = small; i >= 0; i = this.next[i]!) {
      for (const j of this.conflicts[i]!) {
        if (this.root(j) === large) {
          found++
          break
        }
      }
    }
    return found / this.count[small]!
  }

  /** The score on which joining is decided; -Infinity where the ledger forbids it. */
  score(a: number, b: number): number {
    if (!this.allowed(a, b)) return -Infinity
    const average = this.average(a, b) + this.#slack(a, b)
    if (average < this.options.threshold) return average
    return average - this.options.conflictPenalty * this.conflictShare(a, b)
  }

  /**
   * The average over many faces of two children is surer than one pair: the noise of single pictures is gone from it, strangers and siblings
   * lie far below. What a pair of pictures must exceed, two clusters need not.
   */
  #slack(a: number, b: number): number {
    const adults =
      (this.#adultWeight[a]! * this.#adultWeight[b]!) /
      ((this.#adultWeight[a]! + this.#childWeight[a]!) * (this.#adultWeight[b]! + this.#childWeight[b]!))
    if (adults === 1) return 0
    const few = Math.min(this.count[a]!, this.count[b]!)
    const { childSlack, childSlackOfMany } = this.options
    return (1 - adults) * (childSlack + childSlackOfMany * (1 - 1 / Math.sqrt(few)))
  }

  /** Joins two clusters; the one with the canonically first face names the result. */
  join(a: number, b: number): number {
    const [keep, gone] = a < b ? [a, b] : [b, a]
    this.parent[gone] = keep
    this.count[keep]! += this.count[gone]!
    this.version[keep]!++
    if (this.label[keep]! < 0) this.label[keep] = this.label[gone]!
    this.next[this.last[keep]!] = gone
    this.last[keep] = this.last[gone]!
    const refused = this.not.get(gone)
    if (refused) this.not.set(keep, new Set([...(this.not.get(keep) ?? []), ...refused]))
    for (let k = 0; k < DIMENSIONS; k++) {
      const to = keep * DIMENSIONS + k
      const from = gone * DIMENSIONS + k
      this.#adultRaw[to]! += this.#adultRaw[from]!
      this.#adult[to]! += this.#adult[from]!
      this.#child[to]! += this.#child[from]!
    }
    this.#adultWeight[keep]! += this.#adultWeight[gone]!
    this.#childWeight[keep]! += this.#childWeight[gone]!
    return keep
  }

  /** Roots of all clusters in canonical order. */
  roots(): number[] {
    const found: number[] = []
    for (let i = 0; i < this.table.size; i++) if (this.parent[i] === i) found.push(i)
    return found
  }
}

const product = (of: Float64Array, a: number, b: number): number => across(of, a, of, b)

function across(p: Float64Array, a: number, q: Float64Array, b: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  const ao = a * DIMENSIONS
  const bo = b * DIMENSIONS
  for (let k = 0; k < DIMENSIONS; k += 4) {
    s0 += p[ao + k]! * q[bo + k]!
    s1 += p[ao + k + 1]! * q[bo + k + 1]!
    s2 += p[ao + k + 2]! * q[bo + k + 2]!
    s3 += p[ao + k + 3]! * q[bo + k + 3]!
  }
  return s0 + s1 + (s2 + s3)
}

/**
 * Best pair first until no pair reaches the threshold: faces along their best matches, then whole clusters with each other (matches inside
 * one burst can fill a face's list), at last the faces that wait. A pure function of the table: arrival order and number of workers do
 * not enter.
 */
export function agglomerate(
  table: FaceTable,
  neighbours: Neighbours,
  conflicts: Conflicts,
  demands: Demands,
  options: AgglomerateOptions = DEFAULTS,
): Clusters {
  const clusters = new Clusters(table, conflicts, demands, options)
  const still = (i: number): boolean => !demands.waits[i] && !demands.nobody[i]
  const heap = new CandidateHeap()
  for (const [a, b, score] of edges(table, neighbours)) {
    if (still(a) && still(b)) heap.push({ score, a, b, va: -1, vb: -1 })
  }
  drain(clusters, heap)
  // Whole clusters: rounds end because each one joins something.
  for (;;) {
    const roots = clusters.roots().filter(i => clusters.count[i]! > 1)
    for (let x = 0; x < roots.length; x++) {
      for (let y = x + 1; y < roots.length; y++) {
        const a = roots[x]!
        const b = roots[y]!
        const score = clusters.score(a, b)
        if (score >= options.threshold) heap.push({ score, a, b, va: clusters.version[a]!, vb: clusters.version[b]! })
      }
    }
    if (heap.size === 0) break
    if (drain(clusters, heap) === 0) break
  }
  attachWaiting(clusters, neighbours, demands)
  return clusters
}

/** Joins best pairs first; a pair whose clusters changed since it was scored is scored again. Returns how many were joined. */
function drain(clusters: Clusters, heap: CandidateHeap): number {
  const { options, version } = clusters
  const scored = new Map<number, number>()
  let joined = 0
  for (let top = heap.pop(); top; top = heap.pop()) {
    const p = clusters.root(top.a)
    const q = clusters.root(top.b)
    if (p === q) continue
    const a = Math.min(p, q)
    const b = Math.max(p, q)
    const va = version[a]!
    const vb = version[b]!
    if (a === top.a && b === top.b && va === top.va && vb === top.vb) {
      clusters.join(a, b)
      joined++
      continue
    }
    // Versions only grow, so their sum tells one state of the pair from another.
    const key = a * clusters.table.size + b
    const state = va + vb
    if (scored.get(key) === state) continue
    scored.set(key, state)
    const score = clusters.score(a, b)
    if (score >= options.threshold) heap.push({ score, a, b, va, vb })
  }
  return joined
}

/** Gives each waiting face to the best cluster that will have it, all judged against the same clusters. */
function attachWaiting(clusters: Clusters, neighbours: Neighbours, demands: Demands): void {
  const { table, options } = clusters
  const joins: [number, number][] = []
  for (let i = 0; i < table.size; i++) {
    if (!demands.waits[i] || demands.nobody[i]) continue
    let best = -1
    let bestScore = -Infinity
    const seen = new Set<number>()
    for (let k = 0; k < neighbours.width; k++) {
      const j = neighbours.index[i * neighbours.width + k]!
      if (j < 0) break
      if (demands.waits[j] || demands.nobody[j]) continue
      const root = clusters.root(j)
      if (seen.has(root)) continue
      seen.add(root)
      const score = clusters.score(Math.min(i, root), Math.max(i, root))
      if (score > bestScore || (score === bestScore && root < best)) {
        bestScore = score
        best = root
      }
    }
    if (best >= 0 && bestScore >= options.threshold) joins.push([i, best])
  }
  for (const [i, to] of joins) clusters.join(i, clusters.root(to))
}
