import type { EdgeStore } from './edge-store.js'
import type { CallOptions } from '@keepsake/rpc'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Clients } from './clients.js'
import type { GatewayConfig } from './config.js'

/** What every handler may use. */
export interface Edge {
  readonly clients: Clients
  readonly store: EdgeStore
  readonly config: GatewayConfig
  /** Origin that signed URLs lead to where it is not the gateway's own. */
  readonly mediaOrigin?: string | undefined
}

/** The person behind a request, in the family of its path where there is one. */
export interface Person {
  readonly accountId: string
  readonly memberId: string
  readonly role: string
  readonly plan: string
  /** Whether an API key speaks for the person, who is then not there to decide anything. */
  readonly byKey: boolean
}

/** One request, checked and authenticated. */
export interface Input<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The family of the path; empty elsewhere. */
  readonly familyId: string
  readonly person: Person
  readonly edge: Edge
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
  /** Options of a call on behalf of the person; the identity is renewed when it is about to end. Default deadline: 15 s. */
  as(deadlineMs?: number): Promise<CallOptions>
  /** Options of a call as the gateway for the family of the path, for what the person's right was checked already. */
  asGateway(deadlineMs?: number): CallOptions
}

/** Who may ask: anyone; a signed-in account; a member of the family in the path. */
export type Access = 'public' | 'account' | 'member'

type Shape = z.ZodObject
type Output<T> = T extends z.ZodType ? z.output<T> : undefined
type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never

/** One operation of the public API. Routing, checking and the OpenAPI document come from the same declaration. */
export interface Endpoint<
  Path extends string = string,
  Query extends Shape | undefined = Shape | undefined,
  Body extends z.ZodType | undefined = z.ZodType | undefined,
  Answer extends z.ZodType | undefined = z.ZodType | undefined,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** OpenAPI's form: /v1/families/{familyId}/media */
  readonly path: Path
  readonly id: string
  readonly summary: string
  /** Default: member where the path names a family, else account. */
  readonly access?: Access
  /** What an API key needs. Default: read for GET, write for others. */
  readonly scope?: 'read' | 'write' | 'admin'
  readonly query?: Query
  readonly body?: Body
  readonly answer?: Answer
  /** Default: 200 with an answer, else 204. */
  readonly status?: number
  /** Media types of an answer that is no JSON; the handler sends it itself. */
  readonly produces?: readonly string[]
  /** Stable codes beyond those that every operation may answer. */
  readonly codes?: readonly string[]
  handle(
    input: Input<Record<ParamNames<Path>, string>, Output<Query>, Output<Body>>,
  ): Promise<Answer extends z.ZodType ? z.input<Answer> : void>
}

/** An endpoint whose types do not matter here. */
// Method parameters are bivariant on purpose: a list of endpoints holds endpoints of different bodies.
export type AnyEndpoint = Omit<Endpoint, 'handle'> & { handle(input: Input<never, never, never>): Promise<unknown> }

/** Declares an operation. */
export function endpoint<
  const Path extends string,
  Query extends Shape | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
  Answer extends z.ZodType | undefined = undefined,
>(declaration: Endpoint<Path, Query, Body, Answer>): AnyEndpoint {
  return declaration as unknown as AnyEndpoint
}

/** The access that an endpoint asks for. */
export const accessOf = (e: Pick<AnyEndpoint, 'access' | 'path'>): Access =>
  e.access ?? (e.path.includes('{familyId}') ? 'member' : 'account')

/** The scope that an API key needs for it. */
export const scopeOf = (e: Pick<AnyEndpoint, 'scope' | 'method'>): string =>
  e.scope ?? (e.method === 'GET' ? 'read' : 'write')

/** The status of a good answer. */
export const statusOf = (e: Pick<AnyEndpoint, 'status' | 'answer' | 'produces'>): number =>
  e.status ?? (e.answer === undefined && e.produces === undefined ? 204 : 200)
