import { DIMENSIONS } from './age-groups.js'
import { ageError } from './child-proposals.js'
import type { Conflicts } from './conflicts.js'
import type { Sample } from './discriminator.js'
import { discriminate } from './discriminator.js'
import type { FinalClusters } from './final-clusters.js'
import type { Said } from './ledger.js'
import { dot } from './score.js'
import { YEAR } from './year.js'

/** Named children who look alike, and what telling them apart came to. */
export interface LookAlikes {
  /** The people in question, by id, in order. */
  people: string[]
  /** Faces that are one of them. */
  faces: number
  /** Faces of which it stays open which one. */
  open: number
  /** Pairs of faces of one picture that checked the discriminator without a parent's word. */
  pairs: number
  /** Share of single faces told rightly by the face alone, from those pairs or from confirmed faces left out; 0.5 is chance. Absent where too few. */
  accuracy?: number
}

/** Who a face may be, likeliest first, with probabilities. */
export type Possible = readonly { person: string; probability: number }[]

/** What is decided about faces beyond their clusters. */
export interface Verdicts {
  /** Face index -> the person that it is. */
  person: ReadonlyMap<number, string>
  /** Face index -> the people it may be: one of them it is, or hardly anybody else, but which one cannot be told. */
  open: ReadonlyMap<number, Possible>
  /** Root of a cluster without a name -> named children it may be, by the average score with each as it looked then, best first. */
  near: ReadonlyMap<number, readonly { person: string; score: number }[]>
  /** Face index -> which of the look-alikes it is likeliest, or itself alone, for faces of clusters that may be of several of them. */
  parts: ReadonlyMap<number, string | number>
  /** Named children that were looked at. */
  children: ReadonlySet<string>
  groups: LookAlikes[]
}

/** Children compared with each other at most: few enough that all arrangements of a picture can be tried. */
const CLASSES = 6
/** Average score of the clusters of two named children from which they are look-alikes; strangers are at about -1.6. */
const ALIKE = -1.4
/**
 * Average score, against a child as it looked at that time, from which a single face and a cluster of many are taken for that child. On simulated
 * families (of other seeds than the bench draws) the children's own clusters lie above -0.8, strangers' below but for one in twenty. More is asked of
 * many faces, because a mistake costs more and one question settles it.
 */
const JOINS = -0.45
const JOINS_OF_MANY = -0.1
/** How often clusters are looked through again for a child that is better known by then, at most. */
const ROUNDS = 4
/** Average score from which a parent may be asked whether a cluster is that child. */
const ASKED = -1.2
/** Average score from which a cluster beside look-alikes may hold faces of several of them, and how much its faces count for how they look. */
const MIXED = -1.2
const MAYBE = 0.5
/** Probability from which such a face is taken for one of them among the others of its cluster. */
const PART = 0.97
/** Share of pictures of a cluster that show it beside the child, from which it is somebody else; among look-alikes it may as well be of two people. */
const BESIDE = 0.1
const BESIDE_ALIKE = 0.5
/** Share of wrong faces among those that are told, at most, by the discriminator's own probabilities; and the least probability of a told face. */
const WRONG = 0.004
const LEAST = 0.9
const DAY = 24 * 3600 * 1000
/** Pictures within this time are one moment, ms. */
const MOMENT = 2 * 3600 * 1000
/** Width of an age band, ms, and bands at most. */
const BAND = 1 * YEAR
const BANDS = 24
/** Weight of a band next to a face's own; of one further away half of that, and so on: a child is compared as it looked about then. */
const NEXT = 0.5
/** What the estimated age says about look-alikes is repeated from picture to picture: one person always looks old or young. */
const AGE_TRUST = 0.5

interface Child {
  id: string
  number: number
  roots: number[]
  birth?: number
}

/**
 * Tells named children who look alike apart, and finds clusters that are one of them at another age: by their likeness to each child as it looked at
 * that time, learned from what parents confirmed and from pictures that show two of them. What cannot be told stays open. A pure function of the
 * clusters.
 */
