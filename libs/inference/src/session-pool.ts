import { crashes } from './metrics.js'
import type { NodePlacement } from './node-placement.js'
import { startThread, type SessionLink, type StartSession } from './session-link.js'
import type { ResultMessage, RunMessage, WorkerStart } from './session-messages.js'

/** A batch on its way: pixels of all its rows, and the traces of the requests in it. */
export type BatchInput = Omit<RunMessage, 'batch'>

/**
 * What came of a batch. `nodes`: where each node ran, where that was asked for. `broken`: the model itself cannot be opened, or workers crash again and again, so
 * splitting the batch would not help.
 */
export type BatchResult =
  | { ok: true; outputs: Record<string, Float32Array>; runMs: number; nodes?: NodePlacement[] }
  | { ok: false; error: Error; broken: boolean }

/** Runs batches. The adapter is `SessionPool`; tests bring their own. */
export interface Executor {
  /** Ids of workers that may be given a batch now, with the models they hold. */
  idle(): { id: number; loaded: readonly string[] }[]
  /** Runs a batch on an idle worker. Never rejects. */
  run(worker: number, input: BatchInput): Promise<BatchResult>
  /** Frees all memory; the next `run` starts again. Only while nothing runs. */
  release(): Promise<void>
  liveWorkers(): number
  /** A sentence about why nothing can run at present; undefined where all is well. */
  problem(): string | undefined
}

interface Slot {
  id: number
  link?: SessionLink
  loaded: string[]
  finish?: (result: BatchResult) => void
}

/** So many crashes within so many milliseconds, and no worker is started until the first of them is that long ago. */
const CRASHES = 3
const CRASH_WINDOW_MS = 60_000

export interface SessionPoolOptions {
  /** Default: threads of this process. */
  startSession?: StartSession
  /** Epoch milliseconds. */
  now?: () => number
}

/** Workers with a session set each, threads or processes. One starts with its first batch and ends with `release`; one that crashed is started again with the next batch. */
export class SessionPool implements Executor {
  private readonly slots: Slot[]
  private readonly startSession: StartSession
  private readonly now: () => number
  private crashedAt: number[] = []
  private nextBatch = 0

  constructor(
    workers: number,
    private readonly workerStart: WorkerStart,
    { startSession = startThread, now = Date.now }: SessionPoolOptions = {},
  ) {
    this.slots = Array.from({ length: workers }, (_, id) => ({ id, loaded: [] }))
    this.startSession = startSession
    this.now = now
  }

  idle(): { id: number; loaded: readonly string[] }[] {
    return this.slots.filter(slot => !slot.finish)
  }

  liveWorkers(): number {
    return this.slots.filter(slot => slot.link).length
  }

  problem(): string | undefined {
    this.crashedAt = this.crashedAt.filter(at => at > this.now() - CRASH_WINDOW_MS)
    if (this.crashedAt.length < CRASHES) return undefined
    return `the models crashed ${this.crashedAt.length} times within a minute; they are started again when a minute has passed`
  }

  run(id: number, input: BatchInput): Promise<BatchResult> {
    const slot = this.slots[id]
    if (!slot || slot.finish) throw new Error(`worker ${id} is not idle`)
    const problem = this.problem()
    if (problem !== undefined) return Promise.resolve({ ok: false, error: new Error(problem), broken: true })
    const link = (slot.link ??= this.start(slot))
    if (!slot.loaded.includes(input.model)) slot.loaded.push(input.model)
    return new Promise(resolve => {
      slot.finish = resolve
      link.keepAlive(true)
      link.send({ ...input, batch: this.nextBatch++ })
    })
  }

  async release(): Promise<void> {
    await Promise.all(
      this.slots.map(async slot => {
        const { link } = slot
        this.forget(slot)
        await link?.stop()
      }),
    )
  }

  private start(slot: Slot): SessionLink {
    const link = this.startSession(this.workerStart, `inference-${slot.id}`, {
      onResult: result => {
        if (slot.link === link) this.settle(slot, resultOf(result))
      },
      onEnd: error => {
        if (slot.link !== link) return
        this.forget(slot)
        this.crashedAt.push(this.now())
        crashes.add(1, {})
        this.settle(slot, { ok: false, error, broken: false })
      },
    })
    return link
  }

  private forget(slot: Slot): void {
    delete slot.link
    slot.loaded = []
  }

  private settle(slot: Slot, result: BatchResult): void {
    const { finish } = slot
    delete slot.finish
    slot.link?.keepAlive(false)
    finish?.(result)
  }
}

function resultOf(message: ResultMessage): BatchResult {
  if ('error' in message) return { ok: false, error: message.error, broken: message.broken }
  const { outputs, runMs, nodes } = message
  return { ok: true, outputs, runMs, ...(nodes ? { nodes } : {}) }
}
