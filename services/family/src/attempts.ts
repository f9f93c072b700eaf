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

/** Throws TOO_MANY_ATTEMPTS where there were too many failures in this window; says when to come back. */
export async function requireAttemptsLeft(tx: Tx, email: string, remoteAddress: string, now: Date): Promise<void> {
  const start = windowOf(now)
  const keys = keysOf(email, remoteAddress)
  const rows = await tx.many<{ key: string; failures: number }>(sql`
    select key, failures from family.sign_in_failures
    where window_start = ${start} and key = any(${keys.map(k => k.key)}::text[])`)
  const over = keys.some(({ key, limit }) => rows.some(row => row.key === key && row.failures >= limit))
  if (!over) return
  signIns.add(1, { outcome: 'too_many' })
  throw errors.tooManyAttempts(Math.ceil((start.getTime() + windowMinutes * 60_000 - now.getTime()) / 1000))
}

/** Counts a failure; forgets the windows that are over. */
export async function countFailure(tx: Tx, email: string, remoteAddress: string, now: Date): Promise<void> {
  const start = windowOf(now)
  await tx.changed(sql`delete from family.sign_in_failures where window_start < ${start}`)
  for (const { key } of keysOf(email, remoteAddress))
    await tx.changed(sql`
      insert into family.sign_in_failures (key, window_start, failures) values (${key}, ${start}, 1)
      on conflict (key, window_start) do update set failures = family.sign_in_failures.failures + 1`)
}

/** A right password clears the failures of the address, not those of the remote address. */
export async function forgetFailures(tx: Tx, email: string): Promise<void> {
  await tx.changed(sql`delete from family.sign_in_failures where key = ${`email:${email}`}`)
}