export function tellApart(
  clusters: FinalClusters,
  conflicts: Conflicts,
  said: Said,
  people: readonly string[],
  births: ReadonlyMap<string, number>,
): Verdicts {
  const person = new Map<number, string>()
  const open = new Map<number, Possible>()
  const near = new Map<number, { person: string; score: number }[]>()
  const parts = new Map<number, string | number>()
  const groups: LookAlikes[] = []
  const sets = lookAlikesOf(clusters, said, people, births)
  if (sets.length === 0) return { person, open, near, parts, children: new Set(), groups }
  const bands = bandsOf(clusters, sets.flat())
  const prototypes = new Map(sets.flat().map(child => [child, new Prototype(clusters, bands, child.roots)]))
  const joined = joinByTime(clusters, said, sets, prototypes, near)
  for (const set of sets) {
    const roots = [...joined].filter(([, child]) => set.includes(child)).map(([root]) => root)
    if (set.length === 1) {
      for (const root of roots) for (const i of clusters.members(root)) person.set(i, set[0]!.id)
      continue
    }
    const maybe = [...near]
      .filter(([, who]) => who.some(w => w.score >= MIXED && set.some(child => child.id === w.person)))
      .map(([root]) => root)
    groups.push(decideSet(clusters, conflicts, said, set, { roots, maybe }, { person, open, parts }))
  }
  return { person, open, near, parts, children: new Set(sets.flat().map(child => child.id)), groups }
}

/** Named children, in sets of those who are alike; one who is like nobody is a set of its own. */
function lookAlikesOf(
  clusters: FinalClusters,
  said: Said,
  people: readonly string[],
  births: ReadonlyMap<string, number>,
): Child[][] {
  const byLabel = new Map<number, number[]>()
  clusters.label.forEach((label, root) => {
    if (label < 0) return
    const list = byLabel.get(label)
    if (list) list.push(root)
    else byLabel.set(label, [root])
  })
  const sets: Child[][] = []
  const ordered = [...byLabel].sort((a, b) => (people[a[0]]! < people[b[0]]! ? -1 : 1))
  for (const [number, roots] of ordered) {
    const id = people[number]!
    const about = said.attributes.get(id)
    if (
      !about ||
      about.hidden ||
      (about.childId === undefined && (about.name === undefined || !young(clusters, roots)))
    )
      continue
    const birth = about.childId === undefined ? undefined : births.get(about.childId)
    const child: Child = { id, number, roots, ...(birth === undefined ? {} : { birth }) }
    const alike = sets.filter(set =>
      set.some(other => child.roots.some(a => other.roots.some(b => clusters.average(a, b) > ALIKE))),
    )
    const together = [...alike.flat(), child]
    if (together.length > CLASSES) {
      sets.push([child])
      continue
    }
    for (const set of alike) sets.splice(sets.indexOf(set), 1)
    sets.push(together)
  }
  return sets
}

/** Whether most faces are of a child. */
function young(clusters: FinalClusters, roots: readonly number[]): boolean {
  let [children, all] = [0, 0]
  for (const root of roots)
    for (const i of clusters.members(root)) {
      all++
      children += clusters.family.table.child[i]!
    }
  return 2 * children > all
}

/** Bands of capture time that the faces of the given children fall into; -1 for a face without a date. */
interface Bands {
  count: number
  of: (takenAt: number | undefined) => number
}

function bandsOf(clusters: FinalClusters, children: readonly Child[]): Bands {
  let first = Infinity
  let last = -Infinity
  for (const { roots } of children)
    for (const root of roots)
      for (const i of clusters.members(root)) {
        const at = clusters.family.table.faces[i]!.takenAt
        if (at === undefined) continue
        first = Math.min(first, at)
        last = Math.max(last, at)
      }
  const span = Math.max(0, last - first)
  const count = Number.isFinite(span) ? Math.min(BANDS, 1 + Math.floor(span / BAND)) : 1
  return {
    count,
    of: takenAt =>
      takenAt === undefined
        ? -1
        : Math.max(0, Math.min(count - 1, Math.floor(((takenAt - first) / Math.max(1, span)) * count))),
  }
}

/** How a child looked, by band: sums of its faces. */
class Prototype {
  readonly #sums: Float64Array[]
  readonly #weights: Float64Array
  /** By band, of all bands by nearness; the last for a face without a date. */
  #looks: { sum: Float64Array; weight: number }[] | undefined

  constructor(
    readonly clusters: FinalClusters,
    readonly bands: Bands,
    roots: readonly number[],
  ) {
    this.#sums = Array.from({ length: bands.count + 1 }, () => new Float64Array(DIMENSIONS))
    this.#weights = new Float64Array(bands.count + 1)
    for (const root of roots) this.add(root)
  }

