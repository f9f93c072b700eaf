import { currentFamily, injectTrace, span } from '@keepsake/telemetry'
import { BusyRatio } from './busy-ratio.js'
import { cancelled, failed, late, refused, stopped, wrongInput } from './errors.js'
import type { Inference, ModelOutputs, PixelRows, RunOptions } from './inference.js'
import type { ModelShape } from './catalogue.js'
import { Latencies } from './latency.js'
import { batchCost, batchRows, batchSeconds, busyRatio, queueSeconds, refusals } from './metrics.js'
import {
  admit,
  FIRST_TURNS,
  retryAfterMs,
  schedule,
  type Batch,
  type QueuedRequest,
  type SchedulePolicy,
} from './schedule.js'
import { paddedRows } from './provider.js'
import type { BatchResult, Executor } from './session-pool.js'

export interface BatcherOptions<M extends string> {
  models: Readonly<Record<M, ModelShape>>
  executor: Executor
  /** How many workers the executor has. */
  workers: number
  /** Idle milliseconds after which the executor gives its memory back. */
  idleReleaseMs: number
  /** See `SchedulePolicy`. Defaults: 60,000 (a minute of one core), 8 and 0. */
  maxQueuedCost?: number
  interactiveWeight?: number
  maxDelayMs?: number
  /** Sizes that batches are padded to, ascending; the last of them bounds a batch instead of `maxRows`. Default: no padding. */
  buckets?: readonly number[]
  /** Epoch milliseconds. */
  now?: () => number
}

interface Pending extends QueuedRequest {
  input: PixelRows
  trace: Record<string, string>
  resolve(outputs: ModelOutputs): void
  reject(error: Error): void
}

/** Puts requests into batches and gives them to an executor, as `schedule` decides. Holds the queue and the timers, decides nothing. */
export class Batcher<M extends string> implements Inference<M> {
  private readonly queue = new Map<number, Pending>()
  /** Batches under way, with the time at which each is expected to be done. */
  private readonly running = new Map<Promise<void>, number>()
  private readonly policy: SchedulePolicy
  private readonly latencies: Latencies
  private readonly busy: BusyRatio
  private readonly stopMeasuring: () => void
  private turns = FIRST_TURNS
  private readonly now: () => number
  private nextId = 0
  private nextSplitGroup = 0
  private wakeTimer: NodeJS.Timeout | undefined
  private idleTimer: NodeJS.Timeout | undefined
  private releasing: Promise<void> = Promise.resolve()
  private isReleasing = false
  private isClosed = false

  constructor(private readonly options: BatcherOptions<M>) {
    this.now = options.now ?? Date.now
    this.latencies = new Latencies(model => options.models[model as M].cost)
    this.busy = new BusyRatio(options.workers)
    this.stopMeasuring = busyRatio.observe(set => set(this.busy.at(this.now()), {}))
    this.policy = {
      maxRows: model => options.buckets?.at(-1) ?? options.models[model as M].maxRows,
      maxQueuedCost: options.maxQueuedCost ?? 60_000,
      interactiveWeight: options.interactiveWeight ?? 8,
      maxDelayMs: options.maxDelayMs ?? 0,
      predictMs: (model, rows) => this.latencies.predictMs(model, rows),
      workers: options.workers,
    }
  }

  run(model: M, input: PixelRows, options: RunOptions): Promise<ModelOutputs> {
    const { buckets } = this.options
    const run = buckets
      ? () => this.enqueueParts(model, input, options, buckets.at(-1) ?? input.rows)
      : () => this.enqueue(model, input, options)
    return span('inference.run', run, { model, rows: input.rows })
  }

  liveWorkers(): number {
    return this.options.executor.liveWorkers()
  }

