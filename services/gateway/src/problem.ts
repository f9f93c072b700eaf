import type { ErrorCode, KeepsakeError } from '@keepsake/rpc'

/** The HTTP status of each gRPC status. */
const byCode: Record<ErrorCode, number> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499, // nginx's number for a client that has gone; nobody reads it
  DEADLINE_EXCEEDED: 504,
  UNAVAILABLE: 503,
  INTERNAL: 500,
}

/** Reasons whose HTTP status says more than their gRPC status. */
const byReason: Record<string, number> = {
  PREMIUM_REQUIRED: 402,
  UPLOAD_EXPIRED: 410,
  SIGNED_URL_EXPIRED: 410,
  TUS_VERSION_UNSUPPORTED: 412,
  UPLOAD_TOO_LARGE: 413,
  REQUEST_TOO_LARGE: 413,
  UPLOAD_CONTENT_TYPE: 415,
  CONTENT_TYPE_UNSUPPORTED: 415,
  RANGE_NOT_SATISFIABLE: 416,
  RANGE_INVALID: 416,
  UPLOAD_BUSY: 423,
  IDEMPOTENCY_KEY_REUSED: 409,
  UPLOAD_CHECKSUM_MISMATCH: 460, // tus 1.0.0, checksum extension
  STORAGE_FULL: 507,
  DISK_FULL: 507,
  STORAGE_READ_ONLY: 507,
}

/** The HTTP status of an error. */
export const httpStatus = (error: KeepsakeError): number => byReason[error.reason] ?? byCode[error.code]

/** RFC 9457 problem details, with our stable `code`. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly retryable: boolean
  readonly details?: Readonly<Record<string, string>>
  readonly traceId?: string
}

/** An error as the public sees it. */
export function toProblem(error: KeepsakeError, traceId: string | undefined): Problem {
  const { reason, message, retryable, details } = error
  return {
    type: `urn:keepsake:problem:${reason}`,
    title: reason
      .toLowerCase()
      .replaceAll('_', ' ')
      .replace(/^./, first => first.toUpperCase()),
    status: httpStatus(error),
    detail: message,
    code: reason,
    retryable,
    ...(Object.keys(details).length > 0 && { details }),
    ...(traceId !== undefined && { traceId }),
  }
}

/** Headers that belong to an error's answer. */
export function problemHeaders(error: KeepsakeError): Record<string, string> {
  const status = httpStatus(error)
  const retryAfter = error.details['retryAfterSeconds'] ?? (status === 503 || status === 423 ? '1' : undefined)
  return {
    'content-type': 'application/problem+json; charset=utf-8',
    'cache-control': 'no-store',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    ...(status === 416 &&
      error.details['size'] !== undefined && { 'content-range': `bytes */${error.details['size']}` }),
  }
}