  add(root: number): void {
    const { table } = this.clusters.family
    for (const i of this.clusters.members(root)) {
      const band = this.bands.of(table.faces[i]!.takenAt)
      const at = band < 0 ? this.bands.count : band
      const w = table.weight[i]!
      const sum = this.#sums[at]!
      for (let k = 0; k < DIMENSIONS; k++) sum[k]! += w * table.own[i * DIMENSIONS + k]!
      this.#weights[at]! += w
    }
    this.#looks = undefined
  }

  /** Average cosine of a face with the child's faces, those of about its time counting most. */
  cosine(i: number): number {
    const { table } = this.clusters.family
    this.#looks ??= this.#near()
    const band = this.bands.of(table.faces[i]!.takenAt)
    const { sum, weight } = this.#looks[band < 0 ? this.bands.count : band]!
    return weight > 0 ? dot(table.own, i * DIMENSIONS, sum, 0) / weight : -1
  }

  #near(): { sum: Float64Array; weight: number }[] {
    const { count } = this.bands
    return Array.from({ length: count + 1 }, (_, to) => {
      const sum = new Float64Array(DIMENSIONS)
      let weight = 0
      for (let from = 0; from <= count; from++) {
        const by = to === count || from === count ? NEXT ** 2 : NEXT ** Math.abs(to - from)
        weight += by * this.#weights[from]!
        for (let k = 0; k < DIMENSIONS; k++) sum[k]! += by * this.#sums[from]![k]!
      }
      return { sum, weight }
    })
  }
}

/** Clusters without a name that are a child at some age, best first; each that is found makes the child better known. */
function joinByTime(
  clusters: FinalClusters,
  said: Said,
  sets: readonly (readonly Child[])[],
  prototypes: ReadonlyMap<Child, Prototype>,
  near: Map<number, { person: string; score: number }[]>,
): Map<number, Child> {
  const { table } = clusters.family
  const { zero, unit } = table.calibrations.children
  const children = sets.flat()
  const beside = new Map(
    sets.flatMap(set => set.map(child => [child, set.length > 1 ? BESIDE_ALIKE : BESIDE] as const)),
  )
  const joined = new Map<number, Child>()
  const taken = new Map(children.map(child => [child, [...child.roots]]))
  const free = clusters.clusters.flatMap((_, root) =>
    clusters.label[root]! < 0 &&
    !said.nobody.has(table.faces[clusters.clusters[root]!.first]!.id) &&
    young(clusters, [root])
      ? [root]
      : [],
  )
  const scoresOf = (root: number): { child: Child; score: number }[] =>
    children
      .flatMap(child => {
        const prototype = prototypes.get(child)!
        if (clusters.members(root).some(i => clusters.demands.not.get(i)?.has(child.number))) return []
        if (taken.get(child)!.some(other => clusters.conflictShare(root, other) > beside.get(child)!)) return []
        let [sum, weight] = [0, 0]
        for (const i of clusters.members(root)) {
          const at = table.faces[i]!.takenAt
          if (child.birth !== undefined && at !== undefined && at < child.birth - DAY) return []
          sum += table.weight[i]! * prototype.cosine(i)
          weight += table.weight[i]!
        }
        return [{ child, score: (sum / weight - zero) / unit }]
      })
      .sort((a, b) => b.score - a.score || (a.child.id < b.child.id ? -1 : 1))
  const over = (root: number, { score }: { score: number }): number =>
    score - (JOINS + (JOINS_OF_MANY - JOINS) * (1 - 1 / Math.sqrt(clusters.count[root]!)))
  for (let round = 0; round < ROUNDS; round++) {
    const able = free
      .filter(root => !joined.has(root))
      .map(root => ({ root, best: scoresOf(root)[0] }))
      .flatMap(({ root, best }) => (best && over(root, best) >= 0 ? [{ root, over: over(root, best) }] : []))
      .sort((a, b) => b.over - a.over || a.root - b.root)
    let more = false
    for (const { root } of able) {
      // The child is better known by now, and may be in one of these pictures.
      const [best] = scoresOf(root)
      if (!best || over(root, best) < 0) continue
      joined.set(root, best.child)
      prototypes.get(best.child)!.add(root)
      taken.get(best.child)!.push(root)
      more = true
    }
    if (!more) break
  }
  for (const root of free) {
    if (joined.has(root)) continue
    const possible = scoresOf(root).filter(s => s.score >= ASKED)
    if (possible.length)
      near.set(
        root,
        possible.map(({ child, score }) => ({ person: child.id, score })),
      )
  }
  return joined
}

