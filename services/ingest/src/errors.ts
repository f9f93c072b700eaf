import { KeepsakeError, type ErrorCode } from '@keepsake/rpc'

/** Everything that ingest refuses with, beside what @keepsake/media says about a file. */
const catalogue = {
  UPLOAD_NOT_FOUND: ['NOT_FOUND', 'This upload does not exist.'],
  UPLOAD_EXPIRED: [
    'FAILED_PRECONDITION',
    'This upload was left alone for too long and was removed. Please start it again.',
  ],
  UPLOAD_TERMINATED: ['FAILED_PRECONDITION', 'This upload was cancelled.'],
  UPLOAD_FINISHED: ['FAILED_PRECONDITION', 'This upload is complete: it takes no more bytes.'],
  UPLOAD_INCOMPLETE: ['FAILED_PRECONDITION', 'Some bytes of this upload are still missing.'],
  UPLOAD_OFFSET_MISMATCH: ['ABORTED', 'The upload goes on at another place than this one.'],
  UPLOAD_LEASE_LOST: ['ABORTED', 'Another connection has gone on with this upload.'],
  UPLOAD_BUSY: ['UNAVAILABLE', 'Another connection is writing this upload. Please try again in a moment.'],
  UPLOAD_TOO_LARGE: ['INVALID_ARGUMENT', 'This file is larger than this album takes.'],
  UPLOAD_SIZE_INVALID: ['INVALID_ARGUMENT', 'The size of an upload must be a whole number of bytes.'],
  PART_TOO_LARGE: ['INVALID_ARGUMENT', 'More bytes came than the upload has.'],
  FILE_NAME_INVALID: ['INVALID_ARGUMENT', 'This file name cannot be used.'],
  AUDIENCE_INVALID: ['INVALID_ARGUMENT', 'The audience of this upload is not understood.'],
  FAMILY_REMOVED: ['NOT_FOUND', 'This family album was erased.'],
  UPLOAD_RACED: ['UNAVAILABLE', 'The same file is being taken in several times at once. Please try again in a moment.'],
  MEDIA_NOT_FOUND: ['NOT_FOUND', 'This item does not exist.'],
  MEDIA_NOT_FAILED: ['FAILED_PRECONDITION', 'Only an item that failed can be tried again.'],
  TOO_MANY_IDS: ['INVALID_ARGUMENT', 'At most 500 items can be asked for at once.'],
} as const satisfies Record<string, readonly [ErrorCode, string]>

/** A reason of ingest's own catalogue. */
export type IngestReason = keyof typeof catalogue

/** Makes the error of a reason. */
export function refuse(reason: IngestReason, details?: Record<string, string>): KeepsakeError {
  const [code, message] = catalogue[reason]
  return new KeepsakeError({ code, reason, message, retryable: code === 'UNAVAILABLE', ...(details && { details }) })
}

/** What an item ends with where the file itself is not the matter. */
export const itemFailures = {
  ORIGINAL_MISSING: 'The bytes of this item are no longer stored. Please upload it again.',
  STORAGE_FULL: 'The disk that keeps the photos is full. Free some space and try this item again.',
  NOT_PROCESSED: 'Keepsake could not work on this item just now. You can try it again.',
} as const
