import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that this service gives. Stable: other services and the API's documentation name them. */
export const errors = {
  tooManyIds: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'TOO_MANY_IDS',
      message: `At most ${most} items can be asked for at once.`,
      details: { most: String(most) },
    }),
  faceNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'FACE_NOT_FOUND', message: 'There is no such face.' }),
  /** The family switched to another version of the pipeline while an item was looked at: it is looked at again. */
  familyMoved: () =>
    new KeepsakeError({
      code: 'ABORTED',
      reason: 'FACE_FAMILY_MOVED',
      message: 'The family was moved to other models meanwhile.',
      retryable: true,
    }),
  /** The item is being prepared anew by ingest. */
  nothingToLookAtYet: () =>
    new KeepsakeError({
      code: 'UNAVAILABLE',
      reason: 'FACE_NOT_READY',
      message: 'This item is being prepared anew.',
      retryable: true,
    }),
  /** The item has neither a preview nor an original to look at. */
  nothingToLookAt: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'FACE_NO_PICTURE',
      message: 'There is no picture of this item to look for faces in.',
    }),
}

/** The code of an item whose faces could not be looked for although everything was tried again. */
export const GAVE_UP = 'FACE_GAVE_UP'
