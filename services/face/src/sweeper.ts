import type { Db } from '@keepsake/db'
import type { ObjectStore } from '@keepsake/media'
import { logger, withTrace } from '@keepsake/telemetry'
import { sweepCrops } from './erase.js'

/** How often marked crops are looked for although nobody said so, ms. */
const PERIOD_MS = 10_000

/** Removes the crops of erased faces: at once when told to, and now and then for what a crash left behind. */
export class CropSweeper {
  private timer: NodeJS.Timeout | undefined
  private running: Promise<void> = Promise.resolve()
  private readonly stop = new AbortController()

  constructor(
    private readonly db: Db,
    private readonly store: ObjectStore,
  ) {}

  start(): void {
    this.schedule(0)
  }

  /** Sweeps within a moment, when the transaction that marked the crops has been committed. */
  kick(): void {
    this.schedule(200)
  }

  async close(): Promise<void> {
    this.stop.abort()
    clearTimeout(this.timer)
    await this.running
  }

  private schedule(afterMs: number): void {
    if (this.stop.signal.aborted) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      // Whoever told us to sweep is no longer whose work this is.
      this.running = this.running.then(() => withTrace({}, () => this.sweep()))
    }, afterMs).unref()
  }

  private async sweep(): Promise<void> {
    try {
      await sweepCrops(this.db, this.store, this.stop.signal)
    } catch (error) {
      if (!this.stop.signal.aborted) logger('face').warn({ err: error }, 'crops of erased faces wait to be removed')
    }
    this.schedule(PERIOD_MS)
  }
}
