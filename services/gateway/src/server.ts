import { KeepsakeError, type Readiness } from '@keepsake/rpc'
import { currentTrace, logger } from '@keepsake/telemetry'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { openSession } from './authentication.js'
import { accessOf, scopeOf, statusOf, type AnyEndpoint, type Edge } from './endpoint.js'
import { errors } from './errors.js'
import { requestSeconds } from './metrics.js'
import { registerObjects } from './objects.js'
import { problemHeaders, toProblem } from './problem.js'
import { RateLimit } from './rate-limit.js'
import { securityHeaders } from './security-headers.js'
import { registerUploads } from './tus.js'
import { registerWebApp } from './web-app.js'
import { inTraceOf, traced } from './traced.js'

/** What the public server is made of. */
export interface ServerOptions {
  readonly edge: Edge
  readonly endpoints: readonly AnyEndpoint[]
  readonly openApi: object
  /** Told without detail at /readyz. */
  readonly readiness: Pick<Readiness, 'problems'>
  /** Checks every answer against its schema: for tests. */
  readonly checkAnswers?: boolean
  /** Where the built web app is; default: beside this package. */
  readonly webRoot?: string
}

/** Registers the whole public surface on a Fastify instance (in a scope of its own). */
export async function registerPublic(server: FastifyInstance, options: ServerOptions): Promise<void> {
  const { edge, endpoints } = options
  const { config } = edge
  const addresses = new RateLimit({
    perSecond: config.KEEPSAKE_RATE_PER_ADDRESS,
    burst: config.KEEPSAKE_RATE_PER_ADDRESS * 10,
  })
  const families = new RateLimit({
    perSecond: config.KEEPSAKE_RATE_PER_FAMILY,
    burst: config.KEEPSAKE_RATE_PER_FAMILY * 10,
  })
  const signIns = new RateLimit({ perSecond: config.KEEPSAKE_RATE_SIGN_IN / 60, burst: config.KEEPSAKE_RATE_SIGN_IN })

  server.setErrorHandler((error, request, reply) => inTraceOf(request, () => sendProblem(error, request, reply)))
  // Bytes of an upload are never parsed or held: the handler reads the socket.
  server.addContentTypeParser(
    'application/offset+octet-stream',
    { bodyLimit: Number.MAX_SAFE_INTEGER },
    (_, body, done) => done(null, body),
  )
  // A DELETE or POST without a body may still say that it is JSON.
  server.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: 1024 * 1024 }, (_, body, done) => {
    if (body === '') return done(null, undefined)
    try {
      done(null, JSON.parse(body as string))
    } catch {
      done(errors.malformed('The body is not JSON.'))
    }
  })
  const headers = securityHeaders(edge.mediaOrigin)
  server.addHook('onRequest', async (request, reply) => {
    void reply.headers(headers)
    if (request.protocol === 'https') void reply.header('strict-transport-security', 'max-age=31536000')
    if (request.url.startsWith('/v1/')) addresses.take(request.ip)
  })
  server.addHook('onResponse', async (request, reply) => {
    requestSeconds.record(reply.elapsedTime / 1000, {
      route: request.routeOptions.url ?? '',
      method: request.method,
      status: reply.statusCode,
    })
  })

  for (const endpoint of endpoints) {
    const run = handler(endpoint, options, families, signIns)
    server.route({ method: endpoint.method, url: routeOf(endpoint.path), handler: run, exposeHeadRoute: false })
  }
  registerUploads(server, edge, families)
  registerObjects(server, edge)
  server.get('/openapi.json', async (_, reply) => reply.header('cache-control', 'no-cache').send(options.openApi))
  server.get('/readyz', async (_, reply) => {
    const ready = (await options.readiness.problems()).length === 0
    return reply
      .header('cache-control', 'no-store')
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ok' : 'not ready' })
  })
  server.all('/v1/*', async () => {
    throw errors.notFound()
  })
  await registerWebApp(server, options.webRoot)
}

/** Fastify's form of a path: `{name}` is a parameter, a colon is written twice. */
const routeOf = (path: string) => path.replaceAll(':', '::').replace(/\{(\w+)\}/g, ':$1')

function handler(endpoint: AnyEndpoint, options: ServerOptions, families: RateLimit, signIns: RateLimit) {
  const access = accessOf(endpoint)
  const status = statusOf(endpoint)
  const scope = scopeOf(endpoint)
  const limited = access === 'public' && endpoint.method === 'POST'
  return (request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    traced(request, endpoint.path, async () => {
      if (limited) signIns.take(request.ip)
      const params = request.params as Record<string, string>
      const session = await openSession(options.edge, request, reply, {
        required: access !== 'public',
        familyId: access === 'member' ? params['familyId'] : undefined,
        scope,
      })
      if (session.familyId !== '') families.take(session.familyId)
      const query = endpoint.query === undefined ? undefined : check(endpoint.query, request.query, 'query')
      const body = endpoint.body === undefined ? undefined : check(endpoint.body, request.body ?? undefined, 'body')
      const input = { ...session, params, query, body, edge: options.edge, request, reply }
      const answer = await endpoint.handle(input as never)
      if (reply.sent) return reply
      if (endpoint.answer === undefined) {
        if (endpoint.produces !== undefined) return reply
        return reply.code(status).send()
      }
      if (options.checkAnswers === true) endpoint.answer.parse(answer)
      void reply.header('cache-control', 'no-store')
      return reply.code(status).send(answer)
    })
}

function check(schema: z.ZodType, value: unknown, where: string): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw errors.invalidRequest(
    result.error.issues.slice(0, 20).map(issue => ({
      field: issue.path.map(String).join('.') || where,
      problem: issue.message,
    })),
  )
}

/** Answers any error as RFC 9457 says; the log gets what the public does not. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = fromFastify(thrown) ?? KeepsakeError.from(thrown)
  const log = logger('gateway')
  const facts = { method: request.method, route: request.routeOptions.url, reason: error.reason }
  if (error.code === 'INTERNAL') log.error({ ...facts, err: thrown }, error.message)
  else log.debug(facts, error.message)
  const problem = toProblem(error, currentTrace()?.traceId)
  return reply.code(problem.status).headers(problemHeaders(error)).send(problem)
}

/** Fastify's own refusals in our words. */
function fromFastify(thrown: unknown): KeepsakeError | undefined {
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown }
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number' || statusCode >= 500)
    return undefined
  const reasons: Record<number, string> = {
    413: 'REQUEST_TOO_LARGE',
    415: 'CONTENT_TYPE_UNSUPPORTED',
    404: 'NOT_FOUND',
  }
  return new KeepsakeError({
    code: statusCode === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT',
    reason: reasons[statusCode] ?? 'INVALID_REQUEST',
    message: 'The request is not valid.',
    cause: thrown,
  })
}
