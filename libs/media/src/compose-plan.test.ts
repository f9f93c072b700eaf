import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planParts, type Stretch } from './compose-plan.js'

const limits = { smallest: 5, largest: 40 }
const length = (s: Stretch) => s.to - s.from + 1

test('large sources are copied, small ones are gathered with the beginning of the next', () => {
  expect(planParts([8, 2, 9], limits)).toEqual([
    { kind: 'copy', stretch: { source: 0, from: 0, to: 7 } },
    {
      kind: 'send',
      stretches: [
        { source: 1, from: 0, to: 1 },
        { source: 2, from: 0, to: 2 },
      ],
    },
    { kind: 'copy', stretch: { source: 2, from: 3, to: 8 } },
  ])
  expect(planParts([], limits)).toEqual([])
})

test('whatever the sizes, every byte is there once and in order, and only the last part is small', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 30 }), sizes => {
      const parts = planParts(sizes, limits)
      const stretches = parts.flatMap(part => (part.kind === 'copy' ? [part.stretch] : part.stretches))
      const seen = stretches.flatMap(s => Array.from({ length: length(s) }, (_, i) => `${s.source}:${s.from + i}`))
      expect(seen).toEqual(sizes.flatMap((size, source) => Array.from({ length: size }, (_, i) => `${source}:${i}`)))
      for (const [i, part] of parts.entries()) {
        const size = part.kind === 'copy' ? length(part.stretch) : part.stretches.reduce((n, s) => n + length(s), 0)
        expect(size).toBeLessThanOrEqual(part.kind === 'copy' ? limits.largest : limits.smallest)
        if (i < parts.length - 1) expect(size).toBeGreaterThanOrEqual(limits.smallest)
      }
    }),
    { numRuns: 500 },
  )
})
