import { fork, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeepsakeError } from '@keepsake/rpc'
import { childEnv } from './child-env.js'
import type { FromChild, ToChild } from './child-protocol.js'
import { jobQueueSeconds, jobSeconds } from './metrics.js'
import { mediaError, mediaFailures, type MediaFailure } from './errors.js'
import { nextJob } from './next-job.js'

/** How a pool keeps its children. */
export interface ChildPoolOptions {
  /** The child's program. */
  script: URL
  kind: 'image' | 'video'
  /** Most children at a time, those for guests aside. */
  size: number
  /** Children beyond that, each for a family that would else wait behind another one's jobs. */
  guests: number
  /** Niceness of the children, 0 to 19. */
  niceness: number
  /** Niceness of the guests' children: theirs is what somebody waits for. */
  guestNiceness: number
  /** An idle child is ended after this long, ms. */
  idleMs: number
  /** A child above this resident memory is killed and its job fails with TOO_LARGE, MiB. */
  memoryMiB: number
}

/** One call of a job. */
export interface JobCall {
  name: string
  input: unknown
  timeoutMs: number
  /** Whose file it is; undefined: nobody's in particular. */
  family?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((share: number) => void) | undefined
  /** Streaming jobs: called for each item in turn; the child goes on when it resolves. False ends the job. */
  onItem?: ((value: unknown) => Promise<boolean>) | undefined
}

/** A child whose memory is above this after a job is replaced: native allocators do not give it back, MiB. */
const replaceAboveMiB = 400

/** A child is replaced after so many jobs, whatever it holds. */
const replaceAfterJobs = 1000

/** How often the memory of a busy child is looked at, ms. A decoder can allocate about 2 GiB/s, so the overshoot stays below 200 MiB. */
const watchMs = 100

/** Heap of JavaScript in a child, MiB: pixels lie outside it. */
const heapMiB = 256

interface Job extends JobCall {
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  attempt: number
  /** When it came, and when its child began with it, by the monotonic clock. */
  cameMs: number
  beganMs: number
}

interface Child {
  process: ChildProcess
  guest: boolean
  scratch: number
  jobs: number
  job?: Job
  stderr: string
  /** Why we end it; undefined when it goes by itself. */
  ending?: 'TOO_LARGE' | 'TOO_LONG_TO_DECODE' | 'CANCELLED' | 'IDLE'
  timers: NodeJS.Timeout[]
  idle?: NodeJS.Timeout
}

/**
 * A few child processes that do one job at a time; which one is next, `nextJob` says. A child that crashes, runs out of its time or grows above its memory is ended and its job fails with
 * a code; the next job gets a fresh one. A job whose child went by itself is tried once more, so that an accident (or a kill from outside) is not blamed
 * on the file.
 */
export class ChildPool {
  private readonly children = new Set<Child>()
  private readonly queue: Job[] = []
  private closed = false

  constructor(private readonly options: ChildPoolOptions) {}

