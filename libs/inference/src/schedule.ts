/** Who waits: a person (`interactive`) or an import that has time (`backfill`). */
export type Lane = 'interactive' | 'backfill'

/** One request in the queue, as far as scheduling needs to know it. Times are milliseconds on one clock. */
export interface QueuedRequest {
  id: number
  model: string
  /** Pictures in it; they are never torn apart. */
  rows: number
  /** Work in milliseconds of one core, as the catalogue estimates it. */
  cost: number
  lane: Lane
  enqueuedAt: number
  deadline: number
  /** Set on the halves of a batch that failed: only requests with the same mark may share a batch. */
  splitGroup?: number
}

export interface IdleWorker {
  id: number
  /** Models whose session it holds already. */
  loaded: readonly string[]
}

export interface SchedulePolicy {
  /** Most rows in one batch of a model; a single request may exceed it. */
  maxRows(model: string): number
  /** Most cost that may wait; beyond it new requests are refused. */
  maxQueuedCost: number
  /** A backfill request counts as if it had come this much later: after that long it goes before newer interactive ones. */
  backfillAgeMs: number
  /** How long a batch that is not full may wait for company. 0 on a CPU, where waiting gains nothing; 2 to 5 on a GPU. */
  maxDelayMs: number
  /** Measured milliseconds per unit of cost on this machine. */
  msPerCost: number
  /** Workers in all, idle or busy. */
  workers: number
}

export interface Batch {
  worker: number
  model: string
  requests: number[]
}

export interface Decision {
  dispatch: Batch[]
  /** Requests that can no longer be answered in time. */
  expired: number[]
  /** When to ask again although nothing happened; absent when only an event can change the answer. */
  waitUntil?: number
}

export type Refusal = 'QUEUE_FULL' | 'DEADLINE_TOO_SHORT'

/**
 * Whether a new request may join the queue. It is refused when the queue is full, or when all that would go before it
 * and its own work together end after its deadline: better to hear that now than to wait in vain.
 */
export function admit(
  now: number,
  queue: readonly QueuedRequest[],
  request: QueuedRequest,
  policy: SchedulePolicy,
): Refusal | undefined {
  const queued = sumOfCosts(queue)
  // An empty queue takes any request: one that is larger than the whole bound must still be possible.
  if (queue.length > 0 && queued + request.cost > policy.maxQueuedCost) return 'QUEUE_FULL'
  const ahead = sumOfCosts(queue.filter(other => goesBefore(other, request, policy)))
  const finish = now + (ahead / policy.workers + request.cost) * policy.msPerCost
  return finish > request.deadline ? 'DEADLINE_TOO_SHORT' : undefined
}

/** How long a refused caller should wait before it asks again: until half of what is queued now is done. */
export function retryAfterMs(queue: readonly QueuedRequest[], policy: SchedulePolicy): number {
  return Math.ceil((sumOfCosts(queue) / policy.workers / 2) * policy.msPerCost)
}

/**
 * Decides what runs now. Pure: the same arguments give the same decision, and nothing is remembered between calls.
 * - work-conserving: with `maxDelayMs` 0, no worker stays idle while a request waits
 * - the batch starts with the request that waited longest (backfill counted later) and takes others of the same model
 * - a worker that has the model loaded is preferred
 * - requests whose own work cannot end before their deadline are named in `expired`, never dispatched
 */
export function schedule(
  now: number,
  queue: readonly QueuedRequest[],
  idle: readonly IdleWorker[],
  policy: SchedulePolicy,
): Decision {
  const late = queue.filter(request => now + request.cost * policy.msPerCost > request.deadline)
  const expired = late.map(request => request.id)
  const expiredIds = new Set(expired)
  let waiting = queue.filter(request => !expiredIds.has(request.id)).sort(inOrder(policy))
  const workers = [...idle]
  const dispatch: Batch[] = []
  let waitUntil: number | undefined
  const held = new Set<number>()
  while (workers.length > 0) {
    const first = waiting.find(request => !held.has(request.id))
    if (!first) break
    const batch = batchFrom(first, waiting, policy)
    const releaseAt = first.enqueuedAt + policy.maxDelayMs
    const rows = batch.reduce((sum, request) => sum + request.rows, 0)
    if (rows < policy.maxRows(first.model) && first.splitGroup === undefined && releaseAt > now) {
      waitUntil = Math.min(waitUntil ?? releaseAt, releaseAt)
      for (const request of batch) held.add(request.id)
      continue
    }
    const worker = takeWorker(workers, first.model)
    dispatch.push({ worker: worker.id, model: first.model, requests: batch.map(request => request.id) })
    const taken = new Set(batch)
    waiting = waiting.filter(request => !taken.has(request))
  }
  return { dispatch, expired, ...(waitUntil === undefined ? {} : { waitUntil }) }
}

/** The first request and those after it that fit beside it, in order. */
function batchFrom(first: QueuedRequest, waiting: readonly QueuedRequest[], policy: SchedulePolicy): QueuedRequest[] {
  const limit = policy.maxRows(first.model)
  const batch = [first]
  let rows = first.rows
  for (const other of waiting) {
    if (other === first || other.model !== first.model || other.splitGroup !== first.splitGroup) continue
    if (rows + other.rows > limit) continue
    batch.push(other)
    rows += other.rows
  }
  return batch
}

function takeWorker(workers: IdleWorker[], model: string): IdleWorker {
  const index = Math.max(
    0,
    workers.findIndex(worker => worker.loaded.includes(model)),
  )
  const [worker] = workers.splice(index, 1)
  return worker as IdleWorker
}

function virtualStart(request: QueuedRequest, policy: SchedulePolicy): number {
  return request.enqueuedAt + (request.lane === 'backfill' ? policy.backfillAgeMs : 0)
}

function inOrder(policy: SchedulePolicy): (a: QueuedRequest, b: QueuedRequest) => number {
  return (a, b) => virtualStart(a, policy) - virtualStart(b, policy) || a.id - b.id
}

function goesBefore(other: QueuedRequest, request: QueuedRequest, policy: SchedulePolicy): boolean {
  return inOrder(policy)(other, request) < 0
}

function sumOfCosts(requests: readonly QueuedRequest[]): number {
  return requests.reduce((sum, request) => sum + request.cost, 0)
}
