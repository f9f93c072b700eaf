import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { admit, schedule, type IdleWorker, type QueuedRequest, type SchedulePolicy } from './schedule.js'

const MODELS = ['large', 'small'] as const
const policy: SchedulePolicy = {
  maxRows: model => (model === 'large' ? 1 : 8),
  maxQueuedCost: 1_000,
  backfillAgeMs: 500,
  maxDelayMs: 0,
  msPerCost: 1,
  workers: 2,
}
const NOW = 10_000

const anyRequest = (id: number): fc.Arbitrary<QueuedRequest> =>
  fc.record({
    id: fc.constant(id),
    model: fc.constantFrom(...MODELS),
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
        for (const { id, cost, deadline } of queue) expect(expired.includes(id)).toBe(NOW + cost > deadline)
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

  test('what waited longest, backfill counted later, is always dispatched first', () => {
    fc.assert(
      fc.property(anyQueue, queue => {
        const { dispatch, expired } = schedule(NOW, queue, idle(1), policy)
        const start = (r: QueuedRequest) => r.enqueuedAt + (r.lane === 'backfill' ? policy.backfillAgeMs : 0)
        const viable = queue.filter(r => !expired.includes(r.id)).sort((a, b) => start(a) - start(b) || a.id - b.id)
        expect(dispatch[0]?.requests[0]).toBe(viable[0]?.id)
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

  test('backfill cannot starve: nothing that came more than its age after it goes before it', () => {
    fc.assert(
      fc.property(anyQueue, anyIdle, (queue, workers) => {
        const backfill = request(-1, { lane: 'backfill', model: 'large', enqueuedAt: NOW - 1_500 })
        const { dispatch } = schedule(NOW, [...queue, backfill], workers, policy)
        const heads = dispatch.map(batch => batch.requests[0] as number)
        const place = heads.indexOf(backfill.id)
        for (const head of place < 0 ? heads : heads.slice(0, place))
          expect((queue[head] as QueuedRequest).enqueuedAt).toBeLessThanOrEqual(
            backfill.enqueuedAt + policy.backfillAgeMs,
          )
      }),
    )
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
    expect(schedule(NOW, [request(0)], idle(1), patient)).toEqual({ dispatch: [], expired: [], waitUntil: NOW + 40 })
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

  test('refuses what cannot be done in time after all that goes before it', () => {
    const queue = [request(0, { cost: 500 })]
    expect(admit(NOW, queue, request(1, { cost: 10, deadline: NOW + 200 }), policy)).toBe('DEADLINE_TOO_SHORT')
    expect(admit(NOW, queue, request(1, { cost: 10, deadline: NOW + 300 }), policy)).toBeUndefined()
  })

  test('an interactive request is not held up by backfill that is still young', () => {
    const queue = [request(0, { cost: 900, lane: 'backfill' })]
    expect(admit(NOW, queue, request(1, { cost: 10, enqueuedAt: NOW, deadline: NOW + 20 }), policy)).toBeUndefined()
  })
})
