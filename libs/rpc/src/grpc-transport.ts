import { setTimeout as sleep } from 'node:timers/promises'
import {
  Metadata,
  Server as GrpcServer,
  ServerCredentials,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js'
import { setFamily, span, withTrace, type logger } from '@keepsake/telemetry'
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices'
import { HealthImplementation } from 'grpc-health-check'
import { isObservable, lastValueFrom } from 'rxjs'
import type { Call, Caller } from './call.js'
import { letClosedStreamsGo } from './closed-streams.js'
import type { ServiceIdentity } from './identity.js'
import { KeepsakeError } from './keepsake-error.js'
import { serverSeconds } from './metrics.js'
import { idempotencyKeyKey, identityKey, traceparentKey } from './metadata-keys.js'
import { toStatus } from './rich-status.js'
import type { MethodDefinition, RpcDefinition } from './types.js'

letClosedStreamsGo()

// A call that outlives its connection's age gets so long to end, in ms: no deadline between services is longer.
const ageGraceMs = 120_000

/** A call as grpc-js hands it over. */
type Wire = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>

/** A method and who answers it. */
interface Rpc {
  readonly method: MethodDefinition
  readonly handler: MessageHandler
  /** Where its time is recorded, by code; filled in as codes occur. */
  readonly seconds: Map<string, (seconds: number) => void>
}

/** What the transport needs beside Nest's handlers. */
export interface GrpcTransportOptions {
  readonly definitions: readonly RpcDefinition[]
  /** host:port, port 0 for any. */
  readonly listen: string
  readonly identity: ServiceIdentity
  readonly log: ReturnType<typeof logger>
  /** Milliseconds that calls under way get to finish at close. */
  readonly drainMs: number
  /** Milliseconds at close in which new calls are still taken, while health says NOT_SERVING: load balancers are slow to look. */
  readonly drainDelayMs?: number
  /** Connections are asked to be made anew after so many milliseconds, so that replicas that came later get their share. */
  readonly connectionAgeMs?: number
}

/**
 * Nest's transport for our gRPC definitions. What stock Nest leaves out is put right here: a call needs a deadline, its
 * cancellation reaches the handler as an AbortSignal, the caller is verified, errors are mapped once, close drains.
 */
export class GrpcTransport extends Server implements CustomTransportStrategy {
  private readonly server: GrpcServer
  private readonly health = new HealthImplementation({ '': 'NOT_SERVING' })
  private port = 0
  private listening = false
  private readonly spanAttributes: Record<string, string>

  constructor(private readonly options: GrpcTransportOptions) {
    super()
    this.server = new GrpcServer({
      // A peer that vanished (kill -9, pulled cable) is noticed within 40 s although its socket still looks open.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      ...(options.connectionAgeMs !== undefined && {
        'grpc.max_connection_age_ms': options.connectionAgeMs,
        'grpc.max_connection_age_grace_ms': ageGraceMs,
      }),
    })
    this.spanAttributes = { 'rpc.system': 'grpc', 'keepsake.service': options.identity.service }
  }

  /** host:port as bound; known after listen. */
  get address(): string {
    return `${this.options.listen.slice(0, this.options.listen.lastIndexOf(':'))}:${this.port}`
  }

  /** Sets what gRPC health says of the server and each of its services. */
  setServing(serving: boolean): void {
    for (const name of ['', ...this.options.definitions.map(serviceName)])
      this.health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
  }

  override listen(done: (error?: unknown) => void): void {
    try {
      for (const definition of this.options.definitions) this.addDefinition(definition)
    } catch (error) {
      done(error)
      return
    }
    this.health.addToServer(this.server)
    this.server.bindAsync(this.options.listen, ServerCredentials.createInsecure(), (error, port) => {
      this.port = port
      this.listening = error === null
      done(error ?? undefined)
    })
  }

  override async close(): Promise<void> {
    this.setServing(false)
    if (!this.listening) return
    this.listening = false
    if (this.options.drainDelayMs) await sleep(this.options.drainDelayMs)
    await new Promise<void>(resolve => {
      const late = setTimeout(() => {
        this.options.log.warn({ drainMs: this.options.drainMs }, 'calls still under way were cut off')
        this.server.forceShutdown()
        resolve()
      }, this.options.drainMs)
      this.server.tryShutdown(() => {
        clearTimeout(late)
        resolve()
      })
    })
  }

  override on(): void {
    // There are no transport events to listen to.
  }

  override unwrap<T>(): T {
    return this.server as T
  }

  private addDefinition(definition: RpcDefinition): void {
    for (const method of Object.values(definition)) {
      const handler = this.messageHandlers.get(method.path)
      if (handler === undefined) throw new Error(`no handler for ${method.path}`)
      const { requestDeserialize, responseSerialize, path } = method
      const rpc = { method, handler, seconds: new Map() }
      const run = method.responseStream ? this.streaming(rpc) : this.unary(rpc)
      const type = method.responseStream ? 'serverStream' : 'unary'
      this.server.register(path, run, responseSerialize, requestDeserialize, type)
    }
  }

  private unary(rpc: Rpc): handleUnaryCall<unknown, unknown> {
    return (wire, reply) => {
      void this.handle(rpc, wire, call => rpc.handler(wire.request, call)).then(
        result => reply(null, result),
        (error: unknown) => reply(toStatus(KeepsakeError.from(error))),
      )
    }
  }

  private streaming(rpc: Rpc): handleServerStreamingCall<unknown, unknown> {
    return wire => {
      void this.handle(rpc, wire, async call => {
        const items = (await answer(await rpc.handler(wire.request, call))) as AsyncIterable<unknown>
        for await (const item of items) {
          call.signal.throwIfAborted()
          if (!wire.write(item)) await drained(wire, call.signal)
        }
      }).then(
        () => wire.end(),
        (error: unknown) => wire.emit('error', toStatus(KeepsakeError.from(error))),
      )
    }
  }

  /** Verifies the call, runs it in its trace and measures it. Rejects with a KeepsakeError. */
  private handle(rpc: Rpc, wire: Wire, run: (call: Call) => Promise<unknown>): Promise<unknown> {
    const { method } = rpc
    const started = performance.now()
    const call = new IncomingCall(wire)
    const work = async () => {
      try {
        if (!Number.isFinite(call.deadline)) throw deadlineRequired(method.path)
        if (call.identity !== undefined) {
          const verified = this.options.identity.verify(call.identity)
          call.caller = verified instanceof Promise ? await verified : verified
          if ('familyId' in call.caller) setFamily(call.caller.familyId)
        }
        const handled = await run(call)
        const result = isObservable(handled) ? await answer(handled) : handled // no further turn for what is there already
        this.took(started, rpc, 'OK')
        return result
      } catch (thrown) {
        const error = this.told(method, thrown, call)
        this.took(started, rpc, error.code)
        throw error
      } finally {
        call.finish()
      }
    }
    const traceparent = wire.metadata.get(traceparentKey)[0]
    const carrier = typeof traceparent === 'string' ? { traceparent } : noCarrier
    return withTrace(carrier, () => span(method.path, work, this.spanAttributes, 'server'))
  }

  /** Measures a call by its code. */
  private took(started: number, rpc: Rpc, code: string): void {
    let record = rpc.seconds.get(code)
    if (record === undefined) {
      record = serverSeconds.recorder({ service: this.options.identity.service, method: rpc.method.path, code })
      rpc.seconds.set(code, record)
    }
    record((performance.now() - started) / 1000)
  }

  /** The error as it goes out; what is our own fault is logged with its cause, here and only here. */
  private told(method: MethodDefinition, thrown: unknown, call: IncomingCall): KeepsakeError {
    // A driver that was cancelled throws its own kind of error: after an abort the abort is the truth.
    const error = KeepsakeError.from(KeepsakeError.is(thrown) ? thrown : (call.abortReason ?? thrown))
    const facts = { method: method.path, code: error.code, reason: error.reason }
    if (error.code === 'INTERNAL') this.options.log.error({ ...facts, err: thrown }, error.message)
    else this.options.log.debug(facts, error.message)
    return error
  }
}

