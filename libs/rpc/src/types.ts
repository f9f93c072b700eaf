import type { Call } from './call.js'

/** One method as ts-proto generates it (outputServices=grpc-js). */
export interface MethodDefinition {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  // Method parameters are bivariant on purpose: each generated definition has its own message types.
  requestSerialize(value: unknown): Buffer
  requestDeserialize(bytes: Buffer): unknown
  responseSerialize(value: unknown): Buffer
  responseDeserialize(bytes: Buffer): unknown
}

/** A generated service definition: `AlbumServiceService` of `@keepsake/proto/album/v1`. */
export type RpcDefinition = Readonly<Record<string, MethodDefinition>>

/** The request message of a method. */
export type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer R } ? R : never

/** The response message of a method. */
export type ResponseOf<M> = M extends { responseDeserialize: (bytes: Buffer) => infer R } ? R : never

/** One handler: a promise for a unary method, an async iterable for a server-streaming one. */
export type RpcHandler<M> = M extends { responseStream: true }
  ? (request: RequestOf<M>, call: Call) => AsyncIterable<ResponseOf<M>>
  : (request: RequestOf<M>, call: Call) => Promise<ResponseOf<M>>

/** What a class decorated with `@RpcService(D)` implements. */
export type RpcHandlers<D> = { [K in keyof D]: RpcHandler<D[K]> }

interface CommonOptions {
  /** Ends the call early. */
  readonly signal?: AbortSignal | undefined
  /** Whether UNAVAILABLE may be retried. Default: true for methods named get…, list…, find…, search…, select…, stat… or watch… */
  readonly idempotent?: boolean | undefined
  /** Passed on to the service that owns the effect. With a key a call counts as idempotent. */
  readonly idempotencyKey?: string | undefined
}

/** On behalf of the caller of `call`: his identity, his deadline (capped by deadlineMs) and his signal. */
export interface ForwardOptions extends CommonOptions {
  readonly call: Call
  readonly deadlineMs?: number | undefined
}

/** As this service, for one family. */
export interface FamilyOptions extends CommonOptions {
  readonly familyId: string
  readonly deadlineMs: number
}

/** As this service for no family, or with a given identity token (the gateway's). An empty string is nobody. */
export interface PlainOptions extends CommonOptions {
  readonly identity?: string | undefined
  readonly deadlineMs: number
}

/** How a call is made: for whom, and until when. A call without a deadline is refused. */
export type CallOptions = ForwardOptions | FamilyOptions | PlainOptions

/** A client of a definition: one typed method each. */
export type Client<D> = {
  [K in keyof D]: D[K] extends { responseStream: true }
    ? (request: RequestOf<D[K]>, options: CallOptions) => AsyncIterable<ResponseOf<D[K]>>
    : (request: RequestOf<D[K]>, options: CallOptions) => Promise<ResponseOf<D[K]>>
} & {
  /** Closes the connection; calls under way end with UNAVAILABLE. */
  close(): void
}
