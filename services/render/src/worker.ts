/** Makes films one after the other, and sweeps. Any number of replicas may run: the job table decides who makes what. */
import { setTimeout as sleep } from 'node:timers/promises'
import { KeepsakeError } from '@keepsake/rpc'
import { logger, withFamily } from '@keepsake/telemetry'
import { Crossing } from './crossing.js'
import { emptyGarbage } from './garbage.js'
import { forgetOldCalls } from './idempotency.js'
import { claimJob, failJob, nextDue, releaseJob, renewJob, type Job } from './jobs.js'
import { WORK_CHANNEL } from './movie-row.js'
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
  private readonly running = new Map<string, { generation: number; controller: AbortController }>()
  private readonly crossing: Crossing
  private loops: Promise<void>[] = []
  private wake: () => void = () => undefined
  private woken = new Promise<void>(resolve => (this.wake = resolve))

  constructor(
    private readonly deps: RenderDeps,
    private readonly options: WorkerOptions,
  ) {
    this.crossing = new Crossing(deps.db, 'films to make and bytes to remove', WORK_CHANNEL, payload =>
      this.heard(payload),
    )
  }

  /** Begins to work. */
  start(): void {
    const films = Array.from({ length: this.options.films }, () => this.loop(() => this.oneFilm()))
    const garbage = this.loop(async () =>
      (await emptyGarbage(this.deps.db, this.crossing, this.deps.objects)) > 0 ? 0 : POLL_MS,
    )
    this.loops = [...films, garbage, this.sweep()]
  }

  /** Something changed: look for work now instead of at the next poll, and end what is being made of an older generation. */
  private heard(payload: string): void {
    const [movieId = '', generation = ''] = payload.split(':')
    const running = this.running.get(movieId)
    if (running && running.generation < Number(generation)) running.controller.abort(new Outdated())
    this.wake()
    this.woken = new Promise(resolve => (this.wake = resolve))
  }

  /** Stops; films under way are left to another replica or to the next start. */
  async close(): Promise<void> {
    this.stop.abort(new Error('the service stops'))
    this.wake()
    await Promise.all(this.loops)
    await this.crossing.close()
  }

  /** Calls `step` again after as many milliseconds as it says, or as soon as there is news. */
  private async loop(step: () => Promise<number>): Promise<void> {
    const { signal } = this.stop
    while (!signal.aborted) {
      const woken = this.woken
      const pauseMs = await step().catch((error: unknown) => {
        if (!signal.aborted) logger('render').warn({ err: error }, 'the worker goes on after a failure')
        return POLL_MS
      })
      if (pauseMs <= 0) continue
      const timer = new AbortController()
      const pause = sleep(pauseMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(
        () => undefined,
      )
      await Promise.race([woken, pause])
      timer.abort()
    }
  }

  private async oneFilm(): Promise<number> {
    const job = await claimJob(this.crossing, this.options.leaseMs)
    if (!job) return Math.min(POLL_MS, ((await nextDue(this.crossing)) ?? POLL_MS) + 20)
    await withFamily(job.familyId, () => this.make(job))
    return 0
  }

  private async make(job: Job): Promise<void> {
    const log = logger('render').child({ movieId: job.movieId, generation: job.generation, attempt: job.attempt })
    const controller = new AbortController()
    this.running.set(job.movieId, { generation: job.generation, controller })
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
        await failJob(
          this.deps.db,
          job,
          cause instanceof KeepsakeError && cause.retryable,
          this.options.random ?? Math.random,
        )
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
      for (const step of [
        () => dropUnused(this.deps.db, this.options.segmentDays),
        () => forgetOldCalls(this.deps.db),
      ]) {
        await step().catch((error: unknown) => {
          if (!signal.aborted) logger('render').warn({ err: error }, 'a sweep is left to the next hour')
        })
      }
      await sleep(SWEEP_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
