import { span, withTrace } from '@keepsake/telemetry'
import type { FastifyRequest } from 'fastify'

/** Answers a request inside a span of the caller's trace, if it sent one, else of a new one. */
export function traced<T>(request: FastifyRequest, route: string, answer: () => Promise<T>): Promise<T> {
  const { traceparent } = request.headers
  return withTrace(typeof traceparent === 'string' ? { traceparent } : {}, () =>
    span(`${request.method} ${route}`, answer, { 'http.route': route }, 'server'),
  )
}
