import { Readable } from 'node:stream'
import type { CallOptions } from '@keepsake/rpc'
import { setFamily } from '@keepsake/telemetry'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Edge, Input, Person } from './endpoint.js'
import { errors } from './errors.js'

/** Milliseconds that a call to a service gets where nothing else is said. */
export const defaultDeadlineMs = 15_000
// An identity lives 60 s; a request that goes on for longer (an upload, a stream) gets a new one in time.
const renewAfterMs = 40_000
const nobody: Person = { accountId: '', memberId: '', role: '', plan: '', byKey: false }

/** The bearer token of a request: access token or API key. */
export function bearerOf(request: FastifyRequest): string | undefined {
  const match = /^Bearer +([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')
  return match?.[1]
}

/** The request's Idempotency-Key. Throws where it is not usable. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(key)) throw errors.idempotencyKeyInvalid()
  return key
}

/** Whether a text, or any text in a list or a plain object, holds U+0000: Postgres stores no such text. Streams are left alone. */
export function holdsNul(value: unknown): boolean {
  // No recursion: a body may be nested as deeply as it is long.
  const open: unknown[] = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next === 'string') {
      if (next.includes('\0')) return true
    } else if (typeof next === 'object' && next !== null && !(next instanceof Readable))
      for (const [key, inner] of Object.entries(next)) open.push(key, inner)
  }
  return false
}

/** The parts of an Input that do not depend on the operation. */
export type Session = Pick<Input<unknown, unknown, unknown>, 'person' | 'familyId' | 'as' | 'asGateway' | 'signal'>

/**
 * Finds out who asks. With `familyId` the person must be a member of that family (404 otherwise), with `scope` an API key
 * must have it. `required` false lets anyone through.
 */
export async function openSession(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  options: { required: boolean; familyId?: string | undefined; scope: string },
): Promise<Session> {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new DOMException('The client has gone.', 'AbortError'))
  })
  const { signal } = gone
  if ([request.params, request.query, request.body].some(holdsNul))
    throw errors.malformed('A text holds the character U+0000, which no text may.')
  const familyId = options.familyId ?? ''
  const idempotencyKey = idempotencyKeyOf(request)
  const token = bearerOf(request)
  const asGateway = (deadlineMs = defaultDeadlineMs): CallOptions => ({ familyId, deadlineMs, signal })
  if (!options.required) {
    const as = async (deadlineMs = defaultDeadlineMs) => ({ identity: '', deadlineMs, signal, idempotencyKey })
    return { person: nobody, familyId, signal, as, asGateway }
  }
  if (token === undefined) throw errors.unauthenticated()

  const began = new Date()
  const authenticate = (beganAt?: Date) =>
    edge.clients.family.authenticate(
      { token, familyId: options.familyId, beganAt },
      { deadlineMs: defaultDeadlineMs, signal },
    )
  let known = await authenticate()
  let since = Date.now()
  setFamily(options.familyId)
  // Keys with `admin` may do everything, keys with `write` may read too.
  const implied: Record<string, readonly string[]> = { read: ['read', 'write', 'admin'], write: ['write', 'admin'] }
  const enough = implied[options.scope] ?? [options.scope]
  if (known.scopes.length > 0 && !known.scopes.some(scope => enough.includes(scope)))
    throw errors.scopeRequired(options.scope)
  const as = async (deadlineMs = defaultDeadlineMs): Promise<CallOptions> => {
    if (Date.now() - since > renewAfterMs) {
      known = await authenticate(began) // also how a long request notices that its person was signed out
      since = Date.now()
    }
    return { identity: known.identity, deadlineMs, signal, idempotencyKey }
  }
  const person = {
    accountId: known.accountId,
    memberId: known.memberId ?? '',
    role: known.role ?? '',
    plan: known.plan,
    byKey: known.scopes.length > 0,
  }
  return { person, familyId, signal, as, asGateway }
}
