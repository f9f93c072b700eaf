import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  admit,
  FIRST_TURNS,
  predictedWaitMs,
  schedule,
  type IdleWorker,
  type QueuedRequest,
  type SchedulePolicy,
} from './schedule.js'

const MODELS = ['large', 'small'] as const
const policy: SchedulePolicy = {
  maxRows: model => (model === 'large' ? 1 : 8),
  maxQueuedCost: 1_000,
  interactiveWeight: 8,
  maxDelayMs: 0,
  // As if each picture took ten milliseconds, and each batch two more.
  predictMs: (_model, rows) => 2 + 10 * rows,
  workers: 2,
}
const NOW = 10_000

const anyRequest = (id: number): fc.Arbitrary<QueuedRequest> =>
  fc.record({
    id: fc.constant(id),
    model: fc.constantFrom(...MODELS),
    family: fc.constantFrom('a', 'b', 'c'),
    rows: fc.integer({ min: 1, max: 12 }),
    cost: fc.integer({ min: 1, max: 200 }),
    lane: fc.constantFrom('interactive', 'backfill'),
    enqueuedAt: fc.integer({ min: NOW - 2_000, max: NOW }),
    deadline: fc.integer({ min: NOW - 100, max: NOW + 5_000 }),
  })
const anyQueue = fc
  .integer({ min: 0, max: 30 })
  .chain(length => fc.tuple(...Array.from({ length }, (_, id) => anyRequest(id))))
const anyIdle = fc
  .array(fc.subarray([...MODELS]), { maxLength: 4 })
  .map(loaded => loaded.map((l, id): IdleWorker => ({ id, loaded: l })))

const request = (id: number, more: Partial<QueuedRequest> = {}): QueuedRequest => ({
  id,
  model: 'small',
  family: 'a',
  rows: 1,
  cost: 1,
  lane: 'interactive',
  enqueuedAt: NOW - 10,
  deadline: NOW + 60_000,
  ...more,
})
const idle = (count: number): IdleWorker[] => Array.from({ length: count }, (_, id) => ({ id, loaded: [] }))

