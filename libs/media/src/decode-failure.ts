import type { MediaFailure } from './errors.js'

/**
 * A failure inside a child, where the project's error type is not loaded (it would cost every child the memory of its dependencies). It crosses to
 * the parent as plain data and becomes a KeepsakeError there.
 */
export class DecodeFailure extends Error {
  constructor(
    readonly reason: MediaFailure,
    readonly sentence?: string,
    readonly details?: Record<string, string>,
    cause?: unknown,
  ) {
    super(reason, { cause })
    this.name = 'DecodeFailure'
  }
}
