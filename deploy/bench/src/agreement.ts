import { seeded } from '@keepsake/cluster/synthetic'
import { mean, quantile } from './figures.js'

/** A figure with its 95 % interval. */
export interface Estimate {
  value: number
  low: number
  high: number
}

/** How well groups agree with the truth. */
export interface Agreement {
  /** BCubed. */
  precision: Estimate
  recall: Estimate
  f: Estimate
  pairPrecision: Estimate
  pairRecall: Estimate
}

/** A face as it counts: who it is and in which group it was put. */
export interface Judged {
  truth: string
  group: string
}

const ROUNDS = 500

/**
 * BCubed and pair figures with intervals by identity: people are drawn again with replacement, with all their faces, and the figures taken anew.
 * The same input gives the same interval.
 */
export function agreement(faces: readonly Judged[]): Agreement {
  const size = (of: (face: Judged) => string) => {
    const sizes = new Map<string, number>()
    for (const face of faces) sizes.set(of(face), (sizes.get(of(face)) ?? 0) + 1)
    return sizes
  }
  const both = (face: Judged) => JSON.stringify([face.truth, face.group])
  const [people, groups, hits] = [size(f => f.truth), size(f => f.group), size(both)]
  const rows = new Map<string, { hit: number; group: number; person: number }[]>()
  for (const face of faces) {
    const row = { hit: hits.get(both(face))!, group: groups.get(face.group)!, person: people.get(face.truth)! }
    rows.set(face.truth, [...(rows.get(face.truth) ?? []), row])
  }
  const figures = (chosen: readonly (readonly { hit: number; group: number; person: number }[])[]) => {
    const all = chosen.flat()
    const sum = (of: (row: (typeof all)[number]) => number) => all.reduce((s, row) => s + of(row), 0)
    const precision = mean(all.map(r => r.hit / r.group))
    const recall = mean(all.map(r => r.hit / r.person))
    // Of nothing joined, nothing is wrong; of people seen once, nothing is missing.
    const share = (part: number, whole: number) => (whole > 0 ? part / whole : 1)
    return {
      precision,
      recall,
      f: (2 * precision * recall) / (precision + recall),
      pairPrecision: share(
        sum(r => r.hit - 1),
        sum(r => r.group - 1),
      ),
      pairRecall: share(
        sum(r => r.hit - 1),
        sum(r => r.person - 1),
      ),
    }
  }
  const identities = [...rows.values()]
  const own = figures(identities)
  const random = seeded(1)
  const drawn = Array.from({ length: ROUNDS }, () =>
    figures(identities.map(() => identities[Math.floor(random() * identities.length)]!)),
  )
  const estimate = (of: keyof typeof own): Estimate => {
    const values = drawn.map(d => d[of])
    return { value: own[of], low: quantile(values, 0.025), high: quantile(values, 0.975) }
  }
  return {
    precision: estimate('precision'),
    recall: estimate('recall'),
    f: estimate('f'),
    pairPrecision: estimate('pairPrecision'),
    pairRecall: estimate('pairRecall'),
  }
}