describe('schedule', () => {
  test('uses each request and each worker at most once, and never what has expired', () => {
    fc.assert(
      fc.property(anyQueue, anyIdle, (queue, workers) => {
        const { dispatch, expired } = schedule(NOW, queue, workers, policy)
        const used = [...dispatch.flatMap(batch => batch.requests), ...expired]
        expect(new Set(used).size).toBe(used.length)
        expect(new Set(dispatch.map(batch => batch.worker)).size).toBe(dispatch.length)
        for (const { id, rows, deadline } of queue) expect(expired.includes(id)).toBe(NOW + 2 + 10 * rows > deadline)
      }),
    )
  })

  test('leaves no worker idle while a request waits', () => {
    fc.assert(
      fc.property(anyQueue, anyIdle, (queue, workers) => {
        const { dispatch, expired } = schedule(NOW, queue, workers, policy)
        const used = expired.length + dispatch.reduce((sum, batch) => sum + batch.requests.length, 0)
        expect(used === queue.length || dispatch.length === workers.length).toBe(true)
      }),
    )
  })

  test('a batch holds one model and no more rows than allowed, unless one request alone has more', () => {
    fc.assert(
      fc.property(anyQueue, anyIdle, (queue, workers) => {
        for (const batch of schedule(NOW, queue, workers, policy).dispatch) {
          const members = batch.requests.map(id => queue[id] as QueuedRequest)
          expect(members.every(member => member.model === batch.model)).toBe(true)
          const rows = members.reduce((sum, member) => sum + member.rows, 0)
          expect(members.length === 1 || rows <= policy.maxRows(batch.model)).toBe(true)
        }
      }),
    )
  })

  test("a family's requests of one lane and model begin in the order in which they came", () => {
    fc.assert(
      fc.property(anyQueue, queue => {
        const { order } = runAlone(queue.map(each => ({ ...each, model: 'large', deadline: Infinity })))
        for (const [place, one] of order.entries())
          for (const later of order.slice(place + 1))
            if (later.family === one.family && later.lane === one.lane)
              expect(later.enqueuedAt - one.enqueuedAt || later.id - one.id).toBeGreaterThan(0)
      }),
    )
  })

  test('does not depend on the order of the queue', () => {
    fc.assert(
      fc.property(anyQueue, anyIdle, (queue, workers) => {
        const reversed = schedule(NOW, [...queue].reverse(), workers, policy)
        expect(reversed.dispatch).toEqual(schedule(NOW, queue, workers, policy).dispatch)
      }),
    )
  })

  test('a family that has 10,000 requests waiting does not stand before the one request of another', () => {
    const flood = Array.from({ length: 10_000 }, (_, id) =>
      request(id, { lane: 'backfill', enqueuedAt: NOW - 5_000, cost: 75, model: 'large' }),
    )
    const { turns } = schedule(NOW, flood, idle(1), policy)
    const other = request(10_000, { family: 'b', lane: 'backfill', enqueuedAt: NOW, cost: 75, model: 'large' })
    expect(schedule(NOW, [...flood.slice(1), other], idle(1), policy, turns).dispatch[0]?.requests).toEqual([10_000])
  })

  test('families that always wait get the same work, but for what one batch holds', () => {
    fc.assert(
      fc.property(
        fc.array(anyRequest(0), { minLength: 100, maxLength: 200 }),
        fc.integer({ min: 1, max: 60 }),
        (drawn, steps) => {
          const same = { lane: 'backfill', deadline: Infinity } as const
          const queue = drawn.map((each, id) => ({
            ...each,
            ...same,
            id,
            cost: 1 + (each.cost % 20),
            // One came long before the others, as an import does.
            enqueuedAt: each.family === 'a' ? NOW - 60_000 : each.enqueuedAt,
          }))
          const { had, waitsAfter } = runAlone(queue, steps)
          // A batch holds at most eight rows of the small model or one request: as much can be had before one's turn.
          const most = 8 * 20
          const waiting = [...had].filter(([family]) => waitsAfter.has(family)).map(([, cost]) => cost)
          expect(Math.max(0, ...waiting) - Math.min(Infinity, ...waiting)).toBeLessThanOrEqual(2 * most)
        },
      ),
    )
  })

  test('a person goes before an import, however long that has waited, and the import still gets its part', () => {
    const queue = [
      ...Array.from({ length: 90 }, (_, id) => request(id, { model: 'large', lane: 'interactive', family: 'a' })),
      ...Array.from({ length: 90 }, (_, id) =>
        request(100 + id, { model: 'large', lane: 'backfill', family: 'b', enqueuedAt: NOW - 60_000 }),
      ),
    ]
    const { order } = runAlone(queue, 90)
    expect(order[0]?.lane).toBe('interactive')
    expect(order.filter(each => each.lane === 'backfill')).toHaveLength(10)
  })

  test('nobody starves: with new work of everyone else for ever, each request begins', () => {
    fc.assert(
      fc.property(anyRequest(0), fc.integer({ min: 1, max: 200 }), (drawn, cost) => {
        const waiting = { ...drawn, id: -1, deadline: Infinity, enqueuedAt: NOW }
        let turns = FIRST_TURNS
        for (let step = 0, id = 0; step < 400; step++) {
          const rivals = ['x', 'y'].flatMap(family =>
            (['interactive', 'backfill'] as const).map(lane =>
              request(id++, { family, lane, cost, enqueuedAt: NOW - 1_000, deadline: Infinity, model: 'large' }),
            ),
          )
          const decision = schedule(NOW, [...rivals, waiting], idle(1), policy, turns)
          if (decision.dispatch[0]?.requests.includes(-1)) return
          turns = decision.turns
        }
        throw new Error('it never began')
      }),
    )
  })

  test('who comes back after a rest has earned nothing by it', () => {
    const one = (id: number, family: string) => request(id, { family, lane: 'backfill', model: 'large', cost: 10 })
    let turns = FIRST_TURNS
    for (let id = 0; id < 100; id++) ({ turns } = schedule(NOW, [one(id, 'a')], idle(1), policy, turns))
    const { order } = runAlone(
      Array.from({ length: 20 }, (_, id) => one(id, id < 10 ? 'a' : 'b')),
      10,
      turns,
    )
    expect(order.filter(({ family }) => family === 'b')).toHaveLength(5)
  })

  test('prefers the worker that has the model loaded', () => {
    const workers = [
      { id: 0, loaded: ['large'] },
      { id: 1, loaded: ['small'] },
    ]
    expect(schedule(NOW, [request(0)], workers, policy).dispatch[0]?.worker).toBe(1)
  })

  test('the halves of a failed batch stay apart from each other and from new requests', () => {
    const queue = [
      request(0, { splitGroup: 0 }),
      request(1, { splitGroup: 0 }),
      request(2, { splitGroup: 1 }),
      request(3),
    ]
    const batches = schedule(NOW, queue, idle(3), policy).dispatch.map(batch => batch.requests)
    expect(batches).toEqual([[0, 1], [2], [3]])
  })

  test('with a delay allowed, a batch that is not full waits for company, a full one does not', () => {
    const patient = { ...policy, maxDelayMs: 50 }
    expect(schedule(NOW, [request(0)], idle(1), patient)).toEqual({
      dispatch: [],
      expired: [],
      waitUntil: NOW + 40,
      turns: FIRST_TURNS,
    })
    expect(schedule(NOW, [request(0, { rows: 8 })], idle(1), patient).dispatch).toHaveLength(1)
    expect(schedule(NOW + 40, [request(0)], idle(1), patient).dispatch).toHaveLength(1)
  })
})

