import { DIMENSIONS } from './age-groups.js'
import { YEAR } from './year.js'

/** A face as the discriminator sees it. Classes are the people in question, by number. */
export interface Sample {
  /** Where its vector begins in the flat array of vectors. */
  at: number
  /** 0..1, how much it counts. */
  weight: number
  /** Capture time in epoch milliseconds, where it is known. */
  time?: number
  /** Faces with one number were seen in one moment: they share what is not the person, and never vouch for each other. */
  moment: number
  /** Faces with one number were sorted together before. */
  cluster: number
  /** The class that a parent said. */
  known?: number
  /** The class whose name its cluster bears. */
  start?: number
  /** Evidence for each class that is not in the vector, as a logarithm; -Infinity where it cannot be. */
  evidence: readonly number[]
}

/** What comes of telling faces apart. */
export interface Told {
  /** Probability of each class, by sample. */
  posterior: number[][]
  /** Pairs of faces of one picture that checked it. */
  pairs: number
  /** Share of single faces told rightly by what they look like, estimated from those pairs or from confirmed faces left out; 0.5 is chance. */
  accuracy?: number
}

/** Width of an age band; a child's face changes much within two years, and a band needs pictures. */
const BAND = 1.5 * YEAR
const BANDS = 12
/** Faces of a band's own from which it counts more than the whole of the person. */
const BAND_PRIOR = 4
/** Share of the noise that is taken for equal in all directions: a few hundred faces do not show 128 of them. */
const SHRINK = 0.3
/** Faces from which it is learned, at most; the others are judged by it. */
const LEARNED = 1200
/**
 * How far the name of a face's cluster is believed, at least and at most, in log odds, and which share of a cluster may be somebody else, at least and at
 * most. Where faces agree with their clusters these are believed; those of twins are mixed often enough that a face must speak for itself (on simulated twins,
 * one of the bench's among them, shares of 0.06 and 0.2 for all gave pair precisions down to 0.84 and 0.91).
 */
const START = [0.3, 2] as const
const IMPURE = [0.1, 0.4] as const
/** Accuracy of single faces from which they can tell how pure clusters are, and share of faces that agree with them from which they are believed. */
const TELLING = 0.75
const AGREED = 0.985
/** Correlation of what two faces of one cluster say. */
const ALIKE = 0.3
/** Log odds against one person twice in a picture; finite, because a face may be of neither. */
const TWICE = 5
const LEARNING = 2
const STEPS = 3
/** Parts of which each is judged once by what the others taught. */
const FOLDS = 3
/** Fewer pairs of faces of one picture, or confirmed faces, say nothing about accuracy. */
const CHECKS = 8
/** How much surer than right the discriminator may be, at most; by how much it is calmed where nothing checks it. */
const CALM = [1, 1.3, 1.7, 2.2, 3, 4, 6, 9, 15, 30]
const UNCHECKED: Trust = { calm: 2, start: START[0], impure: IMPURE[1] }

/** How far what is known is believed. */
interface Trust {
  /** By which log likelihoods are divided. */
  calm: number
  /** Log odds of the name of a face's cluster. */
  start: number
  /** Share of a cluster that may be somebody else. */
  impure: number
}

/**
 * Tells samples of look-alikes apart by a linear discriminator per age band, learned from all of them at once: from what is known, from the clusters
 * in which they stand, and from pairs of one picture, who are two people. Each sample is judged by means that nothing of its own moment is in. How sure
 * it may be is measured on what it was not told: how often the two of one picture come out as two.
 *
 * @param vectors flat array of vectors of length 1 to which `at` refers
 * @param apart pairs of samples that are two people
 */
export function discriminate(
  vectors: Float32Array,
  samples: readonly Sample[],
  apart: readonly (readonly [number, number])[],
  classes: number,
): Told {
  // What a face looks like goes into how the others are told, and comes back from there: accuracy is known only from faces that were left out.
  const likelihood = samples.map(() => new Array<number>(classes).fill(0))
  for (let fold = 0; fold < FOLDS; fold++) {
    const out = new Set(samples.flatMap((s, i) => (s.moment % FOLDS === fold ? [i] : [])))
    const judged = new Discriminator(vectors, samples, apart, classes, UNCHECKED, out).learn()
    for (const i of out) likelihood[i] = judged[i]!
  }
  const { trust, accuracy } = check(samples, apart, likelihood)
  const all = new Discriminator(vectors, samples, apart, classes, trust, new Set())
  all.learn()
  return { posterior: all.posterior, pairs: apart.length, ...(accuracy === undefined ? {} : { accuracy }) }
}

