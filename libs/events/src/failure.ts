import { KeepsakeError } from '@keepsake/rpc'
import type { RetryPolicy } from './event-log.js'

/** The bytes of an event are not the message that its topic promises. Trying again cannot help. */
export class UndecodableError extends Error {
  override readonly name = 'UndecodableError'
}

/** Why an event failed, as dead letters keep it: no stack, no data of a family. */
export interface Cause {
  code: string
  reason: string
  message: string
}

const passing: ReadonlySet<string> = new Set(['INTERNAL', 'CANCELLED', 'UNAUTHENTICATED'])

/**
 * What a handler threw, judged. Hopeless: bytes that cannot be read, and errors that say themselves that they are not retryable. INTERNAL, CANCELLED
 * and UNAUTHENTICATED say nothing about the event (a bug elsewhere, a drain, a peer whose clock is wrong or whose keys are not there yet), so they are tried
 * again like any unknown error.
 */
export function failureOf(error: unknown): { hopeless: boolean; cause: Cause } {
  if (error instanceof UndecodableError)
    return { hopeless: true, cause: { code: 'INVALID_ARGUMENT', reason: 'UNDECODABLE', message: error.message } }
  if (KeepsakeError.is(error)) {
    const { code, reason, message } = error
    return {
      hopeless: !error.retryable && !passing.has(code),
      cause: { code, reason, message: withoutQuotes(message) },
    }
  }
  const name = error instanceof Error ? error.name : typeof error
  const message = error instanceof Error ? withoutQuotes(error.message).slice(0, 500) : 'not an error'
  return { hopeless: false, cause: { code: 'INTERNAL', reason: name, message } }
}

/**
 * A message without what it quotes: databases and parsers repeat the value they stumbled over, which may be a name or an address. Text in
 * double, single or back quotes (up to the end where a quote is left open) and values as in `(email)=(a@example.org)` become `…`.
 */
export function withoutQuotes(message: string): string {
  return message
    .replace(/"[^"]*(?:"|$)/g, '"…"')
    .replace(/`[^`]*(?:`|$)/g, '`…`')
    .replace(/(?<!\w)'.*?(?:'(?!\w)|$)/gs, "'…'")
    .replace(/=\(.*?(?:\)|$)/gs, '=(…)')
}

/** The pause after failed try `attempt` (from 1) in place, in ms: full jitter. */
export function inPlacePause(attempt: number, policy: RetryPolicy, random: () => number): number {
  return random() * Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1))
}

/** The pause before the next try of an event that was parked `parkings` times (from 1), in ms; undefined when it is given up. */
export function parkedPause(parkings: number, policy: RetryPolicy, random: () => number): number | undefined {
  const pause = policy.parkedMs[parkings - 1]
  return pause === undefined ? undefined : pause * (0.5 + random() / 2)
}