describe('admit', () => {
  test('refuses when the queue is full, but an empty queue takes anything', () => {
    const queue = [request(0, { cost: 900 })]
    expect(admit(NOW, queue, request(1, { cost: 200 }), policy)).toBe('QUEUE_FULL')
    expect(admit(NOW, [], request(1, { cost: 2_000 }), policy)).toBeUndefined()
  })

  test('one family cannot fill the queue: another finds room', () => {
    const queue: QueuedRequest[] = []
    for (let id = 0; id < 200; id++) {
      const next = request(id, { cost: 10 })
      if (admit(NOW, queue, next, policy) === undefined) queue.push(next)
    }
    expect(queue).toHaveLength(75)
    expect(admit(NOW, queue, request(999, { cost: 10 }), policy)).toBe('FAMILY_SHARE')
    expect(admit(NOW, queue, request(999, { cost: 10, family: 'b' }), policy)).toBeUndefined()
  })

  test('whatever comes, no more waits than the bound, and no family holds more than its part', () => {
    fc.assert(
      fc.property(fc.array(anyRequest(0), { maxLength: 60 }), requests => {
        const queue: QueuedRequest[] = []
        for (const [id, each] of requests.entries())
          if (admit(NOW, queue, { ...each, id, deadline: Infinity }, policy) === undefined) queue.push({ ...each, id })
        const cost = (of: readonly QueuedRequest[]) => of.reduce((sum, each) => sum + each.cost, 0)
        expect(cost(queue)).toBeLessThanOrEqual(policy.maxQueuedCost)
        for (const family of ['a', 'b', 'c']) {
          const own = queue.filter(each => each.family === family)
          if (own.length > 1) expect(cost(own)).toBeLessThanOrEqual(0.75 * policy.maxQueuedCost)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('tells what is late whatever happens from what is late because of others', () => {
    // 50 pictures in batches of 8 at 82 ms each, on two workers: 256 ms.
    const queue = [request(0, { cost: 50, rows: 50 })]
    const one = (deadline: number) => request(1, { cost: 1, deadline })
    expect(admit(NOW, queue, one(NOW + 11), policy)).toBe('DEADLINE_TOO_SHORT')
    expect(admit(NOW, queue, one(NOW + 200), policy)).toBe('WAIT_TOO_LONG')
    expect(admit(NOW, queue, one(NOW + 300), policy)).toBeUndefined()
    expect(admit(NOW, queue, one(NOW + 300), policy, [100, 100])).toBe('WAIT_TOO_LONG')
  })

  test('neither another family nor an import that waits holds a request up for longer than its turn', () => {
    const flood = Array.from({ length: 90 }, (_, id) => request(id, { rows: 1, lane: 'backfill' }))
    const person = request(100, { deadline: NOW + 20, family: 'a' })
    expect(admit(NOW, flood, person, policy)).toBeUndefined()
    const other = request(100, { family: 'b', lane: 'backfill', deadline: NOW + 40 })
    expect(admit(NOW, flood, other, policy)).toBeUndefined()
    expect(admit(NOW, flood, { ...other, family: 'a' }, policy)).toBe('WAIT_TOO_LONG')
  })

  test('more before a request never shortens its predicted wait', () => {
    fc.assert(
      fc.property(anyQueue, anyRequest(99), anyRequest(98), (queue, one, more) => {
        const without = predictedWaitMs(queue, one, policy, [5, 5])
        expect(predictedWaitMs([...queue, more], one, policy, [5, 5])).toBeGreaterThanOrEqual(without - 1e-9)
      }),
    )
  })
})

/** One worker takes everything, batch by batch: what ran in which order, and what each family has had after so many batches. */
function runAlone(queue: readonly QueuedRequest[], steps = Infinity, turns = FIRST_TURNS) {
  let waiting = [...queue]
  const order: QueuedRequest[] = []
  const had = new Map(queue.map(({ family }) => [family, 0]))
  for (let step = 0; waiting.length > 0 && step < steps; step++) {
    const decision = schedule(NOW, waiting, idle(1), policy, turns)
    turns = decision.turns
    const ran = (decision.dispatch[0]?.requests ?? []).map(id => waiting.find(each => each.id === id) as QueuedRequest)
    order.push(...ran)
    for (const { family, cost } of ran) had.set(family, (had.get(family) ?? 0) + cost)
    waiting = waiting.filter(each => !ran.includes(each))
  }
  return { order, had, waitsAfter: new Set(waiting.map(({ family }) => family)) }
}
