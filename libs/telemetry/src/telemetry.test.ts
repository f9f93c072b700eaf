import { InMemorySpanExporter } from '@opentelemetry/sdk-trace'
import { afterEach, expect, test } from 'vitest'
import {
  currentTrace,
  injectTrace,
  metrics,
  metricsText,
  span,
  startTelemetry,
  withTrace,
  type Telemetry,
} from './index.js'

const exporter = new InMemorySpanExporter()
let telemetry: Telemetry | undefined
afterEach(async () => {
  await telemetry?.shutdown()
  exporter.reset()
})

test('spans on both sides of a carrier are one trace, with the error on the one that failed', async () => {
  telemetry = startTelemetry('test', {}, { spanExporter: exporter })
  let carrier: Record<string, string> = {}
  await span('publish', async () => {
    carrier = injectTrace()
  })
  await expect(
    withTrace(carrier, () =>
      span('consume', async () => {
        throw new TypeError('no')
      }),
    ),
  ).rejects.toThrow('no')
  const [publish, consume] = exporter.getFinishedSpans()
  expect(consume?.parentSpanContext?.spanId).toBe(publish?.spanContext().spanId)
  expect(consume?.spanContext().traceId).toBe(publish?.spanContext().traceId)
  expect(consume?.status.message).toBe('TypeError')
})

test('without an exporter a trace still has one id everywhere', async () => {
  telemetry = startTelemetry('test', {})
  await span('a', async () => {
    const outer = currentTrace()
    expect(outer?.traceId).toMatch(/^[0-9a-f]{32}$/)
    const inner = await withTrace(injectTrace(), () => span('b', async () => currentTrace()))
    expect(inner?.traceId).toBe(outer?.traceId)
  })
})

test('a metric that was declared before the start is in the text after it', async () => {
  const photos = metrics.declare({ name: 'photos', kind: 'counter', unit: '1', labels: ['state'], help: 'Photos.' })
  const size = metrics.declare({ name: 'photo_size', kind: 'histogram', unit: 'By', labels: [], help: 'Sizes.' })
  photos.add(1, { state: 'lost' }) // before the start: nobody counts
  telemetry = startTelemetry('test', {})
  photos.add(2, { state: 'ready' })
  size.record(10, {})
  const text = await metricsText()
  expect(text).toMatch(/photos_total\{state="ready"\} 2/)
  expect(text).not.toContain('lost')
  expect(text).toContain('photo_size')
})
