import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inPlacePause, parkedPause } from './failure.js'
import { defaultRetry } from './event-log.js'
import { Lanes } from './lanes.js'
import { Watermark } from './watermark.js'

test('whatever is added: order within a lane, one at a time per lane, never more than the limit, everything runs', async () => {
  const tasks = fc.array(fc.record({ lane: fc.integer({ min: 0, max: 5 }), pause: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(tasks, fc.integer({ min: 1, max: 4 }), async (list, limit) => {
      const lanes = new Lanes({ p: limit })
      const done: [number, number][] = []
      const busy = new Set<number>()
      let most = 0
      list.forEach(({ lane, pause }, i) =>
        lanes.add({
          lane: String(lane),
          family: String(lane % 2),
          pool: 'p',
          run: async () => {
            expect(busy.has(lane)).toBe(false)
            busy.add(lane)
            most = Math.max(most, busy.size)
            for (let k = 0; k < pause; k++) await Promise.resolve()
            busy.delete(lane)
            done.push([lane, i])
          },
        }),
      )
      await lanes.settled()
      expect(done).toHaveLength(list.length)
      expect(most).toBeLessThanOrEqual(limit)
      for (let lane = 0; lane <= 5; lane++) {
        const order = done.filter(([l]) => l === lane).map(([, i]) => i)
        expect(order).toEqual([...order].sort((a, b) => a - b))
      }
    }),
    { numRuns: 60 },
  )
})

test('families take turns', async () => {
  const lanes = new Lanes({ p: 1 })
  const order: string[] = []
  const add = (family: string, lane: string) =>
    lanes.add({ lane, family, pool: 'p', run: async () => void order.push(family) })
  for (let i = 0; i < 6; i++) add('big', `b${i}`)
  add('small', 's')
  await lanes.settled()
  expect(order.indexOf('small')).toBeLessThan(3)
})

test("one family leaves places to others, whatever its tasks wait for; each place it gives back is another's, or its own again", async () => {
  const lanes = new Lanes({ p: 4 })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const add = (family: string, name: string) =>
    lanes.add({
      lane: name,
      family,
      pool: 'p',
      run: () => {
        begun.push(name)
        return new Promise<void>(resolve => ends.set(name, resolve))
      },
    })
  const end = async (name: string) => {
    ends.get(name)?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  for (let i = 1; i <= 5; i++) add('big', `b${i}`)
  expect(begun).toEqual(['b1', 'b2', 'b3'])
  add('small', 's1')
  expect(begun).toEqual(['b1', 'b2', 'b3', 's1'])
  add('small', 's2')
  await end('b2')
  await end('s1')
  expect(begun.slice(4).sort()).toEqual(['b4', 's2'])
  await end('s2')
  expect(begun.length).toBe(6) // the place stays free: the big family has its share
  await end('b1')
  expect(begun.slice(6)).toEqual(['b5'])
})

test('tasks dropped before they begin never run, and their lane can be used again', async () => {
  const lanes = new Lanes({ p: 1 })
  const ran: string[] = []
  const task = (name: string) => ({ lane: 'l', family: 'f', pool: 'p', run: async () => void ran.push(name) })
  lanes.add(task('first'))
  const second = task('second')
  lanes.add(second)
  lanes.drop(t => t === second)
  lanes.add(task('third'))
  await lanes.settled()
  expect(ran).toEqual(['first', 'third'])
})

test('the mark is the last position before the first unfinished event, in whatever order they finish', () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 40 })
        .chain(n => fc.shuffledSubarray([...Array(n).keys()], { minLength: 1 }).map(o => ({ n, o }))),
      ({ n, o }) => {
        const mark = new Watermark({ txid: '0', position: 0 })
        const finish = Array.from({ length: n }, (_, i) => mark.add({ txid: '1', position: i + 1 }))
        const done = new Set<number>()
        for (const i of o) {
          finish[i]?.()
          done.add(i)
          let prefix = 0
          while (done.has(prefix)) prefix++
          expect(mark.committed.position).toBe(prefix)
          expect(mark.outstanding).toBe(n - prefix)
        }
      },
    ),
  )
})

test('pauses grow with jitter and end', () => {
  const always = (value: number) => () => value
  expect([1, 2, 3, 10].map(n => inPlacePause(n, defaultRetry, always(1)))).toEqual([100, 200, 400, 2_000])
  expect(inPlacePause(3, defaultRetry, always(0))).toBe(0)
  expect([1, 2, 5, 6].map(n => parkedPause(n, defaultRetry, always(1)))).toEqual([5_000, 30_000, 3_600_000, undefined])
  expect(parkedPause(1, defaultRetry, always(0))).toBe(2_500)
})