/** Tells the faces of a set of look-alikes apart: those of their clusters, and those of clusters that may be theirs among themselves. */
function decideSet(
  clusters: FinalClusters,
  conflicts: Conflicts,
  said: Said,
  set: readonly Child[],
  found: { roots: readonly number[]; maybe: readonly number[] },
  into: { person: Map<number, string>; open: Map<number, Possible>; parts: Map<number, string | number> },
): LookAlikes {
  const { table } = clusters.family
  const maybe = new Set(found.maybe)
  const roots = [...set.flatMap(child => child.roots), ...found.roots, ...maybe].sort((a, b) => a - b)
  const indexes = roots.flatMap(root => [...clusters.members(root)])
  const place = new Map(indexes.map((i, k) => [i, k]))
  const moments = momentsOf(clusters, indexes)
  const samples = indexes.map((i, k): Sample => {
    const face = table.faces[i]!
    const root = clusters.root(i)
    const start = set.findIndex(child => child.roots.includes(root))
    const confirmed = said.confirmed.get(face.id)
    const known = set.findIndex(child => child.id === confirmed)
    return {
      at: i * DIMENSIONS,
      weight: table.weight[i]! * (maybe.has(root) ? MAYBE : 1),
      ...(face.takenAt === undefined ? {} : { time: face.takenAt }),
      moment: moments[k]!,
      cluster: root,
      ...(known < 0 ? {} : { known }),
      ...(start < 0 ? {} : { start }),
      evidence: set.map(child => {
        if (said.not.get(face.id)?.has(child.id)) return -Infinity
        if (child.birth === undefined || face.takenAt === undefined) return 0
        if (face.takenAt < child.birth - DAY) return -Infinity
        const age = (face.takenAt - child.birth) / YEAR
        return -AGE_TRUST * 0.5 * ((face.age - age) / Math.hypot(ageError(age), 0.5 * face.ageSpread)) ** 2
      }),
    }
  })
  const apart = indexes.flatMap((i, k) =>
    conflicts[i]!.flatMap(j => {
      const l = place.get(j)
      return l === undefined || l <= k ? [] : [[k, l] as const]
    }),
  )
  const told = discriminate(table.own, samples, apart, set.length)
  const surest = told.posterior
    .map((p, k) => ({ k, c: p.indexOf(Math.max(...p)), p: Math.max(...p) }))
    .sort((a, b) => b.p - a.p || a.k - b.k)
  let wrong = 0
  let [all, unsure] = [0, 0]
  for (const { k, c, p } of surest) {
    const i = indexes[k]!
    if (maybe.has(clusters.root(i))) {
      into.parts.set(i, p >= PART ? set[c]!.id : i)
      continue
    }
    all++
    wrong += 1 - p
    if (p >= LEAST && wrong <= WRONG * all) {
      into.person.set(i, set[c]!.id)
      continue
    }
    unsure++
    into.open.set(
      i,
      set
        .map((child, c) => ({ person: child.id, probability: told.posterior[k]![c]! }))
        .filter(({ probability }) => probability > 0.01)
        .sort((a, b) => b.probability - a.probability || (a.person < b.person ? -1 : 1)),
    )
  }
  return {
    people: set.map(child => child.id),
    faces: all,
    open: unsure,
    pairs: told.pairs,
    ...(told.accuracy === undefined ? {} : { accuracy: told.accuracy }),
  }
}

/** A number for each face's moment: pictures that follow each other closely, or the item alone where there is no date. */
function momentsOf(clusters: FinalClusters, indexes: readonly number[]): number[] {
  const { faces } = clusters.family.table
  const items = new Map<string, number>()
  const at = (k: number): number | undefined => faces[indexes[k]!]!.takenAt
  const byTime = indexes
    .map((_, k) => k)
    .filter(k => at(k) !== undefined)
    .sort((a, b) => at(a)! - at(b)!)
  const moments = new Array<number>(indexes.length).fill(-1)
  let moment = 0
  byTime.forEach((k, n) => {
    if (n > 0 && at(k)! - at(byTime[n - 1]!)! > MOMENT) moment++
    moments[k] = moment
  })
  return moments.map((m, k) => {
    if (m >= 0) return m
    const media = faces[indexes[k]!]!.mediaId
    if (!items.has(media)) items.set(media, moment + 1 + items.size)
    return items.get(media)!
  })
}
