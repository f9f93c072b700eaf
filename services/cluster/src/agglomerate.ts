import type { ClosePairs } from './close-pairs.js'
import type { PictureConflicts } from './conflicts.js'
import type { FaceTable } from './face-table.js'
import { CandidateHeap } from './heap.js'
import { edges, findNeighbours } from './neighbours.js'
import type { Sums } from './sums.js'
import { added, averageScore, sumsOf } from './sums.js'

export interface AgglomerateOptions {
  /** Average score from which two clusters are one person. */
  threshold: number
  /** Taken off the threshold for pairs of clusters in which a child is compared: for any, and more the more faces both have. */
  childSlack: number
  childSlackOfMany: number
  /** Taken off the score per share of pictures in which both clusters are seen apart. */
  conflictPenalty: number
  /** Faces that are clustered together at once, at most; more are halved by capture time first. */
  leaf: number
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
  leaf: 1024,
}

/** Sums of smaller clusters are added up again where they are wanted. */
const KEEPS_SUMS = 4

/**
 * Faces that belong together, never changed: one that gains or loses a face is another cluster. So whatever was worked out from the faces
 * of a cluster holds as long as it is the same object.
 */
export class Cluster {
  /** Slots of the faces, in an order that depends on their content only. */
  readonly slots: readonly number[]
  /** Those of them that are seen apart from somebody. */
  readonly conflicted: readonly number[]
  /** What it was last joined into, and its place among the clusters of the latest run in which it was one of them. */
  up: Cluster | undefined
  run = 0
  place = 0
  #sums: Sums | undefined

  private constructor(
    readonly parts: readonly Cluster[],
    of: Pick<Cluster, 'slots' | 'conflicted'>,
    /** Whether some picture may show two of the faces apart; if not, none does. */
    readonly doubled: boolean,
    sums?: Sums,
  ) {
    this.slots = of.slots
    this.conflicted = of.conflicted
    if (of.slots.length >= KEEPS_SUMS) this.#sums = sums
  }

  /** One face. */
  static face(slot: number, conflicted: boolean): Cluster {
    const slots = [slot]
    return new Cluster([], { slots, conflicted: conflicted ? slots : [] }, false)
  }

  /** Several clusters as one, the one with the canonically first face first. */
  static of(parts: readonly Cluster[], doubled: boolean, sums?: Sums): Cluster {
    const slots = parts.flatMap(part => part.slots)
    const conflicted = parts.flatMap(part => part.conflicted)
    const cluster = new Cluster(parts, { slots, conflicted }, doubled || parts.some(part => part.doubled), sums)
    for (const part of parts) part.up = cluster
    return cluster
  }

  get count(): number {
    return this.slots.length
  }

  /** Slot of the canonically first face. */
  get first(): number {
    return this.slots[0]!
  }

  sums(table: FaceTable): Sums {
    if (this.#sums) return this.#sums
    const sums = sumsOf(table, this.slots)
    if (this.count >= KEEPS_SUMS) this.#sums = sums
    return sums
  }
}

/** What the ledger says about faces: numbers of people, by slot. */
export interface Words {
  /** Faces of which something is said. */
  slots: readonly number[]
  /** The person that a face stands for. */
  label: ReadonlyMap<number, number>
  /** People that a face is not. */
  not: ReadonlyMap<number, ReadonlySet<number>>
}

/** Everything that clusters of one family are joined by. */
export interface Family {
  table: FaceTable
  conflicts: PictureConflicts
  /** The cluster of one face, by slot. */
  singles: readonly (Cluster | undefined)[]
  close: ClosePairs
  options: AgglomerateOptions
  words: Words
  /** Number of the latest run. */
  runs: number
}

/** Clusters that are being joined with each other, by place. */
export class Joining {
  readonly #parent: Int32Array
  readonly version: Int32Array
  readonly #sums: (Sums | undefined)[]
  /** Number of the person that the ledger says a root is, -1 for none. */
  readonly label: Int32Array
  readonly #not: (ReadonlySet<number> | undefined)[]
  /** Clusters that came together, as a chain from the first. */
  readonly #next: Int32Array
  readonly #last: Int32Array
  readonly #run: number
  /** 1 for roots that some picture shows twice because of what came together here. */
  readonly doubled: Uint8Array
  /** Whether it would have come out the same, had nothing been said. */
  free = true

