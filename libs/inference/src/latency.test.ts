import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fitLatency, Latencies } from './latency.js'

const rows = fc.integer({ min: 1, max: 32 })
const anyBatch = fc.record({ rows, ms: fc.double({ min: 0.1, max: 10_000, noNaN: true }) })

describe('the latency of a model', () => {
  test('is found again from batches that lie on a line', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        fc.uniqueArray(rows, { minLength: 2, maxLength: 10 }),
        (fixedMs, perRowMs, sizes) => {
          const fit = fitLatency(sizes.map(n => ({ rows: n, ms: fixedMs + perRowMs * n })))
          for (const n of [1, 8, 32]) {
            const predicted = (fit?.fixedMs ?? NaN) + (fit?.perRowMs ?? NaN) * n
            const truth = fixedMs + perRowMs * n
            expect(Math.abs(predicted - truth)).toBeLessThan(1e-3 * truth + 1e-3)
          }
        },
      ),
    )
  })

  test('never says that more pictures take less, or that something takes less than nothing; its mean is right', () => {
    fc.assert(
      fc.property(fc.array(anyBatch, { minLength: 1, maxLength: 50 }), batches => {
        const { fixedMs = NaN, perRowMs = NaN } = fitLatency(batches) ?? {}
        expect(fixedMs).toBeGreaterThanOrEqual(0)
        expect(perRowMs).toBeGreaterThanOrEqual(0)
        const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
        const meanMs = mean(batches.map(({ ms }) => ms))
        expect(fixedMs + perRowMs * mean(batches.map(each => each.rows))).toBeCloseTo(meanMs, 5)
      }),
    )
  })

  test('of a model that never ran is told by the catalogue and by how fast the others are', () => {
    const latencies = new Latencies(model => (model === 'large' ? 75 : 5))
    expect(latencies.predictMs('large', 2)).toBe(150)
    for (let i = 0; i < 100; i++) latencies.add('small', { rows: 4, ms: 40 })
    expect(latencies.predictMs('small', 8)).toBeCloseTo(80)
    expect(latencies.predictMs('large', 1)).toBeCloseTo(150, 0)
  })

  test('follows a machine that becomes slower', () => {
    const latencies = new Latencies(() => 1)
    for (let i = 0; i < 200; i++) latencies.add('small', { rows: 1 + (i % 8), ms: 2 + (1 + (i % 8)) })
    for (let i = 0; i < 50; i++) latencies.add('small', { rows: 1 + (i % 8), ms: 3 * (2 + (1 + (i % 8))) })
    expect(latencies.predictMs('small', 4)).toBeCloseTo(18)
  })
})
