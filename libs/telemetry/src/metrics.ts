/** What a metric measures. A gauge is a number as it stands now. */
export type MetricKind = 'counter' | 'histogram' | 'gauge'

/**
 * The values of a label: a list of all of them, or a sentence that says what bounds them ("the methods of the proto
 * files"). Never an id, a name or anything else that grows with the families.
 */
export type LabelValues = readonly string[] | string

/** The labels of a metric. */
export type LabelSchema = Readonly<Record<string, LabelValues>>

/** A metric as it is declared: once, in the `metrics.ts` of its owner. METRICS.md is made of these. */
export interface MetricDeclaration<K extends MetricKind = MetricKind, S extends LabelSchema = LabelSchema> {
  /** As Prometheus shows it: `OWNER_what_UNIT`, `_total` at the end of a counter. */
  readonly name: string
  /** The library or service that records it; the first word of the name. `process` belongs to libs/telemetry. */
  readonly owner: string
  readonly kind: K
  /** UCUM: `s` (the name says `_seconds`), `By` (`_bytes`), `1` and `{item}` (nothing). */
  readonly unit: string
  /** The only labels that may be recorded. */
  readonly labels: S
  readonly help: string
  /** Upper bounds of a histogram's buckets in its unit. Default for seconds: 1 ms to 60 s. */
  readonly buckets?: readonly number[]
  /** Where it is recorded only in some runs: which. */
  readonly only?: string
}

/** Values for the labels of a declaration. */
export type Labels<S extends LabelSchema> = {
  readonly [L in keyof S]: S[L] extends readonly (infer V)[] ? V : string | number
}

/** A number that only grows. */
export interface Counter<S extends LabelSchema> {
  add(value: number, labels: Labels<S>): void
}

/** A distribution. */
export interface Histogram<S extends LabelSchema> {
  record(value: number, labels: Labels<S>): void
  /** `record` for one set of labels that is looked up once: for what is recorded with every call. */
  recorder(labels: Labels<S>): (value: number) => void
}

/** A number as it stands now. */
export interface Gauge<S extends LabelSchema> {
  set(value: number, labels: Labels<S>): void
  /**
   * `read` sets values each time that somebody looks; they are gone when it is stopped by what is returned. What several
   * readers set for the same labels is added.
   */
  observe(read: (set: Gauge<S>['set']) => void | Promise<void>): () => void
}

/** What a metric holds for one set of label values. */
export interface Series {
  /** In the order of the declaration's labels. */
  readonly values: readonly string[]
  /** A counter's or gauge's number, a histogram's sum. */
  value: number
  /** Of a histogram: how many fell into each bucket, the last one above all bounds. */
  readonly counts?: number[]
}

/** A metric and what it holds now. */
export interface Snapshot {
  readonly declaration: MetricDeclaration
  /** Of a histogram. */
  readonly bounds: readonly number[]
  readonly series: readonly Series[]
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** A set of labels beyond so many is counted under `other`: a mistake in a label must not eat the memory. */
const mostSeries = 1000
const separator = '\u0000'
/** How long a gauge's reader may take, ms. */
const readWithinMs = 2000

/**
 * One declared metric. Ours instead of OpenTelemetry's instruments, because those sort and hash a set of attributes for
 * each value, record nothing that comes before the start, and do not show a counter that has not counted yet.
 */
class Metric {
  private readonly names: readonly string[]
  private readonly held = new Map<string, Series>()
  private readonly readers = new Set<(set: (value: number, labels: Labels<LabelSchema>) => void) => unknown>()
  readonly bounds: readonly number[]

  constructor(readonly declaration: MetricDeclaration) {
    const { name, kind, unit, labels, buckets } = declaration
    this.names = Object.keys(labels)
    this.bounds = kind === 'histogram' ? (buckets ?? (unit === 's' ? secondsBuckets : [])) : []
    if (kind === 'histogram' && this.bounds.length === 0) throw new Error(`the metric ${name} needs buckets`)
    // An alert on the rate of a failure needs the zero before the first one.
    if (kind === 'counter') for (const each of combinations(labels)) this.series(each)
  }

  add(value: number, labels: Labels<LabelSchema>): void {
    this.seriesOf(labels).value += value
  }

  record(value: number, labels: Labels<LabelSchema>): void {
    this.recordIn(this.seriesOf(labels), value)
  }

  recorder(labels: Labels<LabelSchema>): (value: number) => void {
    const series = this.seriesOf(labels)
    return value => this.recordIn(series, value)
  }

  private recordIn(series: Series, value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    series.value += value
    if (series.counts !== undefined) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
  }

  set(value: number, labels: Labels<LabelSchema>): void {
    this.seriesOf(labels).value = value
  }

  observe(read: (set: (value: number, labels: Labels<LabelSchema>) => void) => unknown): () => void {
    this.readers.add(read)
    return () => void this.readers.delete(read)
  }

