import { sql, type Tx } from '@keepsake/db'
import { errors } from './errors.js'
import { signIns } from './metrics.js'

const windowMinutes = 15
/** Failed sign-ins in 15 minutes after which an address, and after which a remote address, has to wait. */
export const attemptLimits = { email: 10, remote: 50 }

const keysOf = (email: string, remoteAddress: string) =>
  [
    { key: `email:${email}`, limit: attemptLimits.email },
    { key: `remote:${remoteAddress}`, limit: attemptLimits.remote },
  ].filter(({ key }) => key !== 'remote:')

/** The start of the window that `now` falls into. */
const windowOf = (now: Date) => {
  const length = windowMinutes * 60_000
  return new Date(Math.floor(now.getTime() / length) * length)
}

/**
 * Counts an attempt as failed until it turns out right, and forgets the windows that are over. Throws TOO_MANY_ATTEMPTS where there were too
 * many in this window; says when to come back. The rows are locked one after the other, so attempts at the same moment are counted too.
 */
export async function countAttempt(tx: Tx, email: string, remoteAddress: string, now: Date): Promise<void> {
  const start = windowOf(now)
  await tx.changed(sql`delete from family.sign_in_failures where window_start < ${start}`)
  for (const { key, limit } of keysOf(email, remoteAddress)) {
    const { failures } = await tx.one<{ failures: number }>(sql`
      insert into family.sign_in_failures (key, window_start, failures) values (${key}, ${start}, 1)
      on conflict (key, window_start) do update set failures = family.sign_in_failures.failures + 1
      returning failures`)
    if (failures <= limit) continue
    signIns.add(1, { outcome: 'too_many' })
    // Thrown in the transaction: what is refused is not counted.
    throw errors.tooManyAttempts(Math.ceil((start.getTime() + windowMinutes * 60_000 - now.getTime()) / 1000))
  }
}

/** A right password clears the failures of the address; of those of the remote address only its own, which was none. */
export async function forgetAttempts(tx: Tx, email: string, remoteAddress: string, now: Date): Promise<void> {
  await tx.changed(sql`delete from family.sign_in_failures where key = ${`email:${email}`}`)
  await tx.changed(sql`
    update family.sign_in_failures set failures = greatest(0, failures - 1)
    where key = ${`remote:${remoteAddress}`} and window_start = ${windowOf(now)}`)
}