  /**
   * @param items in canonical order of their first faces.
   * @param apart tells quickly of some pairs of items that no picture shows faces of both.
   */
  constructor(
    readonly family: Family,
    readonly items: readonly Cluster[],
    readonly apart?: (a: Cluster, b: Cluster) => boolean,
  ) {
    const n = items.length
    this.#run = ++family.runs
    this.#parent = new Int32Array(n)
    this.version = new Int32Array(n)
    this.doubled = new Uint8Array(n)
    this.label = new Int32Array(n).fill(-1)
    this.#next = new Int32Array(n).fill(-1)
    this.#last = new Int32Array(n)
    this.#not = new Array<ReadonlySet<number> | undefined>(n)
    this.#sums = new Array<Sums | undefined>(n)
    for (let i = 0; i < n; i++) {
      const item = items[i]!
      item.run = this.#run
      item.place = i
      this.#parent[i] = i
      this.#last[i] = i
    }
    const { slots, label, not } = family.words
    for (const slot of slots) {
      const place = this.#itemOf(slot)
      if (place < 0) continue
      const person = label.get(slot)
      if (person !== undefined) this.label[place] = person
      this.#refuse(place, not.get(slot))
    }
  }

  sums(root: number): Sums {
    return (this.#sums[root] ??= this.items[root]!.sums(this.family.table))
  }

  root(place: number): number {
    const parent = this.#parent
    let at = place
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!
      at = parent[at]!
    }
    return at
  }

  /** Root of the cluster that a face is in, -1 where it is in none of them. */
  placeOf(slot: number): number {
    const place = this.#itemOf(slot)
    return place < 0 ? -1 : this.root(place)
  }

  #itemOf(slot: number): number {
    let at = this.family.singles[slot]
    while (at && at.run !== this.#run) at = at.up
    return at ? at.place : -1
  }

  #refuse(root: number, people: ReadonlySet<number> | undefined): void {
    if (people) this.#not[root] = new Set([...(this.#not[root] ?? []), ...people])
  }

