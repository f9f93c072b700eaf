import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until `condition` holds: it is asked again and again, and what it throws counts as not yet. Tests never sleep for a fixed time.
 * @returns the condition's first truthy value
 * @throws after `deadlineMs` (default 10,000), with the last thing the condition threw as the cause
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  {
    deadlineMs = 10_000,
    everyMs = 20,
    what = 'the condition',
  }: { deadlineMs?: number; everyMs?: number; what?: string } = {},
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    let cause: unknown
    try {
      const value = await condition()
      if (value) return value as Exclude<T, false | undefined | null | 0 | ''>
    } catch (error) {
      cause = error
    }
    if (Date.now() >= deadline) {
      const said = cause instanceof Error ? `: ${cause.message}` : ''
      throw new Error(`${what} did not come true within ${deadlineMs} ms${said}`, { cause })
    }
    await sleep(everyMs)
  }
}
