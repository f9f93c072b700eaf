import { DIMENSIONS } from './age-groups.js'
import { ageError } from './child-proposals.js'
import type { RegisteredChild } from './child-proposals.js'
import type { Face } from './face.js'
import { seeded } from './synthetic.js'
import { YEAR } from './year.js'

/** How the embeddings of one age group lie: around a mean, people by one spectrum, pictures of one person by another. */
export interface GroupStatistics {
  /** 128 values. */
  mean: ArrayLike<number>
  /** Eigenvalues of the covariance between pictures of one person, largest first; at most 127, missing ones are 0. */
  within: readonly number[]
  /** Eigenvalues of the covariance between people, in the same basis. */
  people: readonly number[]
}

/** What a simulation is drawn from. */
export interface EmbeddingStatistics {
  child: GroupStatistics
  adult: GroupStatistics
}

/** What the spectra do not say of the scores. */
export interface Recipe {
  /** Share of the noise within a person that is spread over all directions: the spectra have fewer eigenvalues than directions. */
  withinShrink: number
  /** Factors on the variances: of pictures and of people. */
  childWithin: number
  adultWithin: number
  childPeople: number
  adultPeople: number
  /** Standard deviation of the logarithm of how bad a picture is: bad ones are more frequent than a bell has them. */
  pictureSpread: number
  /** Standard deviation of the logarithm of how far a person is from the mean: some have a face like everybody's. */
  personSpread: number
  /** Share of the adults' widest direction that is their sex: two clusters, not one bell. */
  sex: number
}

/**
 * Set by hand so that simulated scores meet the real quantiles that stand beside the spectra; `npm run bench -- identity` prints both. A plain
 * Gaussian with the spectra as they are separates adults too well, makes their scores too narrow and children too different from each other.
 */
export const RECIPE: Recipe = {
  withinShrink: 0.3,
  childWithin: 0.65,
  adultWithin: 0.85,
  childPeople: 0.7,
  adultPeople: 0.78,
  pictureSpread: 0.2,
  personSpread: 0.15,
  sex: 0.85,
}

/** Until and from when the children's and the adults' statistics hold, years; between them one passes into the other. */
const CHILD_UNTIL = 14
const GROWN_FROM = 22

/**
 * How far a face still has to go until it is grown up, in units in which two looks of one person correlate by exp(-distance). From the growth
 * statistics: centred child-adult cosines per person 0.298, 0.367 and 0.414 for pictures at 0 to 5, 5 to 10 and 10 to 20 years, against 0.393 within
 * childhood and 0.588 within adulthood (geometric mean 0.481), and half as much again, with which the quantiles of child-adult pairs are met.
 */
export function maturity(age: number): number {
  const known: readonly (readonly [number, number])[] = [
    [0, 0.93],
    [2.5, 0.72],
    [7.5, 0.4],
    [14, 0.22],
    [22, 0],
    [120, -0.4],
  ]
  const years = Math.min(119, Math.max(0, age))
  const at = known.findIndex(([to]) => years < to)
  const [x0, y0] = known[at - 1]!
  const [x1, y1] = known[at]!
  return y0 + ((y1 - y0) * (years - x0)) / (x1 - x0)
}

/** Draws from the standard bell. */
export function bell(random: () => number): () => number {
  let spare: number | undefined
  return () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const r = Math.sqrt(-2 * Math.log(1 - random()))
    const t = 2 * Math.PI * random()
    spare = r * Math.sin(t)
    return r * Math.cos(t)
  }
}

/** How one person looks at any age: coordinates in the basis of people, of unit variance. */
export type Look = (age: number) => Float64Array

/** What has been settled for everybody who is drawn from one set of statistics: the basis, the mean by age, the widths by age. */
export class Faces {
  readonly #basis: Float64Array[]
  /** Which eigenvalue of the pictures belongs to a direction: people and pictures do not differ most in the same ones. */
  readonly #turn: number[]
  readonly #normal: () => number

