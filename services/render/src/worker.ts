/** Makes films one after the other, and sweeps. Any number of replicas may run: the job table decides who makes what. */
import { setTimeout as sleep } from 'node:timers/promises'
import { KeepsakeError } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import { emptyGarbage } from './garbage.js'
import { claimJob, failJob, releaseJob, renewJob, type Job } from './jobs.js'
import { Outdated, renderMovie, type RenderDeps } from './render-movie.js'
import { dropUnused } from './segments.js'

/** How often an idle worker looks for work that other replicas were asked for, ms. */
const POLL_MS = 2_000
const SWEEP_MS = 3_600_000

/** Times and numbers of a worker. */
export interface WorkerOptions {
  films: number
  leaseMs: number
  segmentDays: number
  random?: () => number
}

/** Makes films until it is closed. */
export class MovieWorker {
  private readonly stop = new AbortController()
  private readonly running = new Map<string, AbortController>()
  private loops: Promise<void>[] = []
  private wake: () => void = () => undefined
  private woken = new Promise<void>(resolve => (this.wake = resolve))

  constructor(
    private readonly deps: RenderDeps,
    private readonly options: WorkerOptions,
  ) {}

  /** Begins to work. */
  start(): void {
    const films = Array.from({ length: this.options.films }, () => this.loop(() => this.oneFilm()))
    this.loops = [...films, this.loop(() => emptyGarbage(this.deps.db, this.deps.objects).then(n => n > 0)), this.sweep()]
  }

  /** Something changed: look for work now instead of at the next poll. */
  kick(): void {
    this.wake()
    this.woken = new Promise(resolve => (this.wake = resolve))
  }

  /** Ends what is being made of a movie here; its job decides whether it is made anew. */
  interrupt(movieId: string): void {
    this.running.get(movieId)?.abort(new Outdated())
  }

  /** Stops; films under way are left to another replica or to the next start. */
  async close(): Promise<void> {
    this.stop.abort(new Error('the service stops'))
    this.wake()
    await Promise.all(this.loops)
  }

  private async loop(step: () => Promise<boolean>): Promise<void> {
    const { signal } = this.stop
    while (!signal.aborted) {
      const woken = this.woken
      const busy = await step().catch((error: unknown) => {
        if (!signal.aborted) logger('render').warn({ err: error }, 'the worker goes on after a failure')
        return false
      })
      if (!busy) await Promise.race([woken, sleep(POLL_MS, undefined, { signal }).catch(() => undefined)])
    }
  }

  private async oneFilm(): Promise<boolean> {
    const job = await claimJob(this.deps.db, this.options.leaseMs)
    if (!job) return false
    await this.make(job)
    return true
  }

  private async make(job: Job): Promise<void> {
    const log = logger('render').child({ movieId: job.movieId, generation: job.generation, attempt: job.attempt })
    const controller = new AbortController()
    this.running.set(job.movieId, controller)
    const { signal } = controller
    const stopping = (): void => controller.abort(this.stop.signal.reason)
    this.stop.signal.addEventListener('abort', stopping, { once: true })
    const heartbeat = setInterval(() => {
      renewJob(this.deps.db, job, this.options.leaseMs).then(
        kept => kept || controller.abort(new Outdated()),
        (error: unknown) => log.warn({ err: error }, 'the lease could not be renewed'),
      )
    }, this.options.leaseMs / 3)
    try {
      await renderMovie(this.deps, job, signal)
      log.info('a movie is ready or was refused')
    } catch (error) {
      const cause: unknown = signal.aborted ? signal.reason : error
      if (this.stop.signal.aborted) await releaseJob(this.deps.db, job)
      else if (cause instanceof Outdated) {
        await releaseJob(this.deps.db, job)
        log.info('a movie is no longer wanted like this')
      } else {
        log.error({ err: cause }, 'a movie could not be made')
        await failJob(this.deps.db, job, cause instanceof KeepsakeError && cause.retryable, this.options.random ?? Math.random)
      }
    } finally {
      clearInterval(heartbeat)
      this.stop.signal.removeEventListener('abort', stopping)
      this.running.delete(job.movieId)
    }
  }

  private async sweep(): Promise<void> {
    const { signal } = this.stop
    while (!signal.aborted) {
      await dropUnused(this.deps.db, this.options.segmentDays).catch((error: unknown) => {
        if (!signal.aborted) logger('render').warn({ err: error }, 'unused segments stay until the next sweep')
      })
      await sleep(SWEEP_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
