import type { MediaFailure } from './errors.js'

/** Pixels or sound that crossed through the scratch file (file descriptor 4 of the child) instead of the message: five times as fast for a 12 MP picture. */
export interface Parcel {
  parcel: number
}

/** To a child. One job at a time; `taken` asks a streaming job for its next item; `stop` ends it early. */
export type ToChild = { do: 'job'; name: string; input: unknown } | { do: 'taken' } | { do: 'stop' }

/** From a child. `item` and `progress` come while a job runs, `done` or `failed` ends it. */
export type FromChild =
  | { is: 'item'; value: unknown }
  | { is: 'progress'; value: number }
  | { is: 'done'; value: unknown }
  | {
      is: 'failed'
      reason: MediaFailure | 'CANCELLED' | 'INTERNAL'
      sentence?: string | undefined
      details?: Record<string, string> | undefined
      cause: string
    }

/** The child's end of the scratch file. */
export const scratchFd = 4

/** Arrays of at least this many bytes go through the scratch file. */
export const parcelBytes = 256 * 1024
