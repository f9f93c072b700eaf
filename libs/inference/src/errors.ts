import { KeepsakeError } from '@keepsake/rpc'
import type { Provider } from './provider.js'
import type { Refusal } from './schedule.js'

/** The request was not let into the queue: it is late whatever happens, or there is too much work before it now. */
export function refused(refusal: Refusal, retryAfterMs: number): KeepsakeError {
  if (refusal === 'DEADLINE_TOO_SHORT') return late()
  return new KeepsakeError({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'INFERENCE_BUSY',
    message: 'Recognition is busy; try again in a moment.',
    retryable: true,
    details: { retry_after_ms: String(retryAfterMs) },
  })
}

/** The request would be, or is, answered after its deadline. */
export function late(): KeepsakeError {
  return new KeepsakeError({
    code: 'DEADLINE_EXCEEDED',
    reason: 'INFERENCE_LATE',
    message: 'Recognition could not be finished in the time allowed.',
  })
}

export function cancelled(cause: unknown): KeepsakeError {
  return new KeepsakeError({ code: 'CANCELLED', reason: 'CANCELLED', message: 'The recognition was cancelled.', cause })
}

/** The pixels do not fit the model. */
export function wrongInput(model: string, expected: number, got: number): KeepsakeError {
  return new KeepsakeError({
    code: 'INVALID_ARGUMENT',
    reason: 'INFERENCE_INPUT',
    message: `The model ${model} needs ${expected} bytes of pixels and was given ${got}.`,
  })
}

/** The model itself failed, and this request alone makes it fail. */
export function failed(model: string, cause: unknown): KeepsakeError {
  return new KeepsakeError({
    code: 'INTERNAL',
    reason: 'INFERENCE_FAILED',
    message: `The model ${model} failed on this picture.`,
    details: { model },
    cause,
  })
}

/** Nothing can run any more, or not now. */
export function stopped(cause?: unknown): KeepsakeError {
  return new KeepsakeError({
    code: 'UNAVAILABLE',
    reason: 'INFERENCE_STOPPED',
    message: 'Recognition is not available at the moment.',
    cause,
  })
}

/** The provider that was asked for cannot be used: the process must not start. Never computed elsewhere in silence. */
export function providerUnusable(provider: Provider, what: string, cause?: unknown): KeepsakeError {
  return new KeepsakeError({
    code: 'FAILED_PRECONDITION',
    reason: 'PROVIDER_UNUSABLE',
    message: `Models cannot be computed by ${provider}, as KEEPSAKE_INFERENCE_PROVIDER asks: ${what}.`,
    details: { provider },
    cause,
  })
}
