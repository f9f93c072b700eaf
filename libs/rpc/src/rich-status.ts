import { Metadata, status } from '@grpc/grpc-js'
import { errorCodes, KeepsakeError, type ErrorCode } from './keepsake-error.js'

/**
 * How a KeepsakeError crosses a process: gRPC status, message, and google.rpc.Status with one google.rpc.ErrorInfo in the
 * trailer `grpc-status-details-bin`, so that any gRPC tool can read it. Wire format written by hand: three small
 * messages do not earn a dependency.
 * Source: github.com/googleapis/googleapis google/rpc/status.proto and error_details.proto.
 */
export const detailsKey = 'grpc-status-details-bin'
const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo'
const domain = 'keepsake'
const retryableKey = 'keepsake.retryable'

/** What the gRPC server sends for an error. The cause is not among it. */
export function toStatus(error: KeepsakeError): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata()
  const info = [
    field(1, utf8(error.reason)),
    field(2, utf8(domain)),
    ...Object.entries({ ...error.details, [retryableKey]: String(error.retryable) }).map(([key, value]) =>
      field(3, Buffer.concat([field(1, utf8(key)), field(2, utf8(value))])),
    ),
  ]
  const any = Buffer.concat([field(1, utf8(errorInfoType)), field(2, Buffer.concat(info))])
  const code = status[error.code]
  metadata.set(detailsKey, Buffer.concat([Buffer.from([0x08, code]), field(2, utf8(error.message)), field(3, any)]))
  return { code, details: error.message, metadata }
}

/** The KeepsakeError that a peer sent, or the one that fits a bare gRPC status. */
export function fromStatus(received: {
  code: status
  details: string
  metadata?: Metadata | undefined
}): KeepsakeError {
  const code = codeOf(received.code)
  const bytes = received.metadata?.get(detailsKey)[0]
  const info = Buffer.isBuffer(bytes) ? readInfo(bytes) : undefined
  if (info === undefined)
    return new KeepsakeError({
      code,
      reason: code === 'UNAVAILABLE' ? 'SERVICE_UNAVAILABLE' : code,
      message: bareMessages[code] ?? 'Something went wrong inside Keepsake.',
      cause: new Error(received.details),
    })
  const { [retryableKey]: retryable, ...details } = info.metadata
  return new KeepsakeError({
    code,
    reason: info.reason,
    message: received.details,
    retryable: retryable === 'true',
    details,
  })
}

// A bare status comes from the transport: its text is for logs (it names hosts and ports), not for people.
const bareMessages: Partial<Record<ErrorCode, string>> = {
  UNAVAILABLE: 'A part of Keepsake is not reachable right now. Please try again.',
  DEADLINE_EXCEEDED: 'This took longer than allowed.',
  CANCELLED: 'The call was cancelled.',
  RESOURCE_EXHAUSTED: 'Keepsake is busy or the request is too large.',
}

const codeOf = (code: status): ErrorCode => {
  const name = status[code] as ErrorCode
  return errorCodes.includes(name) ? name : 'INTERNAL'
}

const utf8 = (text: string) => Buffer.from(text, 'utf8')

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left])
    bytes.push((left % 128) | 0x80)
  }
}

/** A length-delimited field. */
const field = (number: number, value: Buffer) => Buffer.concat([varint(number * 8 + 2), varint(value.length), value])

function readInfo(statusBytes: Buffer): { reason: string; metadata: Record<string, string> } | undefined {
  try {
    for (const any of lengthDelimited(statusBytes, 3)) {
      if (text(any, 1) !== errorInfoType) continue
      const info = lengthDelimited(any, 2)[0]
      if (info === undefined || text(info, 2) !== domain) continue
      const entries = lengthDelimited(info, 3).map(entry => [text(entry, 1), text(entry, 2)] as const)
      return { reason: text(info, 1), metadata: Object.fromEntries(entries) }
    }
  } catch {
    // A trailer that is no google.rpc.Status says nothing; the bare status still does.
  }
  return undefined
}

const text = (message: Buffer, number: number) => lengthDelimited(message, number)[0]?.toString('utf8') ?? ''

/** Every length-delimited field with that number. Throws on bytes that are no protobuf message. */
function lengthDelimited(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = []
  let at = 0
  const next = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]
      if (byte === undefined || scale > 2 ** 42) throw new RangeError('not a protobuf message')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const tag = next()
    if (tag % 8 === 0) next()
    else if (tag % 8 === 2) {
      const length = next()
      if (at + length > message.length) throw new RangeError('not a protobuf message')
      if (Math.floor(tag / 8) === wanted) found.push(message.subarray(at, at + length))
      at += length
    } else throw new RangeError('a wire type that google.rpc.Status does not use')
  }
  return found
}
