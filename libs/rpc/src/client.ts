import {
  Client as GrpcClient,
  credentials,
  Metadata,
  status,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js'
import { span, traceparent, type Span } from '@keepsake/telemetry'
import { Breaker } from './breaker.js'
import { letClosedStreamsGo } from './closed-streams.js'
import { knowFiles } from './file-resolver.js'
import type { ServiceIdentity } from './identity.js'
import { KeepsakeError } from './keepsake-error.js'
import { clientFailures, clientRetries } from './metrics.js'
import { idempotencyKeyKey, identityKey, traceparentKey } from './metadata-keys.js'
import { fromStatus } from './rich-status.js'
import type { CallOptions, Client, MethodDefinition, RpcDefinition } from './types.js'

const idempotentNames = /^(get|list|find|search|select|stat|watch|count|describe|authenticate)/

/** Attempts for an idempotent call, the first included. */
const maxAttempts = 4
// Full jitter between attempts: up to 50, 100, 200 ms. A restarted local service is back within that or the deadline ends it.
const firstBackoffMs = 50
const breakerRules = { failures: 20, coolDownMs: 1000 }
// A deadline that was hardly there says nothing about the peer.
const meaningfulDeadlineMs = 1000
const spanAttributes = { 'rpc.system': 'grpc' }
const plainWrite = {}

/** For tests: how long to wait between attempts. */
export interface ClientTuning {
  readonly random?: () => number
}

knowFiles()
letClosedStreamsGo()

/**
 * A client of another service. `address` is host:port, several separated by commas, `file:///path` of a file that holds them
 * (read again and again), or any gRPC target (`dns:///…`); calls go round robin over all addresses. `identity` speaks for this service where no caller is forwarded.
 */
export function createClient<D>(
  definition: D & { [K in keyof D]: MethodDefinition },
  address: string,
  identity: ServiceIdentity,
  tuning: ClientTuning = {},
): Client<D> {
  const channel = new GrpcClient(target(address), credentials.createInsecure(), {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    'grpc.enable_retries': 0, // ours know which calls may be repeated
    // A replica that is frozen or behind a dead cable leaves the round after 15 s although its socket looks open.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  })
  const peer = new Peer(channel, identity, tuning.random ?? Math.random)
  const client: Record<string, unknown> = { close: () => channel.close() }
  const [first] = Object.values(definition as RpcDefinition)
  if (first !== undefined) clientRetries.add(0, { service: identity.service, peer: serviceOf(first) })
  for (const [name, method] of Object.entries(definition as RpcDefinition)) {
    const safe = idempotentNames.test(name)
    client[name] = method.responseStream
      ? (request: unknown, options: CallOptions) => peer.stream(method, request, options)
      : (request: unknown, options: CallOptions) =>
          peer.unary(method, request, options, options.idempotent ?? (safe || options.idempotencyKey !== undefined))
  }
  return client as Client<D>
}

class Peer {
  private readonly breaker = new Breaker(breakerRules)

  constructor(
    private readonly channel: GrpcClient,
    private readonly identity: ServiceIdentity,
    private readonly random: () => number,
  ) {}

  unary(method: MethodDefinition, request: unknown, options: CallOptions, repeatable: boolean): Promise<unknown> {
    // One async function for the whole call: each further one costs every hop a promise and its turns.
    const ask = async (span: Span) => {
      try {
        const { deadline, signal } = limits(options, method.path)
        const bytes = method.requestSerialize(request)
        const token = this.token(options)
        const metadata = metadataOf(options, token instanceof Promise ? await token : token, traceparent(span))
        for (let attempt = 1; ; attempt++) {
          try {
            return method.responseDeserialize(await this.once(method, bytes, metadata, deadline, signal))
          } catch (error) {
            if (!KeepsakeError.is(error)) throw error
            const pause = this.random() * firstBackoffMs * 2 ** (attempt - 1)
            const mayRepeat = error.code === 'UNAVAILABLE' && (repeatable || neverSent(error))
            if (!mayRepeat || attempt >= maxAttempts || Date.now() + pause >= deadline) throw error
            clientRetries.add(1, { service: this.identity.service, peer: serviceOf(method) })
            await sleep(pause, signal)
          }
        }
      } catch (error) {
        const known = KeepsakeError.from(error)
        clientFailures.add(1, { service: this.identity.service, method: method.path, code: known.code })
        throw known
      }
    }
    return span(method.path, ask, spanAttributes, 'client')
  }

  async *stream(method: MethodDefinition, request: unknown, options: CallOptions): AsyncGenerator<unknown> {
    const { deadline, signal } = limits(options, method.path)
    const metadata = metadataOf(options, await this.token(options), traceparent())
    const { requestSerialize, responseDeserialize, path } = method
    const stream: ClientReadableStream<unknown> = this.channel.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      { deadline },
    )
    const cancel = () => stream.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      yield* stream
    } catch (error) {
      throw fromStatus(error as ServiceError)
    } finally {
      signal?.removeEventListener('abort', cancel)
      stream.cancel()
    }
  }

  private token(options: CallOptions): Promise<string> | string | undefined {
    if ('call' in options) return options.call.identity
    if ('familyId' in options) return this.identity.forService(options.familyId)
    return options.identity ?? this.identity.forService()
  }

  private once(
    method: MethodDefinition,
    request: Buffer,
    metadata: Metadata,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const began = Date.now()
    if (!this.breaker.admit(began)) return Promise.reject(resting())
    return new Promise((resolve, reject) => {
      // The channel's own call instead of makeUnaryRequest: the latter takes a stack trace and three wrappers per call,
      // about a tenth of a hop (deploy/bench rpc).
      const call = this.channel.getChannel().createCall(method.path, deadline, null, null, null)
      let answer: Buffer | undefined
      const cancel = () => call.cancelWithStatus(status.CANCELLED, 'cancelled by the caller')
      const settle = ({ code, details, metadata: trailer }: { code: status; details: string; metadata: Metadata }) => {
        signal?.removeEventListener('abort', cancel)
        const silent = code === status.DEADLINE_EXCEEDED && deadline - began >= meaningfulDeadlineMs
        if (code === status.UNAVAILABLE || silent) this.breaker.failed(Date.now())
        else this.breaker.succeeded()
        if (signal?.aborted && code === status.CANCELLED) reject(KeepsakeError.from(signal.reason))
        // Nobody here cancelled: a server cut the call off at the end of its grace time, or its clock ran ahead of the deadline.
        else if (code === status.CANCELLED)
          reject(fromStatus({ code: status.UNAVAILABLE, details: 'the server cut the call off' }))
        else if (code !== status.OK) reject(fromStatus({ code, details, metadata: trailer }))
        else if (answer === undefined) reject(fromStatus({ code: status.INTERNAL, details: 'no message received' }))
        else resolve(answer)
      }
      call.start(metadata, {
        onReceiveMetadata: () => {},
        onReceiveMessage: (message: Buffer) => (answer = message),
        onReceiveStatus: settle,
      })
      signal?.addEventListener('abort', cancel, { once: true })
      call.sendMessageWithContext(plainWrite, request)
      call.halfClose()
      call.startRead()
    })
  }
}

/** What goes with a call beside its message. */
function metadataOf(options: CallOptions, token: string | undefined, trace: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined && token !== '') metadata.set(identityKey, token)
  const key = options.idempotencyKey ?? ('call' in options ? options.call.idempotencyKey : undefined)
  if (key !== undefined) metadata.set(idempotencyKeyKey, key)
  if (trace !== undefined) metadata.set(traceparentKey, trace)
  return metadata
}