const nobody: Caller = { kind: 'anonymous' }
const noCarrier = {}

/** The call as a handler sees it. Signal, listener and timer are made only for handlers that look: most answer at once. */
class IncomingCall implements Call {
  readonly deadline: number
  readonly identity: string | undefined
  readonly idempotencyKey: string | undefined
  caller = nobody
  private abort: AbortController | undefined
  private timer: NodeJS.Timeout | undefined
  private finished = false
  private gone: Error | undefined

  constructor(private readonly wire: Wire) {
    this.deadline = Number(wire.getDeadline())
    this.identity = text(wire.metadata, identityKey)
    this.idempotencyKey = text(wire.metadata, idempotencyKeyKey)
  }

  /** Why the call was aborted, where it was. */
  get abortReason(): Error | undefined {
    if (this.wire.cancelled) this.cancel()
    return this.gone ?? (this.deadline <= Date.now() ? late() : undefined)
  }

  get signal(): AbortSignal {
    if (this.abort === undefined) {
      this.abort = new AbortController()
      if (this.wire.cancelled) this.cancel()
      if (this.gone !== undefined) this.abort.abort(this.gone)
      else if (!this.finished) {
        // grpc-js says so at the end of every call, also of one that was answered.
        this.wire.on('cancelled', () => this.cancel())
        // A timer may fire a millisecond early by the clock: what it says is that the time is over, all the same.
        this.timer = setTimeout(() => this.cancel(late()), Math.min(this.deadline - Date.now(), 2 ** 31 - 1))
      }
    }
    return this.abort.signal
  }

  finish(): void {
    this.finished = true
    clearTimeout(this.timer)
  }

  private cancel(
    why = Date.now() >= this.deadline ? late() : new DOMException('The caller has gone.', 'AbortError'),
  ): void {
    if (this.finished || this.gone !== undefined) return
    this.gone = why
    clearTimeout(this.timer)
    this.abort?.abort(this.gone)
  }
}

const late = () => new DOMException('The deadline has passed.', 'TimeoutError')

/** keepsake.album.v1.AlbumService, from the path of any of its methods. */
const serviceName = (definition: RpcDefinition) => Object.values(definition)[0]?.path.split('/')[1] ?? ''

const text = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)[0]
  return typeof value === 'string' ? value : undefined
}

const answer = (result: unknown): unknown => (isObservable(result) ? lastValueFrom(result) : result)

const drained = (wire: NodeJS.EventEmitter, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const finish = (settle: () => void) => {
      wire.off('drain', ok)
      signal.removeEventListener('abort', cancelled)
      settle()
    }
    const ok = () => finish(resolve)
    const cancelled = () => finish(() => reject(signal.reason as Error))
    wire.once('drain', ok)
    signal.addEventListener('abort', cancelled, { once: true })
  })

const deadlineRequired = (path: string) =>
  new KeepsakeError({
    code: 'INVALID_ARGUMENT',
    reason: 'DEADLINE_REQUIRED',
    message: `A call of ${path} needs a deadline.`,
  })
