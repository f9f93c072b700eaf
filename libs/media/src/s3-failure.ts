import { KeepsakeError } from '@keepsake/rpc'
import { mediaError } from './errors.js'

/** What S3 answered: its code where it said one, and the status. */
export class S3Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(`the object store answered ${status} ${code}: ${message}`)
    this.name = 'S3Refusal'
  }
}

const full = new Set(['XMinioStorageFull', 'InsufficientStorage', 'QuotaExceeded', 'XMinioAdminBucketQuotaExceeded'])
const missing = new Set(['NoSuchKey', 'NotFound', 'NoSuchUpload'])
const refused = new Set([
  'AccessDenied',
  'AllAccessDisabled',
  'ObjectLocked',
  'MethodNotAllowed',
  'XMinioObjectTampered',
])

/** Whether the same request may do better in a moment: nobody was there, or whoever was is busy. */
export function isPassing(error: unknown): boolean {
  if (error instanceof S3Refusal) return error.status >= 500 && error.status !== 501 && !isFull(error)
  return error instanceof Error && !isAbort(error) && !KeepsakeError.is(error) && hasSystemCode(error)
}

/** The port's error for what went wrong; `write` tells a bucket that may not be written from one that may not be read. */
export function storeFailure(error: unknown, write: boolean): unknown {
  if (KeepsakeError.is(error)) return error
  if (isAbort(error)) return KeepsakeError.from(error)
  if (error instanceof S3Refusal) {
    if (isFull(error)) return mediaError('STORAGE_FULL', { cause: error })
    if (missing.has(error.code) || (error.status === 404 && error.code !== 'NoSuchBucket')) {
      return mediaError('OBJECT_NOT_FOUND', { cause: error })
    }
    if (error.status === 416) return mediaError('RANGE_INVALID', { cause: error })
    if (error.status === 412 && write) return mediaError('OBJECT_EXISTS', { cause: error })
    if (write && refused.has(error.code)) {
      return mediaError('STORAGE_READ_ONLY', {
        cause: error,
        message: 'The object store does not let Keepsake write. Check its policy and that its disks are well.',
      })
    }
    return mediaError('STORAGE_FAILED', { cause: error })
  }
  // The body's own failure (a broken upload) is the caller's business and passes as it is.
  return hasSystemCode(error) ? mediaError('STORAGE_FAILED', { cause: error }) : error
}

const isFull = (error: S3Refusal) => error.status === 507 || full.has(error.code)

/** Whether somebody gave up waiting. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}

/** Errors of sockets and names carry a code in capitals; ours of stalled requests does too. */
function hasSystemCode(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    /^(E[A-Z]+|ERR_[A-Z_]+|HPE_[A-Z_]+|UND_[A-Z_]+)$/.test(String(error.code))
  )
}
