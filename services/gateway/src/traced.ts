import { keepPlace, span, withTrace } from '@keepsake/telemetry'
import type { FastifyRequest } from 'fastify'

// Fastify hands errors to its own handler, outside of the work that failed; an entry goes with its request.
const places = new WeakMap<FastifyRequest, ReturnType<typeof keepPlace>>()

/** Answers a request inside a span of the caller's trace, if it sent one, else of a new one. */
export function traced<T>(request: FastifyRequest, route: string, answer: () => Promise<T>): Promise<T> {
  const { traceparent } = request.headers
  return withTrace(typeof traceparent === 'string' ? { traceparent } : {}, () =>
    span(
      `${request.method} ${route}`,
      () => {
        places.set(request, keepPlace())
        return answer()
      },
      { 'http.route': route },
      'server',
    ),
  )
}

/** Runs `fn` in the trace and for the family of a request's answer. */
export function inTraceOf<T>(request: FastifyRequest, fn: () => T): T {
  const place = places.get(request)
  return place === undefined ? fn() : place(fn)
}