  /** Runs a job when a child is free. Time counts from then. */
  run(call: JobCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted) return reject(cancelled(call.signal.reason))
      if (this.closed) return reject(cancelled())
      const job: Job = { ...call, resolve, reject, attempt: 1, cameMs: performance.now(), beganMs: 0 }
      const onAbort = () => this.cancel(job)
      call.signal?.addEventListener('abort', onAbort, { once: true })
      const free = () => call.signal?.removeEventListener('abort', onAbort)
      job.resolve = value => (free(), resolve(value))
      job.reject = error => (free(), reject(error))
      this.queue.push(job)
      this.next()
    })
  }

  /** The children that live now. */
  list(): { pid: number; kind: 'image' | 'video'; rssMiB: number; busy: boolean }[] {
    return [...this.children].flatMap(child => {
      const { pid } = child.process
      return pid === undefined
        ? []
        : [{ pid, kind: this.options.kind, rssMiB: rssMiB(pid) ?? 0, busy: child.job !== undefined }]
    })
  }

  /** Ends the children that have nothing to do. */
  release(): void {
    for (const child of this.children) if (!child.job) this.end(child, 'IDLE')
  }

  /** Ends all children and waits until they are gone. */
  async close(): Promise<void> {
    this.closed = true
    for (const job of this.queue.splice(0)) job.reject(cancelled())
    const gone = [...this.children].map(child => {
      hold(child.process, true)
      return new Promise<void>(resolve => child.process.once('exit', () => resolve()))
    })
    for (const child of this.children) this.end(child, 'CANCELLED')
    await Promise.all(gone)
  }

  private next(): void {
    while (this.queue.length > 0) {
      const { size, guests } = this.options
      const children = [...this.children]
      const taken = children.filter(child => child.job ?? child.ending)
      const free = (guest: boolean, most: number) => most - taken.filter(child => child.guest === guest).length
      const next = nextJob(
        this.queue.map(job => job.family),
        children.flatMap(child => (child.job ? [child.job.family] : [])),
        { regular: free(false, size), guest: free(true, guests) },
      )
      const [job] = next ? this.queue.splice(next.index, 1) : []
      if (!next || !job) return
      const idle = children.find(child => child.guest === next.guest && !child.job && !child.ending)
      this.start(idle ?? this.spawn(next.guest), job)
    }
  }

  private spawn(guest: boolean): Child {
    const scratch = anonymousFile()
    const { niceness, guestNiceness } = this.options
    const process_ = fork(this.options.script, [String(guest ? guestNiceness : niceness)], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${heapMiB}`, '--no-warnings'],
      env: { ...childEnv(), UV_THREADPOOL_SIZE: '2', VIPS_CONCURRENCY: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', scratch],
    })
    const child: Child = { process: process_, guest, scratch, jobs: 0, stderr: '', timers: [] }
    process_.stderr?.on('data', (text: Buffer) => (child.stderr = (child.stderr + text.toString()).slice(-2000)))
    process_.on('message', (message: FromChild) => this.heard(child, message))
    process_.on('error', () => undefined) // 'exit' or a failed spawn follows
    process_.once('exit', (code, signal) => this.gone(child, code, signal))
    process_.once('error', () => process_.pid === undefined && this.gone(child, null, null))
    this.children.add(child)
    return child
  }

  private start(child: Child, job: Job): void {
    clearTimeout(child.idle)
    child.job = job
    child.jobs++
    job.beganMs = performance.now()
    jobQueueSeconds.record((job.beganMs - job.cameMs) / 1000, { kind: this.options.kind })
    hold(child.process, true)
    const { pid } = child.process
    child.timers = [
      setTimeout(() => this.end(child, 'TOO_LONG_TO_DECODE'), job.timeoutMs),
      setInterval(() => {
        if (pid !== undefined && (rssMiB(pid) ?? 0) > this.options.memoryMiB) this.end(child, 'TOO_LARGE')
      }, watchMs),
    ]
    say(child, { do: 'job', name: job.name, input: job.input })
  }

  private heard(child: Child, message: FromChild): void {
    const { job } = child
    if (!job) return
    switch (message.is) {
      case 'progress':
        return job.onProgress?.(message.value)
      case 'item': {
        const value = this.unpacked(child, message.value)
        const wanted = job.onItem?.(value) ?? Promise.resolve(false)
        return void wanted
          .catch(() => false)
          .then(more => child.job === job && say(child, { do: more ? 'taken' : 'stop' }))
      }
      case 'done': {
        this.measure(job, 'done')
        const value = this.unpacked(child, message.value)
        this.finished(child)
        return job.resolve(value)
      }
      case 'failed':
        this.measure(job, 'failed')
        this.finished(child)
        return job.reject(failure(message))
    }
  }

  private finished(child: Child): void {
    this.clear(child)
    delete child.job
    const { pid } = child.process
    const heavy = pid !== undefined && (rssMiB(pid) ?? 0) > replaceAboveMiB
    if (heavy || child.jobs >= replaceAfterJobs) this.end(child, 'IDLE')
    else {
      hold(child.process, false)
      child.idle = setTimeout(() => this.end(child, 'IDLE'), this.options.idleMs)
      child.idle.unref()
    }
    this.next()
  }

  private measure(job: Job, outcome: 'done' | 'failed' | 'ended'): void {
    jobSeconds.record((performance.now() - job.beganMs) / 1000, { kind: this.options.kind, outcome })
  }

  private gone(child: Child, code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.children.delete(child)) return
    this.clear(child)
    clearTimeout(child.idle)
    closeSync(child.scratch)
    const { job, ending } = child
    delete child.job
    if (job) {
      this.measure(job, 'ended')
      if (ending === 'CANCELLED') job.reject(cancelled(job.signal?.reason))
      else if (ending === 'TOO_LARGE' || ending === 'TOO_LONG_TO_DECODE') job.reject(mediaError(ending))
      else if (job.attempt === 1 && !job.onItem) this.queue.unshift({ ...job, attempt: 2 })
      else {
        const cause = new Error(`decoder ended with ${signal ?? `status ${code ?? 'unknown'}`}: ${child.stderr}`)
        job.reject(mediaError('DECODER_CRASHED', { cause }))
      }
    }
    if (!this.closed) this.next()
  }

  private cancel(job: Job): void {
    const at = this.queue.findIndex(queued => queued.resolve === job.resolve)
    if (at >= 0) {
      this.queue.splice(at, 1)
      return job.reject(cancelled(job.signal?.reason))
    }
    // A native call cannot be interrupted: the child goes.
    for (const child of this.children) if (child.job?.resolve === job.resolve) this.end(child, 'CANCELLED')
  }

  private end(child: Child, why: NonNullable<Child['ending']>): void {
    if (child.ending) return
    child.ending = why
    child.process.kill('SIGKILL')
  }

  private clear(child: Child): void {
    for (const timer of child.timers.splice(0)) clearTimeout(timer)
  }

  private unpacked(child: Child, value: unknown): unknown {
    if (typeof value !== 'object' || value === null || !('data' in value)) return value
    const { data } = value
    if (typeof data !== 'object' || data === null || !('parcel' in data)) return value
    const bytes = Buffer.allocUnsafeSlow(Number(data.parcel))
    for (let done = 0; done < bytes.length;) {
      const read = readSync(child.scratch, bytes, done, bytes.length - done, done)
      if (read === 0) throw mediaError('DECODER_CRASHED')
      done += read
    }
    return { ...value, data: new Uint8Array(bytes.buffer, 0, bytes.length) }
  }
}

/** A file without a name: gone when both ends are, however they end. */
function anonymousFile(): number {
  const path = join(tmpdir(), `keepsake-media-${randomUUID()}`)
  const fd = openSync(path, 'wx+', 0o600)
  try {
    unlinkSync(path)
  } catch {
    // Windows keeps the name of an open file; its temporary folder is cleaned by the system.
  }
  return fd
}

/** A busy child keeps this process alive, an idle one does not. */
function hold(child: ChildProcess, busy: boolean): void {
  if (busy) {
    child.ref()
    child.channel?.ref()
  } else {
    child.unref()
    child.channel?.unref()
  }
  const stderr = child.stderr as unknown as { ref?: () => void; unref?: () => void } | null
  if (busy) stderr?.ref?.()
  else stderr?.unref?.()
}

function say(child: Child, message: ToChild): void {
  if (child.process.connected) child.process.send(message, () => undefined) // a child that just went is handled at 'exit'
}

/** Resident memory from /proc; undefined where there is none (then the heap limit and the pixel limit stand alone). */
function rssMiB(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kib === undefined ? undefined : Number(kib) / 1024
  } catch {
    return undefined
  }
}

function failure(message: Extract<FromChild, { is: 'failed' }>): KeepsakeError {
  const cause = new Error(message.cause)
  if (message.reason === 'CANCELLED') return cancelled(cause)
  if (message.reason in mediaFailures) {
    return mediaError(message.reason as MediaFailure, {
      ...(message.sentence === undefined ? {} : { message: message.sentence }),
      ...(message.details === undefined ? {} : { details: message.details }),
      cause,
    })
  }
  return KeepsakeError.from(cause)
}

function cancelled(cause?: unknown): KeepsakeError {
  return new KeepsakeError({
    code: 'CANCELLED',
    reason: 'CANCELLED',
    message: 'The work on this file was cancelled.',
    cause,
  })
}
