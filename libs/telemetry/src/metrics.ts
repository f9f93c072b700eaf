import {
  metrics as api,
  type Counter as OtelCounter,
  type Gauge as OtelGauge,
  type Histogram as OtelHistogram,
} from '@opentelemetry/api'

/** A metric as it is declared: once, with unit, labels and help. */
export interface MetricDeclaration<K extends 'counter' | 'histogram' | 'gauge', L extends string> {
  /** snake_case without unit suffix: `rpc_calls`, `ingest_duration`. */
  readonly name: string
  readonly kind: K
  /** UCUM: `s`, `By`, `1`, `{item}`. */
  readonly unit: string
  /** The only labels that may be recorded. Never an id: a label's values must be few. */
  readonly labels: readonly L[]
  readonly help: string
  /** Upper bounds of a histogram's buckets in its unit. Default for seconds: 1 ms to 60 s. */
  readonly buckets?: readonly number[]
}

type Labels<L extends string> = Readonly<Record<L, string | number | boolean>>

/** A number that only grows. */
export interface Counter<L extends string> {
  add(value: number, labels: Labels<L>): void
}

/** A distribution. */
export interface Histogram<L extends string> {
  record(value: number, labels: Labels<L>): void
}

/** A number as it stands now. */
export interface Gauge<L extends string> {
  set(value: number, labels: Labels<L>): void
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

function declare<const L extends string>(declaration: MetricDeclaration<'counter', L>): Counter<L>
function declare<const L extends string>(declaration: MetricDeclaration<'histogram', L>): Histogram<L>
function declare<const L extends string>(declaration: MetricDeclaration<'gauge', L>): Gauge<L>
function declare<const L extends string>(
  declaration: MetricDeclaration<'counter' | 'histogram' | 'gauge', L>,
): Counter<L> | Histogram<L> | Gauge<L> {
  const { name, kind, unit, help } = declaration
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`metric name ${name} is not snake_case`)
  // The instrument is looked up lazily: declarations are module constants, telemetry starts later. The API has no proxy
  // for instruments, so one that was made before the start would record nothing for ever.
  let provider: unknown
  let instrument: OtelCounter | OtelHistogram | OtelGauge | undefined
  const current = <T>(make: (meter: ReturnType<typeof api.getMeter>) => T): T => {
    const now = api.getMeterProvider()
    if (provider !== now || instrument === undefined) {
      provider = now
      instrument = make(api.getMeter('keepsake')) as OtelCounter | OtelHistogram | OtelGauge
    }
    return instrument as T
  }
  const options = { description: help, unit }
  if (kind === 'counter')
    return { add: (value, labels) => current(m => m.createCounter(name, options)).add(value, labels) }
  if (kind === 'gauge')
    return { set: (value, labels) => current(m => m.createGauge(name, options)).record(value, labels) }
  const buckets = declaration.buckets ?? (unit === 's' ? secondsBuckets : undefined)
  const advice = buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } }
  return {
    record: (value, labels) => current(m => m.createHistogram(name, { ...options, ...advice })).record(value, labels),
  }
}

/** Declares metrics: `metrics.declare({ name, kind, unit, labels, help })`. */
export const metrics = { declare }
