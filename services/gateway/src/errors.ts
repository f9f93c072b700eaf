import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that the gateway itself gives; all others come from the services behind it. */
export const errors = {
  invalidRequest: (problems: readonly { field: string; problem: string }[]) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_REQUEST',
      message: problems.map(p => `${p.field}: ${p.problem}`).join('; ') || 'The request is not valid.',
      details: Object.fromEntries(problems.map(p => [p.field, p.problem])),
    }),
  malformed: (message: string) => new KeepsakeError({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST', message }),
  unauthenticated: () =>
    new KeepsakeError({ code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', message: 'Please sign in.' }),
  scopeRequired: (scope: string) =>
    new KeepsakeError({
      code: 'PERMISSION_DENIED',
      reason: 'SCOPE_REQUIRED',
      message: `This API key may not do that: it lacks the scope ${scope}.`,
      details: { scope },
    }),
  sessionRequired: () =>
    new KeepsakeError({
      code: 'PERMISSION_DENIED',
      reason: 'SESSION_REQUIRED',
      message: 'Only a person who has signed in can decide this: no API key can.',
    }),
  crossSite: () =>
    new KeepsakeError({
      code: 'PERMISSION_DENIED',
      reason: 'CROSS_SITE_REQUEST',
      message: 'This request came from another site.',
    }),
  rateLimited: (retryAfterSeconds: number) =>
    new KeepsakeError({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'RATE_LIMITED',
      message: 'Too many requests. Please wait a moment.',
      retryable: true,
      details: { retryAfterSeconds: String(retryAfterSeconds) },
    }),
  notFound: () => new KeepsakeError({ code: 'NOT_FOUND', reason: 'NOT_FOUND', message: 'There is nothing here.' }),
  mediaNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'MEDIA_NOT_FOUND', message: 'There is no such item.' }),
  renditionNotFound: () =>
    new KeepsakeError({
      code: 'NOT_FOUND',
      reason: 'RENDITION_NOT_FOUND',
      message: 'This item has no such rendition (yet).',
    }),
  movieNotReady: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'MOVIE_NOT_READY',
      message: 'The movie is not ready yet.',
    }),
  rangeNotSatisfiable: (size: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'RANGE_NOT_SATISFIABLE',
      message: 'The object has no such range.',
      details: { size: String(size) },
    }),
  idempotencyKeyInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'IDEMPOTENCY_KEY_INVALID',
      message: 'An Idempotency-Key has 1 to 200 visible characters.',
    }),
  tusVersion: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'TUS_VERSION_UNSUPPORTED',
      message: 'Uploads speak tus 1.0.0: send Tus-Resumable: 1.0.0.',
    }),
  uploadType: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'UPLOAD_CONTENT_TYPE',
      message: 'Bytes of an upload are sent as application/offset+octet-stream.',
    }),
  uploadTooLarge: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'UPLOAD_TOO_LARGE',
      message: 'The file is larger than this album takes.',
      details: { maxBytes: String(most) },
    }),
  checksumMismatch: () =>
    new KeepsakeError({
      code: 'ABORTED',
      reason: 'UPLOAD_CHECKSUM_MISMATCH',
      message: 'The bytes did not arrive as they were sent.',
    }),
  parentRequired: () =>
    new KeepsakeError({
      code: 'PERMISSION_DENIED',
      reason: 'PARENT_REQUIRED',
      message: 'Only a parent of the family can do this.',
    }),
}
