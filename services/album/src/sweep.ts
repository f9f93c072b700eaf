import type { Db } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { forgetOldAnswers } from './idempotency.js'
import { emptyTrash } from './trash.js'

/** Erases what has been in the trash for `days` and forgets old answers, now and every `minutes`. Returns how to stop. */
export function startSweep(db: Db, { days, minutes }: { days: number; minutes: number }): () => Promise<void> {
  const log = logger('album')
  let running: Promise<void> = Promise.resolve()
  const sweep = () => {
    running = running
      .then(() => forgetOldAnswers(db))
      .then(() => emptyTrash(db, days, new Date()))
      .then(
        erased => erased > 0 && log.info({ erased }, 'items left the trash for good'),
        (error: unknown) => log.warn({ err: error }, 'the trash could not be emptied; the next sweep tries again'),
      )
      .then(() => undefined)
  }
  sweep()
  const timer = setInterval(sweep, minutes * 60_000)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