  /** What it holds now; a reader that fails or takes too long adds nothing. */
  async collect(): Promise<Snapshot> {
    const { declaration, bounds } = this
    const read = await Promise.all(
      [...this.readers].map(async reader => {
        const found: Series[] = []
        const reading = (async () =>
          reader((value, labels) => {
            found.push({ values: this.names.map(name => String(labels[name])), value })
          }))()
        return (await within(reading, readWithinMs)) ? found : []
      }),
    )
    return { declaration, bounds, series: [...this.held.values(), ...added(read.flat())] }
  }

  private seriesOf(labels: Labels<LabelSchema>): Series {
    const { names } = this
    let key = ''
    for (const name of names) key += String(labels[name]) + separator
    return this.held.get(key) ?? this.series(names.map(name => String(labels[name])))
  }

  private series(values: readonly string[]): Series {
    const kept = this.held.size < mostSeries ? values : values.map(() => 'other')
    const key = kept.map(value => value + separator).join('')
    const known = this.held.get(key)
    if (known !== undefined) return known
    const counts =
      this.declaration.kind === 'histogram' ? { counts: new Array<number>(this.bounds.length + 1).fill(0) } : {}
    const made = { values: kept, value: 0, ...counts }
    this.held.set(key, made)
    return made
  }
}

/** What several readers said of the same labels is one number, their sum: two pools of one role have their connections together. */
function added(found: readonly Series[]): Series[] {
  const sums = new Map<string, Series>()
  for (const { values, value } of found) {
    const key = values.join(separator)
    const before = sums.get(key)?.value ?? 0
    sums.set(key, { values, value: before + value })
  }
  return [...sums.values()]
}

/** Every set of values of labels that list theirs; none where one does not. */
function combinations(labels: LabelSchema): string[][] {
  return Object.values(labels).reduce<string[][]>(
    (sets, values) => (typeof values === 'string' ? [] : sets.flatMap(set => values.map(value => [...set, value]))),
    [[]],
  )
}

/** Whether a promise resolves in time. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => (timer = setTimeout(resolve, ms, false)))
  const done = work.then(
    () => true,
    () => false,
  )
  return Promise.race([done, late]).finally(() => clearTimeout(timer))
}

// What a process measures is the process's, whichever services it holds.
const declared = new Map<string, Metric>()

function declare<const S extends LabelSchema>(declaration: MetricDeclaration<'counter', S>): Counter<S>
function declare<const S extends LabelSchema>(declaration: MetricDeclaration<'histogram', S>): Histogram<S>
function declare<const S extends LabelSchema>(declaration: MetricDeclaration<'gauge', S>): Gauge<S>
function declare(declaration: MetricDeclaration): unknown {
  const { name } = declaration
  const wrong = flaws(declaration)
  if (wrong.length > 0) throw new Error(`the metric ${name} is not declared well: ${wrong.join('; ')}`)
  if (declared.has(name)) throw new Error(`the metric ${name} is declared twice`)
  const metric = new Metric(declaration)
  declared.set(name, metric)
  return metric
}

const suffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }

/** What a declaration does not keep of the conventions of OpenTelemetry and Prometheus, and of ours. */
function flaws({ name, owner, kind, unit, labels, help }: MetricDeclaration): string[] {
  const bare = name.replace(/_total$/, '')
  const suffix = suffixes[unit]
  return [
    /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/.test(name) || 'the name is not snake_case',
    name.startsWith(`${owner}_`) || `the name does not begin with ${owner}_`,
    name.endsWith('_total') === (kind === 'counter') || 'counters, and they alone, end with _total',
    suffix !== undefined || unit === '1' || /^\{[a-z]+\}$/.test(unit) || `the unit ${unit} is not s, By, 1 or {thing}`,
    suffix === undefined || bare.endsWith(suffix) || `a metric in ${unit} is called ${suffix}`,
    suffix !== undefined || !/_(seconds|bytes)$/.test(bare) || `the name says another unit than ${unit}`,
    /^[A-Z].*\.$/s.test(help) || 'the help is not a sentence',
    ...Object.keys(labels).map(label =>
      /^[a-z][a-z_]*$/.test(label) && !/(^|_)(id|email|name|path|url)$/.test(label) ? true : `the label ${label}`,
    ),
  ].filter(each => typeof each === 'string')
}

/** Declares metrics: `metrics.declare({ name, owner, kind, unit, labels, help })`. */
export const metrics = { declare }

/** Every declaration of the modules that this process has loaded, by name. */
export function declaredMetrics(): MetricDeclaration[] {
  return [...declared.values()]
    .map(metric => metric.declaration)
    .sort((a, b) => (a.owner + a.name < b.owner + b.name ? -1 : 1))
}

/** What every metric of this process holds now. */
export function collectMetrics(): Promise<Snapshot[]> {
  return Promise.all([...declared.values()].map(metric => metric.collect()))
}
