import type { Call, Caller } from './call.js'

/** A Call as a handler gets it, for tests and for work that a service starts by itself. Default deadline: 10 s. */
export function callAs(
  caller: Caller,
  options: { deadlineMs?: number; signal?: AbortSignal; idempotencyKey?: string } = {},
): Call {
  const deadlineMs = options.deadlineMs ?? 10_000
  return {
    caller,
    deadline: Date.now() + deadlineMs,
    signal: options.signal ?? AbortSignal.timeout(deadlineMs),
    idempotencyKey: options.idempotencyKey,
  }
}
