import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that this service gives. Stable: clients and the API's documentation name them. */
export const errors = {
  movieNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'MOVIE_NOT_FOUND', message: 'There is no such movie.' }),
  kindUnsupported: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'MOVIE_KIND_UNSUPPORTED',
      message: 'Only 1s Movies (kind one-second) can be made.',
    }),
  invalid: (field: string, message: string) =>
    new KeepsakeError({ code: 'INVALID_ARGUMENT', reason: 'INVALID_VALUE', message, details: { field } }),
  notReady: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'MOVIE_NOT_READY',
      message: 'The movie is not finished yet.',
    }),
  nothingToCancel: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'MOVIE_NOT_RENDERING',
      message: 'The movie is not being made.',
    }),
  idempotencyMismatch: () =>
    new KeepsakeError({
      code: 'ALREADY_EXISTS',
      reason: 'IDEMPOTENCY_KEY_REUSED',
      message: 'This Idempotency-Key was used for a different request.',
    }),
}

/** Codes of `Movie.status_code`. */
export const statusCodes = {
  tooFewItems: 'TOO_FEW_ITEMS',
  cancelled: 'CANCELLED',
  renderFailed: 'RENDER_FAILED',
} as const
