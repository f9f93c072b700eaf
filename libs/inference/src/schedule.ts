import { charge, NOBODY_SERVED, turnOf, type FairShare } from './fair-share.js'

/** Who waits: a person (`interactive`) or an import that has time (`backfill`). */
export type Lane = 'interactive' | 'backfill'

/** One request in the queue, as far as scheduling needs to know it. Times are milliseconds on one clock. */
export interface QueuedRequest {
  id: number
  model: string
  /** Whose pictures these are; empty where it is nobody's. */
  family: string
  /** Pictures in it; they are never torn apart. */
  rows: number
  /** Work in milliseconds of one core, as the catalogue estimates it: what families and lanes are charged. */
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
  /** While both lanes wait, `interactive` gets so much work for each part that `backfill` gets. */
  interactiveWeight: number
  /** How long a batch that is not full may wait for company. 0 on a CPU, where waiting gains nothing; 2 to 5 on a GPU. */
  maxDelayMs: number
  /** Expected milliseconds of a batch of so many rows on this machine. */
  predictMs(model: string, rows: number): number
  /** Workers in all, idle or busy. */
  workers: number
}

/** What lanes and families had so far: handed on from decision to decision. */
export interface Turns {
  readonly lanes: FairShare<Lane>
  /** Of each lane, by family. */
  readonly families: Readonly<Record<Lane, FairShare<string>>>
}

/** Before anything ran. */
export const FIRST_TURNS: Turns = {
  lanes: NOBODY_SERVED,
  families: { interactive: NOBODY_SERVED, backfill: NOBODY_SERVED },
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
  /** For the next decision. */
  turns: Turns
}

/** Why a request may not join the queue; `DEADLINE_TOO_SHORT` alone does not pass by waiting. */
export type Refusal = 'QUEUE_FULL' | 'FAMILY_SHARE' | 'WAIT_TOO_LONG' | 'DEADLINE_TOO_SHORT'

/**
 * A family may hold so many times what is still free of the queue (dynamic thresholds, Choudhury and Hahne, 1998): alone three quarters of it, n families 3/(1+3n) each,
 * so that the next family always finds room.
 */
const FAMILY_TIMES_FREE = 3

/**
 * Whether a new request may join the queue. It is refused when the queue or its family's part of it is full, or when it would be answered after its deadline: better to
 * hear that now than to wait in vain.
 * @param running milliseconds that each busy worker still needs
 */
export function admit(
  now: number,
  queue: readonly QueuedRequest[],
  request: QueuedRequest,
  policy: SchedulePolicy,
  running: readonly number[] = [],
): Refusal | undefined {
  const alone = policy.predictMs(request.model, request.rows)
  if (now + alone > request.deadline) return 'DEADLINE_TOO_SHORT'
  let queued = 0
  let owned = 0
  for (const { cost, family } of queue) {
    queued += cost
    if (family === request.family) owned += cost
  }
  // An empty queue takes any request: one that is larger than the whole bound must still be possible.
  if (queue.length > 0 && queued + request.cost > policy.maxQueuedCost) return 'QUEUE_FULL'
  const free = policy.maxQueuedCost - queued - request.cost
  if (owned > 0 && owned + request.cost > FAMILY_TIMES_FREE * free) return 'FAMILY_SHARE'
  const wait = predictedWaitMs(queue, request, policy, running)
  return now + wait + alone > request.deadline ? 'WAIT_TOO_LONG' : undefined
}

/**
 * How long a request would wait for a worker, in milliseconds, if nothing else came: what runs, what its family has before it in its lane, as much of each other family's
 * there as comes in turn with that, and the other lane's part meanwhile.
 */
export function predictedWaitMs(
  queue: readonly QueuedRequest[],
  request: QueuedRequest,
  policy: SchedulePolicy,
  running: readonly number[],
): number {
  const byFamily = new Map<string, number>()
  const msOf = shareOfBatchMs(policy)
  let otherLane = 0
  for (const other of queue) {
    const ms = msOf(other)
    if (other.lane === request.lane) byFamily.set(other.family, (byFamily.get(other.family) ?? 0) + ms)
    else otherLane += ms
  }
  const before = byFamily.get(request.family) ?? 0
  const withItself = before + msOf(request)
  let ahead = before
  for (const [family, ms] of byFamily) if (family !== request.family) ahead += Math.min(ms, withItself)
  const weight = policy.interactiveWeight
  ahead += Math.min(otherLane, request.lane === 'interactive' ? ahead / weight : (ahead + withItself) * weight)
  if (ahead === 0 && running.length < policy.workers) return 0
  return (ahead + sumOf(running, ms => Math.max(0, ms))) / policy.workers
}

/** How long a refused caller should wait before it asks again: until half of what is queued now is done. */
export function retryAfterMs(queue: readonly QueuedRequest[], policy: SchedulePolicy): number {
  return Math.ceil(sumOf(queue, shareOfBatchMs(policy)) / policy.workers / 2)
}

/**
 * Decides what runs now. Pure: the same arguments give the same decision; what lanes and families had is handed in and out.
 * - work-conserving: with `maxDelayMs` 0, no worker stays idle while a request waits
 * - a batch starts with the request whose turn it is: lanes share the work by weight, the families of a lane evenly, each family's requests run in the order they came
 * - others of the same model fill the batch, those of the same lane first, and are charged to their families
 * - a worker that has the model loaded is preferred
 * - requests whose own work cannot end before their deadline are named in `expired`, never dispatched
 */