  /** Places that are roots, in canonical order. */
  roots(): number[] {
    const found: number[] = []
    for (let i = 0; i < this.items.length; i++) if (this.#parent[i] === i) found.push(i)
    return found
  }

  /** What has come together at a root. */
  members(root: number): Cluster[] {
    const found: Cluster[] = []
    for (let i = root; i >= 0; i = this.#next[i]!) found.push(this.items[i]!)
    return found
  }

  /** Whether the ledger allows the two to be one. */
  allowed(a: number, b: number): boolean {
    const la = this.label[a]!
    const lb = this.label[b]!
    if (la >= 0 && lb >= 0 && la !== lb) return false
    return !(lb >= 0 && this.#not[a]?.has(lb)) && !(la >= 0 && this.#not[b]?.has(la))
  }

  /** Pictures in which both clusters are seen as two people, as a share of the smaller cluster. */
  conflictShare(a: number, b: number): number {
    const { items, family } = this
    if (this.version[a] === 0 && this.version[b] === 0 && this.apart?.(items[a]!, items[b]!)) return 0
    const [small, large] = this.sums(a).count <= this.sums(b).count ? [a, b] : [b, a]
    let found = 0
    for (let at = small; at >= 0; at = this.#next[at]!) {
      for (const i of items[at]!.conflicted) {
        for (const j of family.conflicts.of[i]!) {
          if (this.placeOf(j) === large) {
            found++
            break
          }
        }
      }
    }
    return found / this.sums(small).count
  }

  /** Weighted average of the scores of all pairs between two clusters, without what the pictures say. */
  average(a: number, b: number): number {
    return averageScore(this.sums(a), this.sums(b), this.family.table.calibrations)
  }

  /** The score on which joining is decided, before the ledger: what does not reach the threshold is no more than that. */
  unsaid(a: number, b: number): number {
    const { options } = this.family
    const average = this.average(a, b) + slack(this.sums(a), this.sums(b), options)
    if (average < options.threshold) return average
    return average - options.conflictPenalty * this.conflictShare(a, b)
  }

  /** A score that was worked out, -Infinity where it would do and the ledger forbids it. */
  said(a: number, b: number, score: number): number {
    if (score < this.family.options.threshold || this.allowed(a, b)) return score
    this.free = false
    return -Infinity
  }

  score(a: number, b: number): number {
    return this.said(a, b, this.unsaid(a, b))
  }

  /** Joins two roots; the one with the canonically first face names the result. */
  join(a: number, b: number): void {
    const [keep, gone] = a < b ? [a, b] : [b, a]
    if (this.doubled[gone] || this.conflictShare(keep, gone) > 0) this.doubled[keep] = 1
    this.#parent[gone] = keep
    this.version[keep]!++
    if (this.label[keep]! < 0) this.label[keep] = this.label[gone]!
    this.#next[this.#last[keep]!] = gone
    this.#last[keep] = this.#last[gone]!
    this.#refuse(keep, this.#not[gone])
    this.#sums[keep] = added(this.sums(keep), this.sums(gone))
  }
}

/**
 * The average over many faces of two children is surer than one pair: the noise of single pictures is gone from it, strangers and siblings
 * lie far below. What a pair of pictures must exceed, two clusters need not.
 */
function slack(a: Sums, b: Sums, { childSlack, childSlackOfMany }: AgglomerateOptions): number {
  if (a.children === 0 && b.children === 0) return 0
  const adults = (a.adults * b.adults) / ((a.adults + a.children) * (b.adults + b.children))
  return (1 - adults) * (childSlack + childSlackOfMany * (1 - 1 / Math.sqrt(Math.min(a.count, b.count))))
}

/** Least average scores that joining can come from. */
export const floorsOf = ({ threshold, childSlack, childSlackOfMany }: AgglomerateOptions) => ({
  adults: threshold,
  children: threshold - childSlack - childSlackOfMany,
})

/**
 * Single faces -> clusters: best pair first along their best matches until no pair reaches the threshold, then whole clusters with each other
 * (matches inside one burst can fill a face's list). A function of the faces, given in canonical order.
 */
export function joinFaces(family: Family, faces: readonly Cluster[], earlier?: Joined): Joined {
  const joining = new Joining(family, faces)
  const heap = new CandidateHeap()
  const [raw, young] = family.close.kernels
  const { threshold, childSlack } = family.options
  const slots = faces.map(face => face.first)
  const lists = findNeighbours(family.table, slots, [raw, young], { floor: threshold - childSlack })
  for (const [a, b, score] of edges(lists)) heap.push({ score, a, b, va: -1, vb: -1 })
  drain(joining, heap)
  return finish(joining, heap, earlier)
}

/** What joining gives. */
export interface Joined {
  clusters: readonly Cluster[]
  /** Whether the clusters would be the same, had nothing been said: then they are, whatever is said, as long as they agree with it. */
  free: boolean
}

/** What a run of `joinHalves` leaves to the next one: pairs that may be joined, with their scores before the ledger, and the clusters whose pairs they are. */
export interface Pairs {
  of: ReadonlySet<Cluster>
  close: readonly { readonly low: Cluster; readonly high: Cluster; readonly score: number }[]
}

/**
 * The clusters of two sets of faces -> those of both together. Pairs within one of the sets were judged there: only pairs across are new, and
 * pairs with what comes together here. A function of the two sets; what an earlier run looked at only saves time.
 * @param apart no picture shows faces of both sets.
 */
export function joinHalves(
  family: Family,
  low: readonly Cluster[],
  high: readonly Cluster[],
  apart: boolean,
  earlier?: Joined & { readonly pairs?: Pairs },
): Joined & { pairs: Pairs } {
  const { table, close } = family
  const seen = earlier?.pairs
  const items = [...low, ...high].sort(byFirst(table))
  const ofLow = new Set(low)
  const joining = new Joining(family, items, apart ? (a, b) => ofLow.has(a) !== ofLow.has(b) : undefined)
  const of = new Set(items)
  const pairs = seen ? seen.close.filter(pair => of.has(pair.low) && of.has(pair.high)) : []
  const look = (one: Cluster, other: Cluster): void => {
    const score = joining.unsaid(Math.min(one.place, other.place), Math.max(one.place, other.place))
    if (score >= family.options.threshold) pairs.push({ low: one, high: other, score })
  }
  const sums = (clusters: readonly Cluster[]): Sums[] => clusters.map(cluster => joining.sums(cluster.place))
  const isNew = (cluster: Cluster): boolean => !seen?.of.has(cluster)
  const newLow = low.filter(isNew)
  const newHigh = high.filter(isNew)
  const oldLow = seen ? low.filter(cluster => !isNew(cluster)) : []
  const floors = floorsOf(family.options)
  close.find(sums(newLow), sums(high), floors, (a, b) => look(newLow[a]!, high[b]!))
  close.find(sums(newHigh), sums(oldLow), floors, (b, a) => look(oldLow[a]!, newHigh[b]!))
  const heap = new CandidateHeap()
  for (const pair of pairs) push(joining, heap, pair.low.place, pair.high.place, pair.score)
  drain(joining, heap)
  return { ...finish(joining, heap, earlier), pairs: { of, close: pairs } }
}

/** Order by the canonically first face; comparing the first number settles nearly all. */
export const byFirst =
  (table: FaceTable) =>
  (a: Cluster, b: Cluster): number =>
    table.compare(a.first, b.first)

/** Remembers two roots where they may be joined. */
function push(joining: Joining, heap: CandidateHeap, p: number, q: number, unsaid: number): void {
  const a = Math.min(p, q)
  const b = Math.max(p, q)
  const score = joining.said(a, b, unsaid)
  if (score >= joining.family.options.threshold)
    heap.push({ score, a, b, va: joining.version[a]!, vb: joining.version[b]! })
}

/** Joins whole clusters until none reaches the threshold with one that came together here; answers what there is then. */
function finish(joining: Joining, heap: CandidateHeap, earlier?: Joined): Joined {
  const { family, version } = joining
  const known = new Map<Cluster, Cluster>()
  for (const cluster of earlier?.clusters ?? []) if (cluster.parts.length) known.set(cluster.parts[0]!, cluster)
  const same = (root: number): Cluster | undefined => {
    const cluster = known.get(joining.items[root]!)
    return cluster && equal(cluster.parts, joining.members(root)) ? cluster : undefined
  }
  // What an earlier run left side by side it found not to be one, unless it was only the ledger that said so.
  const stood = new Set(earlier?.free ? earlier.clusters : [])
  const stands = (root: number): boolean => {
    const cluster = version[root] === 0 ? joining.items[root]! : same(root)
    return cluster !== undefined && stood.has(cluster)
  }
  const seen = new Int32Array(joining.items.length)
  // Rounds end because each one joins something.
  for (;;) {
    const several = joining.roots().filter(i => joining.sums(i).count > 1)
    const grown = several.filter(i => version[i] !== seen[i])
    if (grown.length === 0) break
    for (const i of grown) seen[i] = version[i]!
    const fresh = stood.size ? several.filter(i => !stands(i)) : grown
    const order = new Map(fresh.map((i, k) => [i, k]))
    family.close.find(
      fresh.map(i => joining.sums(i)),
      several.map(i => joining.sums(i)),
      floorsOf(family.options),
      (x, y) => {
        const a = fresh[x]!
        const b = several[y]!
        const other = order.get(b)
        if (a === b || (other !== undefined && other < x)) return
        if (version[a] === 0 && version[b] === 0) return
        push(joining, heap, a, b, joining.unsaid(Math.min(a, b), Math.max(a, b)))
      },
    )
    if (heap.size === 0 || drain(joining, heap) === 0) break
  }
  const clusters = joining.roots().map(root => {
    if (version[root] === 0) return joining.items[root]!
    const cluster = same(root)
    if (!cluster) return Cluster.of(joining.members(root), joining.doubled[root] === 1, joining.sums(root))
    for (const part of cluster.parts) part.up = cluster
    return cluster
  })
  const whole = earlier && equal(clusters, earlier.clusters) ? earlier.clusters : clusters
  return { clusters: whole, free: joining.free }
}

/** Joins best pairs first; a pair whose clusters changed since it was scored is scored again. Returns how many were joined. */
function drain(joining: Joining, heap: CandidateHeap): number {
  const { version } = joining
  const { options } = joining.family
  const scored = new Map<number, number>()
  let joined = 0
  for (let top = heap.pop(); top; top = heap.pop()) {
    const p = joining.root(top.a)
    const q = joining.root(top.b)
    if (p === q) continue
    const a = Math.min(p, q)
    const b = Math.max(p, q)
    const va = version[a]!
    const vb = version[b]!
    if (a === top.a && b === top.b && va === top.va && vb === top.vb) {
      joining.join(a, b)
      joined++
      continue
    }
    // Versions only grow, so their sum tells one state of the pair from another.
    const key = a * joining.items.length + b
    const state = va + vb
    if (scored.get(key) === state) continue
    scored.set(key, state)
    const score = joining.score(a, b)
    if (score >= options.threshold) heap.push({ score, a, b, va, vb })
  }
  return joined
}

/** Whether two lists hold the very same things in the same order. */
export const equal = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i])

/**
 * Whether these clusters are what joining would give again now that something else was said of some faces: nothing that was said before
 * mattered, and nobody is two people, or one that he is not.
 */
export function holds(family: Family, { clusters, free }: Joined, touched: readonly number[]): boolean {
  if (!free) return false
  const { label, not } = family.words
  const of = new Set(clusters)
  const looked = new Set<Cluster>()
  for (const slot of touched) {
    let at = family.singles[slot]
    while (at && !of.has(at)) at = at.up
    if (!at || looked.has(at)) continue
    looked.add(at)
    if (at.count === 1) continue
    const people = new Set<number>()
    const refused = new Set<number>()
    for (const i of at.slots) {
      const person = label.get(i)
      if (person !== undefined) people.add(person)
      const no = not.get(i)
      if (no) for (const other of no) refused.add(other)
    }
    if (people.size > 1 || [...people].some(person => refused.has(person))) return false
  }
  return true
}
