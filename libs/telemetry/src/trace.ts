import {
  context,
  createContextKey,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Span,
} from '@opentelemetry/api'

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
 * rejects. Everything started inside (calls, events, logs) joins the same trace.
 */
export function span<T>(
  name: string,
  fn: (span: Span) => Promise<T>,
  attributes: SpanAttributes = {},
  role: SpanRole = 'internal',
): Promise<T> {
  if (!exporting) return unseen(fn)
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
 * is asked each time whether to drop it.
 */
function unseen<T>(fn: (span: Span) => Promise<T>): Promise<T> {
  const here = context.active()
  const around = trace.getSpan(here)
  if (around !== undefined) return fn(around)
  const ids = { traceId: hex(32), spanId: hex(16), traceFlags: TraceFlags.NONE }
  const first = trace.wrapSpanContext(ids)
  return context.with(trace.setSpan(here, first), fn, undefined, first)
}

/** So many random hexadecimal digits, a multiple of eight; the first is never 0: ids of zeros alone are not valid. They protect nothing. */
function hex(digits: number): string {
  let text = Math.floor(0x10000000 + Math.random() * 0xf0000000).toString(16)
  while (text.length < digits)
    text += Math.floor(Math.random() * 0x100000000)
      .toString(16)
      .padStart(8, '0')
  return text
}

/** The W3C header `traceparent` of where we are now; undefined outside of any trace. */
export function traceparent(): string | undefined {
  const here = trace.getSpanContext(context.active())
  if (here === undefined || !isSpanContextValid(here)) return undefined
  return `00-${here.traceId}-${here.spanId}-${here.traceFlags.toString(16).padStart(2, '0')}`
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

/**
 * Runs `fn` as a continuation of the trace in `carrier`; without one it starts from none. What it does is a piece of work
 * of its own: `setFamily` inside names its family. Returns what `fn` returns.
 */
export function withTrace<T>(carrier: Readonly<Record<string, string | undefined>>, fn: () => T): T {
  const scope: Scope = { familyId: undefined }
  return context.with(propagation.extract(ROOT_CONTEXT.setValue(scopeKey, scope), carrier), fn)
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
