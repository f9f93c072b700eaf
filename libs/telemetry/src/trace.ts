import { randomFillSync } from 'node:crypto'
import {
  context,
  createContextKey,
  INVALID_TRACEID,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Span,
} from '@opentelemetry/api'
import { LinkedContext } from './linked-context.js'

export type { Span }

/** Values that may be attached to a span. Ids and numbers; never names, addresses or secrets. */
export type SpanAttributes = Attributes

/** What kind of work a span is. Default: internal. */
export type SpanRole = 'internal' | 'server' | 'client' | 'producer' | 'consumer'

const kinds: Record<SpanRole, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
}

// Set once by startTelemetry: whether finished spans go anywhere.
let exporting = false

/** Says whether spans are exported. For startTelemetry only. */
export function setExporting(on: boolean): void {
  exporting = on
}

/**
 * Runs `fn` inside a span named `name`. The span ends when the promise settles and carries the error's name when it
 * rejects. Everything started inside (calls, events, logs) joins the same trace; of a `client` span that may be only the call that is given the span.
 */
export function span<T>(
  name: string,
  fn: (span: Span) => Promise<T>,
  attributes: SpanAttributes = {},
  role: SpanRole = 'internal',
): Promise<T> {
  if (!exporting) return unseen(fn, role)
  return trace.getTracer('keepsake').startActiveSpan(name, { kind: kinds[role], attributes }, async active => {
    try {
      return await fn(active)
    } catch (error) {
      active.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'error' })
      if (error instanceof Error) active.recordException(error)
      throw error
    } finally {
      active.end()
    }
  })
}

/**
 * Without an exporter the ids of the first span serve the whole trace: a span nobody will see is not worth its cost, nor is a sampler that
 * is asked each time whether to drop it. A client's span has nothing inside but a call that takes the ids from the span it is given: it needs
 * no context of its own.
 */
function unseen<T>(fn: (span: Span) => Promise<T>, role: SpanRole): Promise<T> {
  const here = context.active()
  const around = trace.getSpan(here)
  if (around !== undefined) return fn(around)
  const first = trace.wrapSpanContext({ traceId: randomHex(16), spanId: randomHex(8), traceFlags: TraceFlags.NONE })
  return role === 'client' ? fn(first) : context.with(trace.setSpan(here, first), fn, undefined, first)
}

// Random bytes are fetched for many ids at once: each fetch costs more than an id does.
const random = Buffer.alloc(4096)
let randomUsed = random.length

/** So many random bytes, at most 4096, in hexadecimal digits. */
function randomHex(bytes: number): string {
  if (randomUsed + bytes > random.length) {
    randomFillSync(random)
    randomUsed = 0
  }
  return random.toString('hex', randomUsed, (randomUsed += bytes))
}

/** The W3C header `traceparent` of a span, by default of where we are now; undefined outside of any trace. */
export function traceparent(of: Span | undefined = trace.getSpan(context.active())): string | undefined {
  const ids = of?.spanContext()
  if (ids === undefined || ids.traceId === INVALID_TRACEID) return undefined
  return `00-${ids.traceId}-${ids.spanId}-${ids.traceFlags === TraceFlags.NONE ? '00' : ids.traceFlags.toString(16).padStart(2, '0')}`
}

/** The W3C trace headers of where we are now (`traceparent`), to be sent along; empty outside of any trace. */
export function injectTrace(): Record<string, string> {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  return carrier
}

/** What is known of the work under way beside its trace: one per call, event or job, filled in as it becomes known. */
interface Scope {
  familyId: string | undefined
}

const scopeKey = createContextKey('keepsake.scope')
const root = new LinkedContext(ROOT_CONTEXT, createContextKey('keepsake.root'), undefined)

/**
 * Runs `fn` as a continuation of the trace in `carrier`; without one it starts from none. What it does is a piece of work
 * of its own: `setFamily` inside names its family. Returns what `fn` returns.
 */
export function withTrace<T>(carrier: Readonly<Record<string, string | undefined>>, fn: () => T): T {
  const scope: Scope = { familyId: undefined }
  return context.with(propagation.extract(root.setValue(scopeKey, scope), carrier), fn)
}

/** Says whose work this is, as soon as that is known: every line logged in it carries the family's id. */
export function setFamily(familyId: string | undefined): void {
  const scope = context.active().getValue(scopeKey) as Scope | undefined
  if (scope !== undefined) scope.familyId = familyId
}

/** Runs `fn` as work for one family, in the trace we are in. */
export function withFamily<T>(familyId: string, fn: () => T): T {
  const scope: Scope = { familyId }
  return context.with(context.active().setValue(scopeKey, scope), fn)
}

/** Remembers where we are: what is returned runs a function as if it were called here. For frameworks that answer elsewhere. */
export function keepPlace(): <T>(fn: () => T) => T {
  const here = context.active()
  return fn => context.with(here, fn)
}

/** The family whose work this is, where it is known. */
export function currentFamily(): string | undefined {
  return (context.active().getValue(scopeKey) as Scope | undefined)?.familyId
}

/** The ids of the present span, for logs and for people; undefined outside of any trace. */
export function currentTrace(): { traceId: string; spanId: string } | undefined {
  const active = trace.getSpanContext(context.active())
  return active === undefined ? undefined : { traceId: active.traceId, spanId: active.spanId }
}