/** When the call must be over and what ends it early. Refuses a call without a deadline, or whose time is up. */
function limits(options: CallOptions, path: string): { deadline: number; signal: AbortSignal | undefined } {
  const now = Date.now()
  const own = options.deadlineMs === undefined ? Infinity : now + options.deadlineMs
  const inherited = 'call' in options ? options.call.deadline : Infinity
  const deadline = Math.min(own, inherited)
  if (!Number.isFinite(deadline))
    throw new KeepsakeError({
      code: 'INTERNAL',
      reason: 'DEADLINE_REQUIRED',
      message: 'Something went wrong inside Keepsake.',
      cause: new Error(`${path} was called without a deadline`),
    })
  const callers = 'call' in options ? options.call.signal : undefined
  const signal =
    callers !== undefined && options.signal !== undefined
      ? AbortSignal.any([callers, options.signal])
      : (callers ?? options.signal)
  if (signal?.aborted) throw KeepsakeError.from(signal.reason)
  if (deadline <= now)
    throw new KeepsakeError({
      code: 'DEADLINE_EXCEEDED',
      reason: 'DEADLINE_EXCEEDED',
      message: 'This took longer than allowed.',
    })
  return { deadline, signal }
}

/**
 * grpc-js says so when no connection took the request, or when the server refused it unseen because it was about to close the connection
 * (REFUSED_STREAM): then even what must happen once may be tried again.
 */
const neverSent = (error: KeepsakeError) =>
  error.cause instanceof Error &&
  /No connection established|Name resolution failed|Stream refused by server/.test(error.cause.message)

const resting = () =>
  new KeepsakeError({
    code: 'UNAVAILABLE',
    reason: 'SERVICE_UNAVAILABLE',
    message: 'A part of Keepsake is not reachable right now. Please try again.',
    cause: new Error('the breaker is open'),
  })

/** album.v1.AlbumService, of any of its methods. */
const serviceOf = (method: MethodDefinition) => method.path.split('/')[1]?.replace(/^keepsake\./, '') ?? ''

const sleep = (ms: number, signal: AbortSignal | undefined) =>
  new Promise<void>((resolve, reject) => {
    const cancelled = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', cancelled)
      resolve()
    }, ms)
    signal?.addEventListener('abort', cancelled, { once: true })
  })

/** gRPC's target for host:port lists: literal addresses need no resolver, names are resolved again and again. */
function target(address: string): string {
  if (/^[a-z0-9]+:(\/\/|[^0-9])/.test(address)) return address
  return /^[\d.:,]+$/.test(address) ? `ipv4:${address}` : `dns:///${address}`
}
