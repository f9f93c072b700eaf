import { Worker } from 'node:worker_threads'
import type { ResultMessage, RunMessage, StopMessage, WorkerModel, WorkerStart } from './session-messages.js'

/** A batch on its way: pixels of all its rows, and the traces of the requests in it. */
export type BatchInput = Omit<RunMessage, 'batch'>

/** What came of a batch. `broken`: the model itself cannot be opened, so splitting the batch would not help. */
export type BatchResult =
  { ok: true; outputs: Record<string, Float32Array>; runMs: number } | { ok: false; error: Error; broken: boolean }

/** Runs batches. The CPU adapter is `SessionPool`; tests bring their own. */
export interface Executor {
  /** Ids of workers that may be given a batch now, with the models they hold. */
  idle(): { id: number; loaded: readonly string[] }[]
  /** Runs a batch on an idle worker. Never rejects. */
  run(worker: number, input: BatchInput): Promise<BatchResult>
  /** Frees all memory; the next `run` starts again. Only while nothing runs. */
  release(): Promise<void>
  liveWorkers(): number
}

interface Slot {
  id: number
  worker?: Worker
  loaded: string[]
  finish?: (result: BatchResult) => void
}

/** Worker threads with a session set each. A thread starts with its first batch and ends with `release`. */
export class SessionPool implements Executor {
  private readonly slots: Slot[]
  private nextBatch = 0

  constructor(
    workers: number,
    private readonly models: Readonly<Record<string, WorkerModel>>,
    private readonly telemetry: WorkerStart['telemetry'],
  ) {
    this.slots = Array.from({ length: workers }, (_, id) => ({ id, loaded: [] }))
  }

  idle(): { id: number; loaded: readonly string[] }[] {
    return this.slots.filter(slot => !slot.finish)
  }

  liveWorkers(): number {
    return this.slots.filter(slot => slot.worker).length
  }

  run(id: number, input: BatchInput): Promise<BatchResult> {
    const slot = this.slots[id]
    if (!slot || slot.finish) throw new Error(`worker ${id} is not idle`)
    const worker = (slot.worker ??= this.start(slot))
    if (!slot.loaded.includes(input.model)) slot.loaded.push(input.model)
    return new Promise(resolve => {
      slot.finish = resolve
      const message: RunMessage = { ...input, batch: this.nextBatch++ }
      worker.postMessage(message, [message.pixels.buffer as ArrayBuffer])
    })
  }

  async release(): Promise<void> {
    await Promise.all(
      this.slots.map(async slot => {
        const { worker } = slot
        this.forget(slot)
        if (worker) await end(worker)
      }),
    )
  }

  private start(slot: Slot): Worker {
    // onnxruntime 1.30 tells its maker of every session, over the network, unless the environment of the process says no before it is
    // loaded. A worker cannot say so: its `process.env` is a copy, and native code reads the process's.
    process.env['ORT_DISABLE_TELEMETRY'] = '1'
    const workerData: WorkerStart = { models: this.models, ...(this.telemetry ? { telemetry: this.telemetry } : {}) }
    const worker = new Worker(new URL('./session-worker.js', import.meta.url), {
      workerData,
      name: `inference-${slot.id}`,
    })
    worker.unref()
    worker.on('message', (message: ResultMessage) =>
      this.settle(
        slot,
        'outputs' in message
          ? { ok: true, outputs: message.outputs, runMs: message.runMs }
          : { ok: false, error: message.error, broken: message.broken },
      ),
    )
    const died = (error: Error) => {
      if (slot.worker !== worker) return
      this.forget(slot)
      this.settle(slot, { ok: false, error, broken: false })
    }
    worker.on('error', died)
    worker.on('exit', code => died(new Error(`the worker ended with code ${code}`)))
    return worker
  }

  private forget(slot: Slot): void {
    delete slot.worker
    slot.loaded = []
  }

  private settle(slot: Slot, result: BatchResult): void {
    const { finish } = slot
    delete slot.finish
    finish?.(result)
  }
}

/** How long a worker may take to free its sessions and send its last spans before it is ended by force. */
const STOP_GRACE_MS = 5_000

async function end(worker: Worker): Promise<void> {
  const force = setTimeout(() => void worker.terminate(), STOP_GRACE_MS)
  const exited = new Promise(resolve => worker.once('exit', resolve))
  const message: StopMessage = { stop: true }
  worker.ref()
  worker.postMessage(message)
  await exited
  clearTimeout(force)
}
