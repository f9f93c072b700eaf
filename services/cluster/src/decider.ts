import { Worker } from 'node:worker_threads'
import { DIMENSIONS } from './age-groups.js'
import type { RegisteredChild } from './child-proposals.js'
import type { LedgerEntry } from './ledger.js'
import type { Outcome } from './outcome.js'
import type { FaceFacts, RunAnswer, RunRequest } from './run-worker.js'
import { faceKey } from './run-worker.js'

/** What the decider needs to know of a family; embeddings are asked for by key only where its thread lacks them. */
export interface FamilyState {
  familyId: string
  faces: FaceFacts[]
  ledger: LedgerEntry[]
  children: RegisteredChild[]
  previous: [string, string][]
}

/** Families whose embeddings and best matches the thread keeps, at most. */
const KEPT_FAMILIES = 8
/** The thread ends after so long without work and gives its memory back, ms. */
const IDLE_MS = 60_000

/** Runs decisions in a thread of its own, one at a time. */
export class Decider {
  readonly #means: string | undefined
  /** Keys the thread has, by family, least recently used first. */
  readonly #known = new Map<string, Set<string>>()
  readonly #waiting = new Map<number, { resolve: (answer: RunAnswer) => void; reject: (error: Error) => void }>()
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #runs = 0
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  /** @param means file of the age group means; empty for none, undefined for the shipped one. */
  constructor(means?: string) {
    this.#means = means
  }

  /** Decides one family. `embeddings` answers those of the given face ids in order, as 128 little-endian floats each. */
  decide(state: FamilyState, embeddings: (ids: readonly string[]) => Promise<readonly Buffer[]>): Promise<Outcome> {
    const mine = this.#queue.then(() => this.#decide(state, embeddings))
    this.#queue = mine.catch(() => undefined)
    return mine
  }

  /** Lets go of everything about a family. */
  forget(familyId: string): void {
    if (this.#known.delete(familyId)) this.#worker?.postMessage({ forget: familyId })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    await this.#stop()
  }

  async #decide(state: FamilyState, load: (ids: readonly string[]) => Promise<readonly Buffer[]>): Promise<Outcome> {
    if (this.#closed) throw new Error('the decider is closed')
    clearTimeout(this.#idle)
    const worker = this.#start()
    const known = this.#known.get(state.familyId) ?? new Set<string>()
    this.#known.delete(state.familyId)
    this.#known.set(state.familyId, known)
    const missing = state.faces.filter(face => !known.has(faceKey(face)))
    const buffers = missing.length ? await load(missing.map(face => face.id)) : []
    const packed = new Float32Array(missing.length * DIMENSIONS)
    buffers.forEach((buffer, i) => packed.set(floats(buffer), i * DIMENSIONS))
    const run = ++this.#runs
    const answer = await new Promise<RunAnswer>((resolve, reject) => {
      this.#waiting.set(run, { resolve, reject })
      const { familyId, faces, ledger, children, previous } = state
      const request: RunRequest = {
        run,
        familyId,
        faces,
        ledger,
        children,
        previous,
        fresh: { keys: missing.map(faceKey), embeddings: packed },
      }
      worker.postMessage(request, [packed.buffer])
    })
    this.#idle = setTimeout(() => void this.#stop(), IDLE_MS)
    this.#idle.unref()
    if ('error' in answer) {
      this.#known.delete(state.familyId)
      throw new Error(answer.error)
    }
    this.#known.set(state.familyId, new Set(state.faces.map(faceKey)))
    for (const oldest of [...this.#known.keys()].slice(0, -KEPT_FAMILIES)) this.forget(oldest)
    return answer.outcome
  }

  #start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL('./run-worker.js', import.meta.url), { workerData: { means: this.#means } })
    worker.unref()
    worker.on('message', (answer: RunAnswer) => {
      this.#waiting.get(answer.run)?.resolve(answer)
      this.#waiting.delete(answer.run)
    })
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      this.#known.clear()
      for (const waiting of this.#waiting.values()) waiting.reject(error)
      this.#waiting.clear()
    }
    worker.on('error', gone)
    worker.on('exit', code => gone(new Error(`the thread that decides ended with ${code}`)))
    this.#worker = worker
    return worker
  }

  async #stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#known.clear()
    for (const waiting of this.#waiting.values()) waiting.reject(new Error('the decider is closed'))
    this.#waiting.clear()
    await worker?.terminate()
  }
}

/** 128 little-endian floats, wherever the bytes begin. */
function floats(buffer: Buffer): Float32Array {
  if (buffer.length !== DIMENSIONS * 4)
    throw new Error(`an embedding has ${buffer.length} bytes instead of ${DIMENSIONS * 4}`)
  const out = new Float32Array(DIMENSIONS)
  for (let k = 0; k < DIMENSIONS; k++) out[k] = buffer.readFloatLE(k * 4)
  return out
}
