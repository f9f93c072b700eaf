import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextJob } from './next-job.js'

const family = fc.constantFrom('a', 'b', 'c', undefined)

test('jobs of one family begin in the order of their coming, and never in the child kept for guests', () => {
  expect(nextJob(['a', 'a'], ['a'], { regular: 1, guest: 1 })).toEqual({ index: 0, guest: false })
  expect(nextJob(['a', 'a'], ['a', 'a'], { regular: 0, guest: 1 })).toBeUndefined()
})

test("a family's photo waits for no decoding of another family's import", () => {
  expect(nextJob(['many', 'many', 'single'], ['many', 'many'], { regular: 0, guest: 1 })).toEqual({
    index: 2,
    guest: true,
  })
})

test('with the guest away, it is the first to begin when a child is free', () => {
  expect(nextJob(['many', 'single'], ['many', 'other'], { regular: 0, guest: 0 })).toBeUndefined()
  expect(nextJob(['many', 'single'], ['many', 'other'], { regular: 1, guest: 0 })).toEqual({ index: 1, guest: false })
})

test('nobody is a guest while a regular child is free, or where it is nobody’s file', () => {
  expect(nextJob(['single'], [], { regular: 1, guest: 1 })).toEqual({ index: 0, guest: false })
  expect(nextJob(['single'], ['many'], { regular: 1, guest: 1 })).toEqual({ index: 0, guest: false })
  expect(nextJob([undefined], ['many'], { regular: 0, guest: 1 })).toBeUndefined()
})

test('two imports share the children: who has fewer under way comes first', () => {
  expect(nextJob(['a', 'b'], ['a', 'a', 'b'], { regular: 1, guest: 0 })).toEqual({ index: 1, guest: false })
})

test('whatever waits: something begins while a regular child is free, and nobody with fewer under way is passed over', () => {
  fc.assert(
    fc.property(
      fc.array(family, { minLength: 1, maxLength: 8 }),
      fc.array(family, { maxLength: 5 }),
      fc.record({ regular: fc.nat(3), guest: fc.nat(1) }),
      (queue, running, free) => {
        const next = nextJob(queue, running, free)
        if (next === undefined) {
          expect(free.regular).toBe(0)
          return
        }
        const count = (of: string | undefined) => running.filter(other => other === of).length
        expect(count(queue[next.index])).toBe(Math.min(...queue.map(count)))
        expect(queue.indexOf(queue[next.index])).toBe(next.index)
        if (next.guest) expect([count(queue[next.index]), free.guest, free.regular]).toEqual([0, 1, 0])
        else expect(free.regular).toBeGreaterThan(0)
      },
    ),
  )
})
