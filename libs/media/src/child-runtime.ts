import { writeSync } from 'node:fs'
import { parcelBytes, scratchFd, type FromChild, type ToChild } from './child-protocol.js'
import { DecodeFailure } from './decode-failure.js'

/** What a running job can say and hear. */
export interface JobContext {
  /** Sends one item and waits until the parent has taken the one before. False: the parent wants no more. */
  item(value: Record<string, unknown>): Promise<boolean>
  /** 0..1; sent at most ten times a second. */
  progress(share: number): void
  /** Aborted when the parent wants no more. */
  signal: AbortSignal
}

/** A job by name: takes what the parent sent, gives what it gets back. `data` of the answer may be large. */
export type Jobs = Record<string, (input: never, context: JobContext) => Promise<unknown>>

/** Serves jobs, one at a time, until the parent goes. */
export function serveJobs(jobs: Jobs): void {
  let stop = new AbortController()
  let taken: (() => void) | undefined
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: ToChild) => {
    if (message.do === 'taken') taken?.()
    else if (message.do === 'stop') {
      stop.abort()
      taken?.()
    } else {
      stop = new AbortController()
      void work(jobs, message, stop.signal, next => (taken = next))
    }
  })
}

async function work(
  jobs: Jobs,
  message: Extract<ToChild, { do: 'job' }>,
  signal: AbortSignal,
  whenTaken: (next: () => void) => void,
): Promise<void> {
  let free = Promise.resolve()
  let told = 0
  const context: JobContext = {
    signal,
    async item(value) {
      await free
      if (signal.aborted) return false
      free = new Promise(resolve => whenTaken(resolve))
      send({ is: 'item', value: packed(value) })
      return true
    },
    progress(share) {
      if (Date.now() - told < 100) return
      told = Date.now()
      send({ is: 'progress', value: share })
    },
  }
  try {
    const job = jobs[message.name]
    if (!job) throw new Error(`no job ${message.name}`)
    const value = await job(message.input as never, context)
    await free
    send({ is: 'done', value: packed(value) })
  } catch (error) {
    send(failureOf(error, signal))
  }
}

function failureOf(error: unknown, signal: AbortSignal): FromChild {
  const cause =
    error instanceof Error
      ? `${error.message}${error.cause instanceof Error ? `: ${error.cause.message}` : ''}`
      : String(error)
  if (error instanceof DecodeFailure) {
    return { is: 'failed', reason: error.reason, sentence: error.sentence, details: error.details, cause }
  }
  if (signal.aborted) return { is: 'failed', reason: 'CANCELLED', cause }
  return { is: 'failed', reason: 'INTERNAL', cause: error instanceof Error ? (error.stack ?? cause) : cause }
}

/** Moves a large `data` into the scratch file; where that fails (a full disk) it goes in the message. */
function packed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('data' in value)) return value
  const { data } = value
  if (!(data instanceof Uint8Array) || data.byteLength < parcelBytes) return value
  try {
    for (let done = 0; done < data.byteLength;) done += writeSync(scratchFd, data, done, data.byteLength - done, done)
    return { ...value, data: { parcel: data.byteLength } }
  } catch {
    return value
  }
}

function send(message: FromChild): void {
  process.send?.(message)
}
