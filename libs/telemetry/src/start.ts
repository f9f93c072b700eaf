import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import { logLevels, setLogFile, setLogLevel, type LogLevel } from './logger.js'
import { metricProducer } from './otlp-metrics.js'
import { measureProcess } from './process-metrics.js'
import { setExporting } from './trace.js'

/** The telemetry of this process; `shutdown` sends what is left. */
export interface Telemetry {
  shutdown(): Promise<void>
}

/** What a test may hang in. */
export interface TelemetryOptions {
  /** Receives each finished span at once, beside OTLP. */
  readonly spanExporter?: SpanExporter
}

interface Running {
  readonly stop: () => Promise<void>
  users: number
}

// OpenTelemetry's providers are global to a process by design; this is the handle on them.
let running: Running | undefined

/**
 * Starts traces and metrics for this process. Several services in one process share it: the first call decides, the last
 * `shutdown` ends it. Spans are exported only with OTEL_EXPORTER_OTLP_ENDPOINT set (`OTEL_TRACES_SAMPLER_ARG`, 0..1, is
 * the share of traces kept, default 1); otherwise they are ids that join logs, and cost next to nothing.
 * Reads KEEPSAKE_LOG_LEVEL (default info) and KEEPSAKE_LOG_FILE (default: standard output).
 */
export function startTelemetry(
  service: string,
  env: Readonly<Record<string, string | undefined>>,
  options: TelemetryOptions = {},
): Telemetry {
  const wanted = env['KEEPSAKE_LOG_LEVEL']
  if (wanted !== undefined && (logLevels as readonly string[]).includes(wanted)) setLogLevel(wanted as LogLevel)
  if (running === undefined && env['KEEPSAKE_LOG_FILE']) setLogFile(env['KEEPSAKE_LOG_FILE'])
  running ??= start(service, env, options)
  const mine = running
  mine.users++
  let done = false
  return {
    shutdown: async () => {
      if (done) return
      done = true
      if (--mine.users > 0) return
      if (running === mine) running = undefined
      await mine.stop()
    },
  }
}

function start(service: string, env: Readonly<Record<string, string | undefined>>, options: TelemetryOptions): Running {
  const endpoint = env['OTEL_EXPORTER_OTLP_ENDPOINT']?.replace(/\/$/, '')
  const resource = resourceFromAttributes({ 'service.name': `keepsake-${service}`, 'service.namespace': 'keepsake' })
  const spanProcessors: SpanProcessor[] = []
  if (endpoint)
    spanProcessors.push(new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }) }))
  if (options.spanExporter) spanProcessors.push(new SimpleSpanProcessor({ exporter: options.spanExporter }))

  const share = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? '1')
  const root = share >= 1 || Number.isNaN(share) ? new AlwaysOnSampler() : new TraceIdRatioBasedSampler(share)
  const tracer = new TracerProvider({
    resource,
    spanProcessors,
    sampler: spanProcessors.length > 0 ? new ParentBasedSampler({ root }) : new AlwaysOffSampler(),
  })
  const reader = endpoint
    ? new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${endpoint}/v1/metrics` }) })
    : undefined
  const stopMeasuring = measureProcess()
  reader?.setMetricProducer(metricProducer(resource, Date.now()))

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(tracer)
  setExporting(spanProcessors.length > 0)
  return {
    users: 0,
    stop: async () => {
      setExporting(false)
      await Promise.allSettled([tracer.shutdown(), reader?.shutdown()])
      stopMeasuring()
      for (const part of [context, propagation, trace]) part.disable()
    },
  }
}