export function schedule(
  now: number,
  queue: readonly QueuedRequest[],
  idle: readonly IdleWorker[],
  policy: SchedulePolicy,
  turns: Turns = FIRST_TURNS,
): Decision {
  const expired: number[] = []
  const waiting = new WaitingLines()
  for (const request of queue)
    if (now + policy.predictMs(request.model, request.rows) > request.deadline) expired.push(request.id)
    else waiting.add(request)
  const workers = [...idle]
  const dispatch: Batch[] = []
  let waitUntil: number | undefined
  while (workers.length > 0) {
    const first = waiting.takeNext(turns)
    if (!first) break
    const batch = batchFrom(first, waiting, policy, turns)
    const rows = sumOf(batch.requests, request => request.rows)
    const releaseAt = first.enqueuedAt + policy.maxDelayMs
    if (rows < policy.maxRows(first.model) && first.splitGroup === undefined && releaseAt > now) {
      waitUntil = Math.min(waitUntil ?? releaseAt, releaseAt)
      continue
    }
    const worker = takeWorker(workers, first.model)
    dispatch.push({ worker: worker.id, model: first.model, requests: batch.requests.map(request => request.id) })
    turns = batch.turns
  }
  return { dispatch, expired, turns, ...(waitUntil === undefined ? {} : { waitUntil }) }
}

/** Those who wait, a line for each family in each lane: whose turn it is, is seen from the first of each. */
class WaitingLines {
  private readonly lanes: Record<Lane, Map<string, QueuedRequest[]>> = { interactive: new Map(), backfill: new Map() }

  /** Sets a request into its line by age. Most come in that order. */
  add(request: QueuedRequest): void {
    const lane = this.lanes[request.lane]
    const line = lane.get(request.family)
    if (!line) return void lane.set(request.family, [request])
    let place = line.length
    while (place > 0 && isOlder(request, line[place - 1] as QueuedRequest)) place--
    line.splice(place, 0, request)
  }

  /**
   * Takes the request whose turn it is out of its line: of the lane, then of the family that had least, the oldest; of those that `fits` lets pass.
   */
  takeNext(
    turns: Turns,
    fits: (request: QueuedRequest) => boolean = () => true,
    only?: Lane,
  ): QueuedRequest | undefined {
    const order: Lane[] = turnOf(turns.lanes, 'interactive') <= turnOf(turns.lanes, 'backfill') ? BY_RANK : BY_NEED
    for (const lane of only ? [only] : order) {
      let next: { line: QueuedRequest[]; place: number; request: QueuedRequest; turn: number } | undefined
      for (const [family, line] of this.lanes[lane]) {
        const turn = turnOf(turns.families[lane], family)
        if (next && turn > next.turn) continue
        const place = line.findIndex(fits)
        const request = line[place]
        if (request && (!next || turn < next.turn || isOlder(request, next.request)))
          next = { line, place, request, turn }
      }
      if (next) return next.line.splice(next.place, 1)[0]
    }
    return undefined
  }
}

const BY_RANK: Lane[] = ['interactive', 'backfill']
const BY_NEED: Lane[] = ['backfill', 'interactive']

function isOlder(a: QueuedRequest, b: QueuedRequest): boolean {
  return (a.enqueuedAt - b.enqueuedAt || a.id - b.id) < 0
}

/** A request and those that fit beside it, taken out of their lines in the order of their turns, its own lane first; and what all have had then. */
function batchFrom(
  first: QueuedRequest,
  waiting: WaitingLines,
  policy: SchedulePolicy,
  turns: Turns,
): { requests: QueuedRequest[]; turns: Turns } {
  const requests = [first]
  let after = serve(turns, first, policy, true)
  let room = policy.maxRows(first.model) - first.rows
  const fits = ({ model, splitGroup, rows }: QueuedRequest) =>
    model === first.model && splitGroup === first.splitGroup && rows <= room
  while (room > 0) {
    const next = waiting.takeNext(after, fits, first.lane) ?? waiting.takeNext(after, fits)
    if (!next) break
    requests.push(next)
    after = serve(after, next, policy, false)
    room -= next.rows
  }
  return { requests, turns: after }
}

function serve(turns: Turns, { lane, family, cost }: QueuedRequest, policy: SchedulePolicy, isNext: boolean): Turns {
  const weight = lane === 'interactive' ? policy.interactiveWeight : 1
  return {
    lanes: charge(turns.lanes, lane, cost / weight, isNext),
    families: { ...turns.families, [lane]: charge(turns.families[lane], family, cost, isNext) },
  }
}

function takeWorker(workers: IdleWorker[], model: string): IdleWorker {
  const index = Math.max(
    0,
    workers.findIndex(worker => worker.loaded.includes(model)),
  )
  const [worker] = workers.splice(index, 1)
  return worker as IdleWorker
}

/** What each request adds to a full batch of its model, ms. Models are asked about once: a queue holds thousands of requests. */
function shareOfBatchMs(policy: SchedulePolicy): (request: QueuedRequest) => number {
  const perRow = new Map<string, number>()
  return ({ model, rows }) => {
    let ms = perRow.get(model)
    if (ms === undefined) {
      const full = policy.maxRows(model)
      ms = policy.predictMs(model, full) / full
      perRow.set(model, ms)
    }
    return ms * rows
  }
}

function sumOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0)
}
