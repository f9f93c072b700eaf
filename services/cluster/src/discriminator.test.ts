import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DIMENSIONS } from './age-groups.js'
import type { Sample } from './discriminator.js'
import { discriminate } from './discriminator.js'
import { bell } from './simulated-family.js'
import { seeded } from './synthetic.js'

/** Two people around a common middle, so far apart in units of the noise, seen together in `pairs` pictures and alone in as many. */
function people(seed: number, apart: number, pairs: number, told = 4) {
  const random = seeded(seed)
  const normal = bell(random)
  const vectors = new Float32Array(3 * pairs * DIMENSIONS)
  const samples: Sample[] = []
  const truth: number[] = []
  const two: [number, number][] = []
  const add = (who: number, moment: number): number => {
    const i = samples.length
    for (let k = 0; k < DIMENSIONS; k++) vectors[i * DIMENSIONS + k] = normal() * 0.06
    vectors[i * DIMENSIONS]! += 0.6
    vectors[i * DIMENSIONS + 1]! += (who ? 1 : -1) * 0.03 * apart
    // Clusters are right about three faces in four, where there is anything to be right about.
    const start = random() < (apart > 0 ? 0.75 : 0.5) ? who : 1 - who
    const time = moment * 86_400_000
    samples.push({ at: i * DIMENSIONS, weight: 1, moment, time, cluster: i, start, evidence: [0, 0] })
    truth.push(who)
    return i
  }
  for (let p = 0; p < pairs; p++) two.push([add(0, 2 * p), add(1, 2 * p)])
  for (let p = 0; p < pairs; p++) add(random() < 0.5 ? 0 : 1, 2 * p + 1)
  samples.slice(0, told).forEach((s, i) => (s.known = truth[i]!))
  return { vectors, samples, truth, two }
}

describe('telling look-alikes apart', () => {
  test('a few words and pictures of both are enough where there is a difference, and it knows how well it does', () => {
    const { vectors, samples, truth, two } = people(1, 5, 60)
    const { posterior, accuracy, pairs } = discriminate(vectors, samples, two, 2)
    expect(pairs).toBe(60)
    const right = posterior.filter((p, i) => p[truth[i]!]! > 0.5).length / truth.length
    expect(right).toBeGreaterThan(0.95)
    expect(accuracy).toBeGreaterThan(0.8)
  })

  test('where there is none it says so: it stays near chance and is sure of nothing but what it was told', () => {
    for (const seed of [1, 2, 3]) {
      const { vectors, samples, two } = people(seed, 0, 60)
      const { posterior, accuracy } = discriminate(vectors, samples, two, 2)
      expect(accuracy).toBeLessThan(0.75)
      const sure = posterior.filter((p, i) => samples[i]!.known === undefined && Math.max(...p) > 0.9)
      expect(sure.length / posterior.length).toBeLessThan(0.03)
    }
  })

  test('what a parent said holds, what cannot be is not, and two faces of a picture are hardly ever one person', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(0, 3, 6), (seed, apart) => {
        const { vectors, samples, truth, two } = people(seed, apart, 10)
        const barred = samples.findIndex(s => s.known === undefined)
        samples[barred] = { ...samples[barred]!, evidence: [-Infinity, 0] }
        const { posterior } = discriminate(vectors, samples, two, 2)
        posterior.forEach((p, i) => {
          expect(p[0]! + p[1]!).toBeCloseTo(1, 6)
          if (samples[i]!.known !== undefined) expect(p[truth[i]!]).toBeCloseTo(1, 6)
        })
        expect(posterior[barred]![0]).toBe(0)
        for (const [a, b] of two) {
          const both = posterior[a]!.map((p, c) => p * posterior[b]![c]!).reduce((x, y) => x + y, 0)
          expect(both).toBeLessThanOrEqual(0.51)
        }
      }),
      { numRuns: 10 },
    )
  })
})