  constructor(
    readonly statistics: EmbeddingStatistics,
    readonly random: () => number,
    readonly recipe: Recipe = RECIPE,
  ) {
    this.#normal = bell(random)
    this.#basis = this.#orthogonal()
    const order = this.#basis.map((_, d) => [random(), d] as const).sort((a, b) => a[0] - b[0])
    this.#turn = order.map(([, d]) => d)
  }

  /** Directions at right angles to the children's mean and to each other: along the mean nothing varies, lengths are 1. */
  #orthogonal(): Float64Array[] {
    const first = Float64Array.from({ length: DIMENSIONS }, (_, k) => this.statistics.child.mean[k]!)
    const found: Float64Array[] = []
    const all = [unit(first)]
    while (found.length < DIMENSIONS - 1) {
      const v = Float64Array.from({ length: DIMENSIONS }, () => this.#normal())
      for (const u of all) {
        const along = inner(u, v)
        for (let k = 0; k < DIMENSIONS; k++) v[k]! -= along * u[k]!
      }
      const direction = unit(v)
      all.push(direction)
      found.push(direction)
    }
    return found
  }

  /** A person from birth to old age: a path whose steps are as long as growing up is quick. */
  person(sex = this.random() < 0.5 ? 1 : -1): Look {
    const knots = Array.from({ length: 101 }, (_, age) => age)
    const places: Float64Array[] = []
    for (const age of knots) {
      const before = places.at(-1)
      const kept = before ? Math.exp(-Math.abs(maturity(age) - maturity(age - 1))) : 0
      const fresh = Math.sqrt(1 - kept * kept)
      places.push(
        Float64Array.from({ length: DIMENSIONS - 1 }, (_, k) => kept * (before?.[k] ?? 0) + fresh * this.#normal()),
      )
    }
    const share = this.recipe.sex
    const distinct = Math.exp(this.recipe.personSpread * this.#normal())
    return age => {
      const years = Math.min(99.999, Math.max(0, age))
      const [a, b] = [places[Math.floor(years)]!, places[Math.floor(years) + 1]!]
      const t = years - Math.floor(years)
      const place = a.map((x, k) => (1 - t) * x + t * b[k]!)
      for (let d = 0; d < place.length; d++) place[d]! *= distinct
      place[0] = sex * Math.sqrt(share) + Math.sqrt(1 - share) * place[0]!
      return place
    }
  }

  /** What one picture, or one moment, adds: unit variance in each direction. */
  noise(): Float64Array {
    return Float64Array.from({ length: DIMENSIONS - 1 }, () => this.#normal())
  }

  /** How bad a picture is: a factor on its noise, 1 in the middle. */
  badness(): number {
    return Math.exp(this.recipe.pictureSpread * this.#normal())
  }

  /** The embedding of a look at an age, with noise of unit variance times its badness. Length 1. */
  embedding(place: ArrayLike<number>, age: number, noise: ArrayLike<number>, badness: number): Float32Array {
    const { child, adult } = this.statistics
    const { recipe } = this
    const widths = Math.min(1, Math.max(0, (age - CHILD_UNTIL) / (GROWN_FROM - CHILD_UNTIL)))
    const v = Float64Array.from(
      { length: DIMENSIONS },
      (_, k) => child.mean[k]! + widths * (adult.mean[k]! - child.mean[k]!),
    )
    const trace = (of: readonly number[]): number => of.reduce((s, x) => s + x, 0)
    const spread = ((1 - widths) * trace(child.within) + widths * trace(adult.within)) / DIMENSIONS
    for (let d = 0; d < DIMENSIONS - 1; d++) {
      const turn = this.#turn[d]!
      const people =
        (1 - widths) * recipe.childPeople * (child.people[d] ?? 0) +
        widths * recipe.adultPeople * (adult.people[d] ?? 0)
      const own =
        (1 - widths) * recipe.childWithin * (child.within[turn] ?? 0) +
        widths * recipe.adultWithin * (adult.within[turn] ?? 0)
      const within = (1 - recipe.withinShrink) * own + recipe.withinShrink * spread
      const by = Math.sqrt(people) * place[d]! + badness * Math.sqrt(within) * noise[d]!
      const along = this.#basis[d]!
      for (let k = 0; k < DIMENSIONS; k++) v[k]! += by * along[k]!
    }
    return Float32Array.from(unit(v))
  }
}

function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let s = 0
  for (let k = 0; k < a.length; k++) s += a[k]! * b[k]!
  return s
}

function unit(v: Float64Array): Float64Array {
  const by = 1 / Math.sqrt(inner(v, v))
  return v.map(x => x * by)
}

/** Share of pairs in which a pair of one person scores above a pair of two people; 0.5 is chance. Ties count half. */
export function areaUnderCurve(same: ArrayLike<number>, different: ArrayLike<number>): number {
  const high = Float64Array.from(same).sort()
  const low = Float64Array.from(different).sort()
  let below = 0
  let upTo = 0
  let sum = 0
  for (const score of high) {
    while (below < low.length && low[below]! < score) below++
    upTo = Math.max(upTo, below)
    while (upTo < low.length && low[upTo] === score) upTo++
    sum += below + (upTo - below) / 2
  }
  return high.length && low.length ? sum / (high.length * low.length) : NaN
}

/** Settings of a simulated family. */
export interface FamilyOptions {
  seed: number
  statistics: EmbeddingStatistics
  /** Raw cosines of pairs of the two children's faces tell one child from two at this area under the curve, before any correction. */
  separation: number
  /** Years between the births of the two; 0 are twins. */
  apart: number
  /** Pictures of each of the two. */
  pictures?: number
  years?: number
  /** Share of moments that show both. */
  together?: number
  /** People in the background of pictures, children and adults, each seen a few times. */
  strangers?: number
}

/** A face with the person it really is. */
export interface SimulatedFace extends Face {
  truth: string
}

/** A family with two children who look alike, its parents, and strangers in the background. */
export interface SimulatedFamily {
  faces: SimulatedFace[]
  children: RegisteredChild[]
  /** The separation that was reached. */
  separation: number
}

/** Faces of one moment share so much of their noise: the same light, the same mood. */
const BURST = 0.6

/** One sighting before the children's looks are settled. */
interface Sighting {
  truth: string
  age: number
  place: Float64Array
  /** Half the difference of the two children at that age, for one of them the reverse. */
  half?: Float64Array
  noise: Float64Array
  badness: number
  picture: number
  takenAt: number
  seen: number
}

/** Draws a family. The same settings give the same family on every machine. */
export function simulatedFamily(options: FamilyOptions): SimulatedFamily {
  const { seed, statistics, separation, apart, pictures = 200, years = 10, together = 0.25, strangers = 80 } = options
  const random = seeded(seed)
  const normal = bell(random)
  const faces = new Faces(statistics, random)
  const start = Date.UTC(2015, 3, 1)
  const births = [start - apart * YEAR, start].map(b => Math.round(b / 86_400_000) * 86_400_000)
  const sex = random() < 0.5 ? 1 : -1
  const [elder, younger] = [faces.person(sex), faces.person(sex)]
  const parents = [faces.person(1), faces.person(-1)]
  const others = Array.from({ length: strangers }, () => ({
    look: faces.person(),
    birth: start - (random() < 0.5 ? 20 + 40 * random() : 8 * random() - 2) * YEAR,
  }))
  const bias = new Map<string, number>()
  const sightings: Sighting[] = []
  const count = [0, 0]
  let picture = 0
  while (Math.min(...count) < pictures) {
    // Moments are spread over the years; a moment is a burst of one to four pictures.
    const moment = start + random() * years * YEAR
    const size = 1 + Math.floor(4 * random() * random())
    const open = [0, 1].filter(c => count[c]! < pictures)
    const who = open.length === 2 && random() < together ? [0, 1] : [open[Math.floor(random() * open.length)]!]
    const company = others
      .filter(() => random() < 0.25 / (1 + strangers / 4))
      .map(o => ({ ...o, name: `s${others.indexOf(o)}` }))
    const cast = [
      ...who.map(c => ({ name: `c${c}`, child: c })),
      ...[0, 1].filter(() => random() < 0.2).map(p => ({ name: `p${p}`, parent: p })),
      ...company.map(({ name, look, birth }) => ({ name, look, birth })),
    ]
    const moods = cast.map(() => faces.noise())
    for (let k = 0; k < size; k++) {
      const takenAt = moment + k * 2_000
      let seen = 0
      cast.forEach((person, at) => {
        if ('child' in person && person.child !== undefined && count[person.child]! >= pictures) return
        if (k > 0 && random() < 0.15) return
        const badness = faces.badness()
        const own = faces.noise()
        const noise = own.map((x, d) => Math.sqrt(BURST) * moods[at]![d]! + Math.sqrt(1 - BURST) * x)
        const base = { truth: person.name, noise, badness, picture, takenAt, seen: seen++ }
        if ('child' in person && person.child !== undefined) {
          count[person.child]!++
          const age = (takenAt - births[person.child]!) / YEAR
          const [a, b] = [elder(age), younger(age)]
          const half = a.map((x, d) => ((person.child === 0 ? 1 : -1) * (x - b[d]!)) / 2)
          sightings.push({ ...base, age, place: a.map((x, d) => (x + b[d]!) / 2), half })
        } else if ('parent' in person && person.parent !== undefined) {
          const age = 32 + (takenAt - start) / YEAR
          sightings.push({ ...base, age, place: parents[person.parent]!(age) })
        } else if ('look' in person) {
          const age = Math.max(0.1, (takenAt - person.birth) / YEAR)
          sightings.push({ ...base, age, place: person.look(age) })
        }
      })
      picture++
    }
  }
  const kept = sightings.filter(s => s.half)
  const embed = (s: Sighting, by: number): Float32Array =>
    faces.embedding(s.half ? s.place.map((x, d) => x + by * s.half![d]!) : s.place, s.age, s.noise, s.badness)
  const reached = (by: number): number => {
    const all = kept.map(s => embed(s, by))
    const same: number[] = []
    const different: number[] = []
    all.forEach((a, i) => {
      for (let j = 0; j < i; j++) (kept[i]!.truth === kept[j]!.truth ? same : different).push(inner(a, all[j]!))
    })
    return areaUnderCurve(same, different)
  }
  let [low, high] = [0, 4]
  for (let step = 0; step < 10; step++) {
    const middle = (low + high) / 2
    if (reached(middle) < separation) low = middle
    else high = middle
  }
  const by = (low + high) / 2
  const dated = new Map<number, boolean>()
  return {
    separation: reached(by),
    children: births.map((birth, c) => ({ id: `c${c}`, birth })),
    faces: sightings.map((s, i): SimulatedFace => {
      if (!bias.has(s.truth)) bias.set(s.truth, 0.5 * normal())
      if (!dated.has(s.picture)) dated.set(s.picture, random() < 0.9)
      const spread = ageError(s.age)
      return {
        id: `f${String(i).padStart(5, '0')}`,
        mediaId: `m${String(s.picture).padStart(5, '0')}`,
        embedding: embed(s, by),
        age: Math.max(0, s.age + spread * (bias.get(s.truth)! + 0.87 * normal())),
        ageSpread: spread,
        quality: Math.min(1, Math.max(0.02, 0.7 - 0.6 * Math.log(s.badness) + 0.1 * normal())),
        box: { x: s.seen * 0.12, y: 0.2, w: 0.1, h: 0.12 },
        ...(dated.get(s.picture) ? { takenAt: s.takenAt } : {}),
        truth: s.truth,
      }
    }),
  }
}
