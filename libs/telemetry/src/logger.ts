import { mkdirSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { pino, type Logger, type SerializedError } from 'pino'
import type { LoggerService } from '@nestjs/common'
import { currentFamily, currentTrace } from './trace.js'

/** Levels that `KEEPSAKE_LOG_LEVEL` may name. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number]

// Fields that hold secrets wherever they appear, one level deep. Callers do not log them; this is the second lock.
const secretFields = ['password', 'token', 'accessToken', 'refreshToken', 'identity', 'authorization', 'cookie', 'key']

// Postgres quotes what it stumbled over: rows in `detail`, parameters in `where`, a value at the end of a message.
const quoting = ['detail', 'where', 'hint', 'internalQuery'] as const

/** An error as it is logged: its kind, message and stack, and nothing that people wrote. */
function loggedError(error: Error): SerializedError {
  const shown = pino.stdSerializers.err(error)
  // Whatever is thrown may stand there, and what is no error passes as it is.
  if (!(error instanceof Error) || !('severity' in error && 'routine' in error)) return shown
  for (const field of quoting) Reflect.deleteProperty(shown, field)
  const message = error.message.replace(/: ".*"$/s, '')
  return { ...shown, message, stack: shown.stack.replace(error.message, message) }
}

// The log of a process is one stream, so level and loggers are the process's, not a service's.
const loggers = new Map<string, Logger>()
let level: LogLevel = 'info'
let target: { write(line: string): unknown } = pino.destination(1)

/** The JSON logger of a service. Every line carries trace_id, span_id and family_id where they are known. */
export function logger(service: string): Logger {
  const known = loggers.get(service)
  if (known !== undefined) return known
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretFields.flatMap(field => [field, `*.${field}`]), censor: '***' },
    serializers: { err: loggedError },
    mixin: () => {
      const trace = currentTrace()
      const familyId = currentFamily()
      return {
        ...(trace && { trace_id: trace.traceId, span_id: trace.spanId }),
        ...(familyId !== undefined && { family_id: familyId }),
      }
    },
  }
  const made = pino(options, { write: (line: string) => target.write(line) })
  loggers.set(service, made)
  return made
}

/** Sets the level of every logger of this process, present and future. */
export function setLogLevel(next: LogLevel): void {
  level = next
  for (const known of loggers.values()) known.level = next
}

/** Sends every line of this process, from now on, to standard error: standard output is for what a command answers. */
export function logToStandardError(): void {
  target = pino.destination({ dest: 2, sync: true })
}

/** A log file of so many bytes is set aside; the one set aside before it goes. */
const mostBytes = 20e6

/**
 * Sends every line of this process, from now on, to the end of a file instead of standard output. At `maxBytes` the file is
 * renamed to `FILE.1` and begun anew, also while the process runs.
 */
export function setLogFile(file: string, maxBytes = mostBytes): void {
  mkdirSync(path.dirname(file), { recursive: true })
  let bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (bytes > maxBytes) bytes = setAside(file, bytes)
  const lines = pino.destination({ dest: file, append: true, sync: true })
  lines.on('error', () => undefined) // a full disk must not end the process that could say so
  target = {
    write: line => {
      bytes += Buffer.byteLength(line)
      lines.write(line)
      if (bytes <= maxBytes) return
      bytes = setAside(file, 0)
      lines.reopen()
    },
  }
}

/** Renames a full log; answers how many bytes are in the next. Where it cannot be renamed it goes on growing. */
function setAside(file: string, bytes: number): number {
  try {
    renameSync(file, `${file}.1`)
    return 0
  } catch {
    return bytes
  }
}

/** Nest's own messages through the service's logger: its routine start-up lines are debug, errors stay errors. */
export function nestLogger(service: string): LoggerService {
  const log = logger(service)
  const text = (message: unknown) => (message instanceof Error ? message.message : String(message))
  return {
    log: (message: unknown, context?: unknown) => log.debug({ context }, text(message)),
    verbose: (message: unknown, context?: unknown) => log.trace({ context }, text(message)),
    debug: (message: unknown, context?: unknown) => log.debug({ context }, text(message)),
    warn: (message: unknown, context?: unknown) => log.warn({ context }, text(message)),
    error: (message: unknown, ...rest: unknown[]) =>
      log.error({ ...(message instanceof Error ? { err: message } : {}), context: rest.at(-1) }, text(message)),
    fatal: (message: unknown, context?: unknown) => log.fatal({ context }, text(message)),
  }
}