class Discriminator {
  readonly #hats: (readonly [number, number])[][]
  readonly #bands: number
  readonly #learned: number[]
  readonly #clusters = new Map<number, number[]>()
  readonly #moments = new Map<number, number[]>()
  readonly #pictures: number[][]
  readonly #apart: Map<number, Set<number>>
  /** Samples in coordinates in which the noise is the same in all directions. */
  #white: Float64Array
  posterior: number[][]
  /** Log likelihoods of the vector alone. */
  #likelihood: number[][]

  constructor(
    private readonly vectors: Float32Array,
    private readonly samples: readonly Sample[],
    pairs: readonly (readonly [number, number])[],
    private readonly classes: number,
    private readonly trust: Trust,
    /** Samples that are judged only. */
    private readonly out: ReadonlySet<number>,
  ) {
    const times = samples.flatMap(s => (s.time === undefined ? [] : [s.time]))
    const first = times.reduce((a, b) => Math.min(a, b), Infinity)
    const span = times.reduce((a, b) => Math.max(a, b), -Infinity) - first
    const steps = times.length ? Math.min(BANDS - 1, Math.ceil(span / BAND)) : 0
    this.#bands = steps + 1
    // Between the middles of two bands a face belongs to both; without a date to none, and is judged by the whole.
    this.#hats = samples.map(s => {
      if (s.time === undefined) return []
      const place = steps === 0 ? 0 : ((s.time - first) / span) * steps
      const low = Math.min(steps, Math.floor(place))
      const high = Math.min(steps, low + 1)
      return high === low ? [[low, 1]] : [[low, 1 - (place - low)] as const, [high, place - low] as const]
    })
    samples.forEach((s, i) => {
      push(this.#clusters, s.cluster, i)
      push(this.#moments, s.moment, i)
    })
    this.#apart = new Map()
    for (const [a, b] of pairs) {
      this.#apart.set(a, (this.#apart.get(a) ?? new Set()).add(b))
      this.#apart.set(b, (this.#apart.get(b) ?? new Set()).add(a))
    }
    this.#pictures = picturesOf(pairs)
    this.#learned = this.#choose()
    this.#white = new Float64Array(samples.length * DIMENSIONS)
    this.posterior = samples.map(s => normal(this.#prior(s)))
    this.#likelihood = samples.map(() => new Array<number>(classes).fill(0))
  }

  /** Learns, and answers the log likelihoods of what each face looks like. */
  learn(): readonly number[][] {
    for (let round = 0; round < LEARNING; round++) {
      this.#whiten(round === LEARNING - 1)
      for (let step = 0; step < STEPS; step++) {
        this.#judge()
        this.#conclude()
      }
    }
    return this.#likelihood
  }

  /** Samples to learn from: known ones, those of pictures with two, then the best, spread over the moments. */
  #choose(): number[] {
    const all = this.samples.flatMap((_, i) => (this.out.has(i) ? [] : [i]))
    if (all.length <= LEARNED) return all
    const rank = new Map<number, number>()
    for (const list of this.#moments.values())
      [...list]
        .sort((a, b) => this.samples[b]!.weight - this.samples[a]!.weight || a - b)
        .forEach((i, k) => rank.set(i, k))
    const worth = (i: number): number =>
      this.samples[i]!.known !== undefined ? -2 : this.#apart.has(i) ? -1 : rank.get(i)!
    return all
      .sort((a, b) => worth(a) - worth(b) || this.samples[b]!.weight - this.samples[a]!.weight || a - b)
      .slice(0, LEARNED)
      .sort((a, b) => a - b)
  }

  #prior(s: Sample): number[] {
    return s.evidence.map((e, c) =>
      s.known !== undefined ? (s.known === c ? 0 : -Infinity) : e + (s.start === c ? this.trust.start : 0),
    )
  }

  /** Turns the vectors so that what pictures of one person differ by is the same in all directions. */
  #whiten(all: boolean): void {
    const { vectors, samples } = this
    const whole = this.#sums(i => vectors.subarray(samples[i]!.at, samples[i]!.at + DIMENSIONS))
    const scatter = new Float64Array(DIMENSIONS * DIMENSIONS)
    const rest = new Float64Array(DIMENSIONS)
    const middle = new Float64Array(DIMENSIONS)
    let total = 0
    for (const i of this.#learned) {
      const { at, weight } = samples[i]!
      this.posterior[i]!.forEach((p, c) => {
        if (p < 0.05) return
        this.#middle(whole, i, c, middle, false)
        for (let k = 0; k < DIMENSIONS; k++) rest[k] = vectors[at + k]! - middle[k]!
        const by = p * weight
        total += by
        for (let k = 0; k < DIMENSIONS; k++) {
          const left = by * rest[k]!
          for (let l = 0; l <= k; l++) scatter[k * DIMENSIONS + l]! += left * rest[l]!
        }
      })
    }
    let trace = 0
    for (let k = 0; k < DIMENSIONS; k++) trace += scatter[k * DIMENSIONS + k]!
    const even = (SHRINK * trace) / DIMENSIONS + 1e-6 * total
    for (let k = 0; k < DIMENSIONS; k++)
      for (let l = 0; l <= k; l++) {
        const at = k * DIMENSIONS + l
        scatter[at] = ((1 - SHRINK) * scatter[at]! + (k === l ? even : 0)) / (total || 1)
      }
    const root = cholesky(scatter)
    // Those that are only judged wait for the last round.
    for (const i of all ? samples.keys() : this.#learned)
      solve(root, vectors, samples[i]!.at, this.#white, i * DIMENSIONS)
  }

  /** Sums per class and band, and per class over all, of vectors that `of` answers. */
  #sums(of: (i: number) => ArrayLike<number>): Sums {
    const { classes } = this
    const bands = this.#bands
    const sums: Sums = {
      of,
      bySum: Array.from({ length: classes * (bands + 1) }, () => new Float64Array(DIMENSIONS)),
      byCount: new Float64Array(classes * (bands + 1)),
    }
    for (const i of this.#learned) this.#add(sums, i, 1)
    return sums
  }

  #add(sums: Sums, i: number, sign: 1 | -1): void {
    const bands = this.#bands
    const v = sums.of(i)
    this.posterior[i]!.forEach((p, c) => {
      const by = sign * p * this.samples[i]!.weight
      if (by === 0) return
      for (const [b, share] of [[bands, 1] as const, ...this.#hats[i]!]) {
        const at = c * (bands + 1) + b
        const sum = sums.bySum[at]!
        for (let k = 0; k < DIMENSIONS; k++) sum[k]! += share * by * v[k]!
        sums.byCount[at]! += share * by
      }
    })
  }

  /** The middle of a class at the time of a sample; answers how many faces stand behind it. `alone`: the class by itself, or drawn to all of them. */
  #middle(sums: Sums, i: number, c: number, into: Float64Array, drawn: boolean): number {
    const bands = this.#bands
    const all = c * (bands + 1) + bands
    const count = sums.byCount[all]!
    const whole = sums.bySum[all]!
    // With few faces a person is taken for the mean of them all.
    let others = 0
    if (drawn) for (let o = 0; o < this.classes; o++) others += sums.byCount[o * (bands + 1) + bands]!
    const pull = drawn && others > 0 ? 1 : 0
    for (let k = 0; k < DIMENSIONS; k++) {
      let mean = 0
      if (pull) for (let o = 0; o < this.classes; o++) mean += sums.bySum[o * (bands + 1) + bands]![k]! / others
      into[k] = (whole[k]! + pull * mean) / (count + pull || 1)
    }
    const hats = this.#hats[i]!
    if (hats.length === 0) return count + 1e-3
    let near = 0
    for (const [b, share] of hats) near += share * sums.byCount[c * (bands + 1) + b]!
    for (let k = 0; k < DIMENSIONS; k++) {
      let value = 0
      for (const [b, share] of hats) {
        const at = c * (bands + 1) + b
        value += (share * (sums.bySum[at]![k]! + BAND_PRIOR * into[k]!)) / (sums.byCount[at]! + BAND_PRIOR)
      }
      into[k] = value
    }
    return near + 1e-3 + Math.min(count, BAND_PRIOR) / 2
  }

  /** Likelihood of each sample by means without its own moment. */
  #judge(): void {
    const white = this.#white
    const sums = this.#sums(i => white.subarray(i * DIMENSIONS, (i + 1) * DIMENSIONS))
    const learned = new Set(this.#learned)
    const middle = new Float64Array(DIMENSIONS)
    for (const list of this.#moments.values()) {
      const own = list.filter(i => learned.has(i))
      for (const i of own) this.#add(sums, i, -1)
      for (const i of list) {
        const row = this.#likelihood[i]!
        for (let c = 0; c < this.classes; c++) {
          const behind = Math.max(0.2, this.#middle(sums, i, c, middle, true))
          let distance = 0
          for (let k = 0; k < DIMENSIONS; k++) distance += (white[i * DIMENSIONS + k]! - middle[k]!) ** 2
          const widened = 1 + 1 / behind
          row[c] = -0.5 * (distance / widened + DIMENSIONS * Math.log(widened))
        }
        // A difference in how many faces stand behind a class must not decide: only the nearness does.
        const top = Math.max(...row)
        for (let c = 0; c < this.classes; c++) row[c]! -= top
      }
      for (const i of own) this.#add(sums, i, 1)
    }
  }

  /** From likelihoods to probabilities: with the cluster's other faces, and with who else is in the picture. */
  #conclude(): void {
    const { samples, classes } = this
    const { calm, impure } = this.trust
    const logs = samples.map((s, i) =>
      this.#prior(s).map((e, c) => e + (s.known === undefined ? this.#likelihood[i]![c]! / calm : 0)),
    )
    for (const list of this.#clusters.values()) {
      if (list.length < 2) continue
      const row = (i: number, c: number): number =>
        samples[i]!.known === undefined
          ? this.#likelihood[i]![c]! / calm + finite(samples[i]!.evidence[c]!)
          : samples[i]!.known === c
            ? 0
            : -20
      const sum = Array.from({ length: classes }, (_, c) => list.reduce((s, i) => s + Math.max(-20, row(i, c)), 0))
      const by = 1 / (1 + (list.length - 2) * ALIKE)
      for (const i of list) {
        if (samples[i]!.known !== undefined) continue
        const rest = normal(sum.map((s, c) => (s - Math.max(-20, row(i, c))) * by))
        for (let c = 0; c < classes; c++) logs[i]![c]! += Math.log((1 - impure) * rest[c]! + impure / classes)
      }
    }
    const next = logs.map(l => normal(l))
    for (const picture of this.#pictures) this.#arrange(picture, logs, next)
    this.posterior = next
  }

  /** All ways in which the faces of a picture can be these people, weighed; nobody is there twice. */
  #arrange(picture: readonly number[], logs: readonly number[][], into: number[][]): void {
    const { classes } = this
    const ways = classes ** picture.length
    if (ways > 4096) return
    const found: { of: number[]; log: number }[] = []
    for (let way = 0; way < ways; way++) {
      const of = picture.map((_, k) => Math.floor(way / classes ** k) % classes)
      let log = 0
      picture.forEach((i, k) => {
        log += logs[i]![of[k]!]!
        for (let l = 0; l < k; l++) if (of[l] === of[k] && this.#apart.get(i)?.has(picture[l]!)) log -= TWICE
      })
      if (log > -Infinity) found.push({ of, log })
    }
    if (found.length === 0) return
    const weights = normal(found.map(f => f.log))
    picture.forEach((i, k) => {
      const p = new Array<number>(classes).fill(0)
      found.forEach((f, w) => (p[f.of[k]!]! += weights[w]!))
      into[i] = p
    })
  }
}

/** How well single faces are told, by faces that were left out of learning, and how far the discriminator must be calmed to be as sure as it is right. */
function check(
  samples: readonly Sample[],
  pairs: readonly (readonly [number, number])[],
  likelihood: readonly (readonly number[])[],
): { accuracy?: number; trust: Trust } {
  const guess = (i: number, calm: number): number[] =>
    normal(likelihood[i]!.map((l, c) => l / calm + finite(samples[i]!.evidence[c]!)))
  const top = (p: readonly number[]): number => p.indexOf(Math.max(...p))
  const free = pairs.filter(([a, b]) => samples[a]!.known === undefined && samples[b]!.known === undefined)
  const known = samples.flatMap((s, i) => (s.known === undefined ? [] : [[s.known, i] as const]))
  const [n, hits, faces] =
    free.length >= CHECKS
      ? [free.length, free.filter(([a, b]) => top(guess(a, 1)) !== top(guess(b, 1))).length, free.flat()]
      : [known.length, known.filter(([k, i]) => top(guess(i, 1)) === k).length, known.map(([, i]) => i)]
  if (n < CHECKS) return { trust: UNCHECKED }
  // Two faces told independently come out as two where both are right or both are wrong.
  const single = (share: number): number =>
    free.length >= CHECKS ? (1 + Math.sqrt(Math.max(0, 2 * share - 1))) / 2 : share
  const share = (hits + 0.5) / (n + 1)
  const careful = single(share - Math.sqrt((share * (1 - share)) / n))
  const sure = (calm: number): number => faces.reduce((s, i) => s + Math.max(...guess(i, calm)), 0) / faces.length
  const calm = CALM.find(c => sure(c) <= careful + 0.01) ?? CALM.at(-1)!
  const accuracy = single(hits / n)
  if (accuracy < TELLING) return { accuracy, trust: { ...UNCHECKED, calm } }
  // A face that was left out agrees with its cluster's name, or one of the two is wrong.
  const named = samples.flatMap((s, i) =>
    s.start === undefined || s.known !== undefined ? [] : [[s.start, i] as const],
  )
  const agree = named.filter(([c, i]) => top(guess(i, 1)) === c).length / Math.max(1, named.length)
  if (agree < AGREED) return { accuracy, trust: { ...UNCHECKED, calm } }
  const pure = Math.min(0.99, agree)
  const within = (value: number, [least, most]: readonly [number, number]): number =>
    Math.min(most, Math.max(least, value))
  return {
    accuracy,
    trust: {
      calm,
      start: within(Math.log(pure / (1 - pure)), START),
      impure: within(2 * (1 - pure), IMPURE),
    },
  }
}

/** Logarithms of weights -> shares that sum to 1. */
function normal(logs: readonly number[]): number[] {
  const top = Math.max(...logs)
  if (top === -Infinity) return logs.map(() => 1 / logs.length)
  const exp = logs.map(l => Math.exp(l - top))
  const sum = exp.reduce((a, b) => a + b, 0)
  return exp.map(e => e / sum)
}

interface Sums {
  of: (i: number) => ArrayLike<number>
  /** By class, then band; the last of each class is the whole. */
  bySum: Float64Array[]
  byCount: Float64Array
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}

/** Samples that are tied by pairs, as lists: what one picture shows. */
function picturesOf(pairs: readonly (readonly [number, number])[]): number[][] {
  const of = new Map<number, number[]>()
  for (const [a, b] of pairs) {
    const x = of.get(a) ?? [a]
    const y = of.get(b) ?? [b]
    if (x === y) continue
    const both = [...x, ...y].sort((p, q) => p - q)
    for (const i of both) of.set(i, both)
  }
  return [...new Set(of.values())]
}

const finite = (log: number): number => Math.max(-20, log)

/** Lower triangle of the root of a matrix whose lower triangle is given. */
function cholesky(a: Float64Array): Float64Array {
  const n = DIMENSIONS
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let s = a[i * n + j]!
      for (let k = 0; k < j; k++) s -= l[i * n + k]! * l[j * n + k]!
      l[i * n + j] = i === j ? Math.sqrt(Math.max(s, 1e-12)) : s / l[j * n + j]!
    }
  return l
}

/** Solves L y = v. */
function solve(l: Float64Array, v: Float32Array, at: number, into: Float64Array, to: number): void {
  const n = DIMENSIONS
  for (let i = 0; i < n; i++) {
    let s = v[at + i]!
    for (let k = 0; k < i; k++) s -= l[i * n + k]! * into[to + k]!
    into[to + i] = s / l[i * n + i]!
  }
}
