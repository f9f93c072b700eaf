/** The gRPC status names that Keepsake uses. The edge maps them to HTTP (see the gateway's problem.ts). */
export const errorCodes = [
  'INVALID_ARGUMENT',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'INTERNAL',
] as const

/** One of the gRPC status names that Keepsake uses. */
export type ErrorCode = (typeof errorCodes)[number]

/** What a `KeepsakeError` is made of. */
export interface KeepsakeErrorInit {
  /** The gRPC status. */
  readonly code: ErrorCode
  /** A stable word for programs, for example MEDIA_NOT_FOUND. Never renamed once published. */
  readonly reason: string
  /** One sentence for a person. It crosses processes and reaches the screen: no paths, no SQL, no secrets. */
  readonly message: string
  /** Whether the same call may succeed later. Default: true for UNAVAILABLE, ABORTED and DEADLINE_EXCEEDED. */
  readonly retryable?: boolean | undefined
  /** Small facts for programs, for example { limit: '20' }. They cross processes too. */
  readonly details?: Readonly<Record<string, string>> | undefined
  /** What really happened. It stays in this process and its log. */
  readonly cause?: unknown
}

const retryableCodes: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'ABORTED', 'DEADLINE_EXCEEDED'])

/**
 * The one error type of Keepsake. Code, reason, message, retryable and details cross every boundary unchanged;
 * the cause and the stack never leave the process.
 */
export class KeepsakeError extends Error {
  readonly code: ErrorCode
  readonly reason: string
  readonly retryable: boolean
  readonly details: Readonly<Record<string, string>>

  constructor(init: KeepsakeErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'KeepsakeError'
    this.code = init.code
    this.reason = init.reason
    this.retryable = init.retryable ?? retryableCodes.has(init.code)
    this.details = init.details ?? {}
  }

  /** Whether a value is a KeepsakeError, also across two copies of this module. */
  static is(value: unknown): value is KeepsakeError {
    return value instanceof Error && value.name === 'KeepsakeError' && 'reason' in value && 'code' in value
  }

  /**
   * Any thrown value as a KeepsakeError. What is unknown becomes INTERNAL with a sentence that tells nothing about the
   * inside; the value itself is kept as the cause for the log.
   */
  static from(value: unknown): KeepsakeError {
    if (KeepsakeError.is(value)) return value
    if (value instanceof Error && (value.name === 'AbortError' || value.name === 'TimeoutError')) {
      const late = value.name === 'TimeoutError'
      return new KeepsakeError({
        code: late ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
        reason: late ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
        message: late ? 'This took longer than allowed.' : 'The call was cancelled.',
        cause: value,
      })
    }
    return new KeepsakeError({
      code: 'INTERNAL',
      reason: 'INTERNAL',
      message: 'Something went wrong inside Keepsake.',
      cause: value,
    })
  }
}
