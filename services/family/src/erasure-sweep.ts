import type { Db } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { askOverdue } from './erasures.js'

/** Asks owners that have not reported again and again: now and every `everyMs`. Returns how to stop. */
export function startAsking(
  db: Db,
  { everyMs, overdueMs }: { everyMs: number; overdueMs: number },
): () => Promise<void> {
  const log = logger('family')
  let running: Promise<void> = Promise.resolve()
  const ask = () => {
    running = running
      .then(() => askOverdue(db, overdueMs))
      .then(
        asked => asked > 0 && log.warn({ asked }, 'erasures are overdue: their owners are asked again'),
        (error: unknown) => log.warn({ err: error }, 'overdue erasures wait for the next look'),
      )
      .then(() => undefined)
  }
  ask()
  const timer = setInterval(ask, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
