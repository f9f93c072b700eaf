import { KeepsakeError, type ErrorCode } from '@keepsake/rpc'

interface CatalogueEntry {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable?: boolean
}

/**
 * Why a file does not become a picture or a video. The words are stable: they are stored as the reason of a failed item and
 * shown with these sentences. None of them is retryable by itself except where a calmer machine may do better.
 */
export const mediaFailures = {
  EMPTY_FILE: { code: 'INVALID_ARGUMENT', message: 'This file is empty: it has no bytes at all.' },
  NOT_MEDIA: { code: 'INVALID_ARGUMENT', message: 'This file is not a photo or a video.' },
  UNSUPPORTED_FORMAT: {
    code: 'INVALID_ARGUMENT',
    message: 'Keepsake cannot show this kind of photo or video yet. The original is kept.',
  },
  TRUNCATED: {
    code: 'INVALID_ARGUMENT',
    message:
      'The end of this file is missing; it was probably cut off while it was copied. Please upload it again from where it is whole.',
  },
  CORRUPT: { code: 'INVALID_ARGUMENT', message: 'This file is damaged and cannot be shown. The original is kept.' },
  TOO_MANY_PIXELS: {
    code: 'INVALID_ARGUMENT',
    message: 'This picture is larger than Keepsake can show (more than 100 megapixels). The original is kept.',
  },
  TOO_LARGE: {
    code: 'INVALID_ARGUMENT',
    message: 'Showing this file would take more memory than is allowed for one file. The original is kept.',
  },
  TOO_LONG_TO_DECODE: {
    code: 'DEADLINE_EXCEEDED',
    message: 'Reading this file took longer than allowed. The original is kept and you can try again.',
    retryable: true,
  },
  NO_PICTURE: {
    code: 'INVALID_ARGUMENT',
    message: 'This video file has no picture in it, only sound or nothing at all.',
  },
  DECODER_CRASHED: {
    code: 'INVALID_ARGUMENT',
    message: 'This file made the reader stop, so it was put aside. The original is kept and you can try again.',
  },
} as const satisfies Record<string, CatalogueEntry>

/** One of the reasons in `mediaFailures`. */
export type MediaFailure = keyof typeof mediaFailures

/** What the object store refuses or fails with. */
export const storeFailures = {
  OBJECT_NOT_FOUND: { code: 'NOT_FOUND', message: 'These bytes are not stored.' },
  OBJECT_EXISTS: { code: 'ALREADY_EXISTS', message: 'Something is stored under this key already.' },
  OBJECT_TOO_LARGE: {
    code: 'RESOURCE_EXHAUSTED',
    message: 'This is larger than what was allowed to be stored.',
    retryable: false,
  },
  OBJECT_KEY_INVALID: { code: 'INVALID_ARGUMENT', message: 'This is not a valid object key.' },
  RANGE_INVALID: { code: 'INVALID_ARGUMENT', message: 'The requested part lies behind the end of the file.' },
  STORAGE_FULL: {
    code: 'RESOURCE_EXHAUSTED',
    message: 'The disk that keeps the photos is full. Free some space and try again; nothing that was stored is lost.',
    retryable: true,
  },
  STORAGE_READ_ONLY: {
    code: 'UNAVAILABLE',
    message:
      'The folder that keeps the photos cannot be written to. Check its permissions and that the disk is not read-only.',
    retryable: true,
  },
  STORAGE_FAILED: {
    code: 'UNAVAILABLE',
    message: 'The storage of the photos did not answer properly.',
    retryable: true,
  },
  SIGNED_URL_INVALID: { code: 'PERMISSION_DENIED', message: 'This link is not valid.' },
  SIGNED_URL_EXPIRED: { code: 'PERMISSION_DENIED', message: 'This link has expired.' },
} as const satisfies Record<string, CatalogueEntry>

/** One of the reasons in `storeFailures`. */
export type StoreFailure = keyof typeof storeFailures

const catalogue: Record<MediaFailure | StoreFailure, CatalogueEntry> = { ...mediaFailures, ...storeFailures }

/** Makes the error of a catalogue entry; `message` replaces its sentence where more is known. */
export function mediaError(
  reason: MediaFailure | StoreFailure,
  more: { message?: string; details?: Record<string, string>; cause?: unknown } = {},
): KeepsakeError {
  const entry = catalogue[reason]
  return new KeepsakeError({
    code: entry.code,
    reason,
    message: more.message ?? entry.message,
    retryable: entry.retryable ?? false,
    ...(more.details ? { details: more.details } : {}),
    ...(more.cause === undefined ? {} : { cause: more.cause }),
  })
}

/** Whether an error says that the file itself is the matter: it will not get better and belongs on the item as its reason. */
export function isMediaFailure(error: unknown): error is KeepsakeError & { reason: MediaFailure } {
  return KeepsakeError.is(error) && error.reason in mediaFailures
}
