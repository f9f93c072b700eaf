import {
  InMemoryMetricExporter,
  AggregationTemporality,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { describe, expect, test } from 'vitest'
import { declaredMetrics, metrics, metricsTable, metricsText } from './index.js'
import { metricProducer } from './otlp-metrics.js'

const base = { owner: 'test', unit: '1', labels: {}, help: 'A test.' } as const

describe('a declared metric', () => {
  test('counts from zero, so that the first failure is seen as a rise', async () => {
    const lost = metrics.declare({
      ...base,
      name: 'test_lost_total',
      kind: 'counter',
      labels: { state: ['ready', 'failed'], kind: ['photo'] },
    })
    lost.add(2, { state: 'failed', kind: 'photo' })
    const text = await metricsText()
    expect(text).toContain('# HELP test_lost_total A test.\n# TYPE test_lost_total counter\n')
    expect(text).toContain('test_lost_total{state="ready",kind="photo"} 0\n')
    expect(text).toContain('test_lost_total{state="failed",kind="photo"} 2\n')
  })

  test('a histogram counts into cumulative buckets with inclusive bounds', async () => {
    const size = metrics.declare({ ...base, name: 'test_size_bytes', unit: 'By', kind: 'histogram', buckets: [1, 10] })
    for (const value of [1, 2, 10, 11]) size.record(value, {})
    expect(await metricsText()).toContain(
      'test_size_bytes_bucket{le="1"} 1\ntest_size_bytes_bucket{le="10"} 3\ntest_size_bytes_bucket{le="+Inf"} 4\ntest_size_bytes_sum 24\ntest_size_bytes_count 4\n',
    )
  })

  test('a recorder counts into the same series as its labels do', async () => {
    const age = metrics.declare({
      ...base,
      name: 'test_age_seconds',
      unit: 's',
      kind: 'histogram',
      labels: { kind: 'a few words' },
      buckets: [1],
    })
    const record = age.recorder({ kind: 'old' })
    age.record(2, { kind: 'old' })
    record(0.5)
    record(3)
    age.record(1, { kind: 'new' })
    const text = await metricsText()
    expect(text).toContain('test_age_seconds_bucket{kind="old",le="1"} 1\n')
    expect(text).toContain('test_age_seconds_sum{kind="old"} 5.5\ntest_age_seconds_count{kind="old"} 3\n')
    expect(text).toContain('test_age_seconds_count{kind="new"} 1\n')
  })

  test('a gauge that is read shows what is so now, and nothing once it is stopped or fails', async () => {
    const depth = metrics.declare({ ...base, name: 'test_depth', kind: 'gauge', labels: { queue: ['a', 'b'] } })
    const stop = depth.observe(async set => set(3, { queue: 'a' }))
    depth.observe(set => {
      set(1, { queue: 'b' })
      throw new Error('the database is away')
    })
    expect(await metricsText()).toContain('# TYPE test_depth gauge\ntest_depth{queue="a"} 3\n')
    stop()
    expect(await metricsText()).not.toContain('test_depth{')
  })

  test('a label that grows without bound ends in one series, and quotes are escaped', async () => {
    const odd = metrics.declare({ ...base, name: 'test_odd_total', kind: 'counter', labels: { word: 'a few words' } })
    odd.add(1, { word: 'say "hi"\n' })
    for (let i = 0; i < 2000; i++) odd.add(1, { word: String(i) })
    const lines = (await metricsText()).split('\n').filter(line => line.startsWith('test_odd_total'))
    expect(lines).toHaveLength(1001)
    expect(lines[0]).toBe(String.raw`test_odd_total{word="say \"hi\"\n"} 1`)
    expect(lines).toContain('test_odd_total{word="other"} 1001')
  })

  test.each([
    [{ name: 'test_waited', unit: 's', kind: 'histogram' }, /is called _seconds/],
    [{ name: 'test_waited_seconds', unit: '1', kind: 'gauge' }, /another unit/],
    [{ name: 'test_done', kind: 'counter' }, /_total/],
    [{ name: 'test_now_total', kind: 'gauge' }, /_total/],
    [{ name: 'other_done_total', kind: 'counter' }, /begin with test_/],
    [{ name: 'test_a_total', kind: 'counter', unit: 'ms' }, /the unit ms/],
    [{ name: 'test_a_total', kind: 'counter', labels: { family_id: 'families' } }, /the label family_id/],
    [{ name: 'test_a_total', kind: 'counter', help: 'things' }, /sentence/],
  ] as const)('%j is refused', (wrong, why) => {
    expect(() => metrics.declare({ ...base, ...wrong } as never)).toThrow(why)
  })

  test('one name is one metric', () => {
    metrics.declare({ ...base, name: 'test_twice_total', kind: 'counter' })
    expect(() => metrics.declare({ ...base, name: 'test_twice_total', kind: 'counter' })).toThrow('twice')
  })

  test('it is listed with its owner, and the table shows it', () => {
    const declaration = { ...base, name: 'test_listed_total', kind: 'counter', labels: { how: ['a', 'b'] } } as const
    metrics.declare(declaration)
    expect(declaredMetrics()).toContainEqual(declaration)
    expect(metricsTable([declaration])).toContain('| `test_listed_total` | counter | 1 | `how`: a, b | A test. |')
  })
})

test('OTLP gets the same metrics', async () => {
  const films = metrics.declare({ ...base, name: 'test_films_total', kind: 'counter' })
  const took = metrics.declare({ ...base, name: 'test_took_seconds', unit: 's', kind: 'histogram', buckets: [1] })
  films.add(3, {})
  took.record(2, {})
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter })
  reader.setMetricProducer(metricProducer(resourceFromAttributes({}), Date.now()))
  await reader.forceFlush()
  const sent = exporter.getMetrics().flatMap(each => each.scopeMetrics.flatMap(scope => scope.metrics))
  await reader.shutdown()
  expect(sent.find(each => each.descriptor.name === 'test_films_total')).toMatchObject({
    isMonotonic: true,
    dataPoints: [{ value: 3 }],
  })
  expect(sent.find(each => each.descriptor.name === 'test_took_seconds')?.dataPoints[0]?.value).toEqual({
    buckets: { boundaries: [1], counts: [0, 1] },
    sum: 2,
    count: 1,
  })
})
