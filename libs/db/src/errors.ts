import { KeepsakeError } from '@keepsake/rpc'

/** The SQLSTATE of a Postgres error, or the system's code (ECONNREFUSED) of a failed connection. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Whether an insert met a row that is there already (of the named constraint, where one is named). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const source = KeepsakeError.is(error) ? error.cause : error
  return (
    sqlState(source) === '23505' &&
    (constraint === undefined || (source as { constraint?: string }).constraint === constraint)
  )
}

const lostCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'])

/** Whether the server is away: refused, reset, shutting down or starting up. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined)
    return lostCodes.has(state) || state.startsWith('08') || ['57P01', '57P02', '57P03', '53300'].includes(state)
  const message = error instanceof Error ? error.message : ''
  return /connection terminated|connection ended|not queryable|timeout exceeded when trying to connect/i.test(message)
}

/** What the database says, as the one error type; everything that is no matter of the database passes unchanged. */
export function databaseError(error: unknown, signal?: AbortSignal): unknown {
  if (KeepsakeError.is(error)) return error
  if (isConnectionLost(error))
    return new KeepsakeError({
      code: 'UNAVAILABLE',
      reason: 'DATABASE_UNAVAILABLE',
      message: 'The album’s database cannot be reached just now.',
      cause: error,
    })
  switch (sqlState(error)) {
    case '57014': {
      const late =
        signal === undefined || !signal.aborted || (signal.reason as Error | undefined)?.name === 'TimeoutError'
      return new KeepsakeError({
        code: late ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
        reason: late ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
        message: late ? 'This took longer than allowed.' : 'The call was cancelled.',
        cause: error,
      })
    }
    case '40001':
    case '40P01':
    case '55P03':
      return new KeepsakeError({
        code: 'ABORTED',
        reason: 'CONFLICT',
        message: 'Someone changed the same thing at the same moment. Please try again.',
        cause: error,
      })
    case '53100':
    case '58030':
      return new KeepsakeError({
        code: 'RESOURCE_EXHAUSTED',
        reason: 'DISK_FULL',
        message: 'The disk of the album’s database is full.',
        retryable: true,
        cause: error,
      })
    default:
      return error
  }
}