  problem(): string | undefined {
    return this.options.executor.problem()
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const request of this.takeAll()) request.reject(stopped())
    clearTimeout(this.wakeTimer)
    clearTimeout(this.idleTimer)
    await Promise.all(this.running.keys())
    await this.releasing
    await this.options.executor.release()
    this.stopMeasuring()
  }

  /** A request with more rows than the largest bucket goes in parts: a batch of its own size would be a new shape. */
  private async enqueueParts(model: M, input: PixelRows, options: RunOptions, most: number): Promise<ModelOutputs> {
    const bytes = this.options.models[model].size ** 2 * 3
    if (input.rows <= most || input.data.length !== input.rows * bytes) return this.enqueue(model, input, options)
    const parts = Array.from({ length: Math.ceil(input.rows / most) }, (_, part) => {
      const rows = Math.min(most, input.rows - part * most)
      const data = input.data.subarray(part * most * bytes, (part * most + rows) * bytes)
      return this.enqueue(model, { rows, data }, options)
    })
    return joinOutputs(await Promise.all(parts))
  }

  private async enqueue(
    model: M,
    input: PixelRows,
    { lane = 'backfill', family = currentFamily() ?? '', deadline, signal }: RunOptions,
  ): Promise<ModelOutputs> {
    const { size, cost } = this.options.models[model]
    const expected = input.rows * size * size * 3
    if (input.rows < 1 || input.data.length !== expected) throw wrongInput(model, expected, input.data.length)
    if (this.isClosed) throw stopped()
    if (signal?.aborted) throw cancelled(signal.reason)
    const now = this.now()
    const queued = {
      id: this.nextId++,
      model,
      family,
      rows: input.rows,
      cost: cost * input.rows,
      lane,
      enqueuedAt: now,
      deadline,
    }
    const waiting = [...this.queue.values()]
    const running = [...this.running.values()].map(done => done - now)
    const refusal = admit(now, waiting, queued, this.policy, running)
    if (refusal) {
      refusals.add(1, { reason: refusal })
      throw refused(refusal, retryAfterMs(waiting, this.policy))
    }
    return new Promise<ModelOutputs>((resolve, reject) => {
      const onAbort = () => {
        if (this.queue.delete(queued.id)) refusals.add(1, { reason: 'CANCELLED' })
        reject(cancelled(signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const settled = () => signal?.removeEventListener('abort', onAbort)
      this.queue.set(queued.id, {
        ...queued,
        input,
        trace: injectTrace(),
        resolve: outputs => (settled(), resolve(outputs)),
        reject: error => (settled(), reject(error)),
      })
      this.pump()
    })
  }

  /** Asks `schedule` and does what it says. Called after every event that could change the answer. */
  private pump(): void {
    clearTimeout(this.wakeTimer)
    clearTimeout(this.idleTimer)
    // While the executor gives its memory back no worker may be started; the release pumps again when it is done.
    if (this.isReleasing) return
    const { executor } = this.options
    // Nothing can be decided before a batch has ended, which pumps again; a queue of thousands is not gone through for each that joins it.
    if (this.running.size > 0 && executor.idle().length === 0) return
    const decision = schedule(this.now(), [...this.queue.values()], executor.idle(), this.policy, this.turns)
    this.turns = decision.turns
    for (const id of decision.expired) {
      refusals.add(1, { reason: 'EXPIRED' })
      this.take(id)?.reject(late())
    }
    for (const batch of decision.dispatch) this.dispatch(batch)
    if (decision.waitUntil !== undefined)
      this.wakeTimer = setTimeout(() => this.pump(), Math.max(0, decision.waitUntil - this.now()))
    if (this.queue.size === 0 && this.running.size === 0 && executor.liveWorkers() > 0 && !this.isClosed)
      this.idleTimer = setTimeout(() => this.release(), this.options.idleReleaseMs).unref()
  }

  private release(): void {
    this.isReleasing = true
    this.releasing = this.options.executor.release().finally(() => {
      this.isReleasing = false
      this.pump()
    })
  }

  private dispatch({ worker, model, requests }: Batch): void {
    const batch = requests.flatMap(id => this.take(id) ?? [])
    const now = this.now()
    for (const request of batch) queueSeconds.record((now - request.enqueuedAt) / 1000, { model, lane: request.lane })
    const rows = batch.reduce((sum, request) => sum + request.rows, 0)
    const computed = this.options.buckets ? paddedRows(rows, this.options.buckets) : rows
    const pixels = joinPixels(batch, computed / rows)
    const ended = this.busy.begin(now)
    const work = this.options.executor
      .run(worker, { model, rows: computed, pixels, traces: batch.map(request => request.trace) })
      .then(result => {
        this.running.delete(work)
        ended(this.now())
        this.settle(model, batch, computed, result)
        this.pump()
      })
    this.running.set(work, now + this.policy.predictMs(model, computed))
  }

  private settle(model: string, batch: readonly Pending[], computed: number, result: BatchResult): void {
    if (!result.ok) return this.settleFailure(model, batch, result)
    const cost = batch.reduce((sum, request) => sum + request.cost, 0)
    const rows = batch.reduce((sum, request) => sum + request.rows, 0)
    batchRows.record(rows, { model })
    batchCost.record(cost, { model })
    batchSeconds.record(result.runMs / 1000, { model })
    this.latencies.add(model, { rows: computed, ms: result.runMs })
    let firstRow = 0
    for (const request of batch) {
      request.resolve(sliceRows(result.outputs, computed, firstRow, request.rows))
      firstRow += request.rows
    }
  }

  /** A failed batch is split in halves, each tried alone, until the request that makes the model fail is by itself. */
  private settleFailure(
    model: string,
    batch: readonly Pending[],
    { error, broken }: BatchResult & { ok: false },
  ): void {
    const [only] = batch
    if (broken) for (const request of batch) request.reject(stopped(error))
    else if (batch.length === 1 && only) only.reject(failed(model, error))
    else if (this.isClosed) for (const request of batch) request.reject(stopped(error))
    else {
      const middle = Math.ceil(batch.length / 2)
      for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
        const splitGroup = this.nextSplitGroup++
        for (const request of half) this.queue.set(request.id, { ...request, splitGroup })
      }
    }
  }

  private take(id: number): Pending | undefined {
    const request = this.queue.get(id)
    this.queue.delete(id)
    return request
  }

  private takeAll(): Pending[] {
    const all = [...this.queue.values()]
    this.queue.clear()
    return all
  }
}

/** One buffer of our own: it is transferred to the worker, and the callers keep theirs for a second try. `times` what is in it, the rest black. */
function joinPixels(batch: readonly Pending[], times: number): Uint8Array {
  const pixels = new Uint8Array(batch.reduce((sum, request) => sum + request.input.data.length, 0) * times)
  let offset = 0
  for (const { input } of batch) {
    pixels.set(input.data, offset)
    offset += input.data.length
  }
  return pixels
}

function joinOutputs(parts: readonly ModelOutputs[]): ModelOutputs {
  return Object.fromEntries(
    Object.keys(parts[0] ?? {}).map(name => {
      const values = parts.map(part => part[name] as Float32Array)
      const joined = new Float32Array(values.reduce((sum, { length }) => sum + length, 0))
      let offset = 0
      for (const each of values) {
        joined.set(each, offset)
        offset += each.length
      }
      return [name, joined]
    }),
  )
}

function sliceRows(outputs: ModelOutputs, rows: number, first: number, count: number): ModelOutputs {
  if (count === rows) return outputs
  return Object.fromEntries(
    Object.entries(outputs).map(([name, values]) => {
      const width = values.length / rows
      return [name, values.slice(first * width, (first + count) * width)]
    }),
  )
}
