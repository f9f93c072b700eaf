import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for `work`, but no longer than `ms`; a failure counts as the end of it. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const ended = new AbortController()
  await Promise.race([
    work.catch(() => undefined),
    sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined),
  ])
  ended.abort()
}
