import { ValueType, type HrTime } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  DataPointType,
  type DataPoint,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import { collectMetrics, type Series, type Snapshot } from './metrics.js'

/** Our metrics as OpenTelemetry's readers want them, counted since `startedAt` (epoch ms). */
export function metricProducer(resource: Resource, startedAt: number): MetricProducer {
  return {
    collect: async () => {
      const times = { startTime: millisToHrTime(startedAt), endTime: millisToHrTime(Date.now()) }
      const metrics = (await collectMetrics()).map(snapshot => dataOf(snapshot, times))
      return { resourceMetrics: { resource, scopeMetrics: [{ scope: { name: 'keepsake' }, metrics }] }, errors: [] }
    },
  }
}

function dataOf({ declaration, bounds, series }: Snapshot, times: { startTime: HrTime; endTime: HrTime }): MetricData {
  const { name, help, unit, kind, labels } = declaration
  const names = Object.keys(labels)
  const points = <T>(value: (each: Series) => T): DataPoint<T>[] =>
    series.map(each => ({
      ...times,
      attributes: Object.fromEntries(names.map((label, i) => [label, each.values[i] ?? ''])),
      value: value(each),
    }))
  const base = {
    descriptor: { name, description: help, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  switch (kind) {
    case 'counter':
      return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points(each => each.value) }
    case 'gauge':
      return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: points(each => each.value) }
    case 'histogram':
      return {
        ...base,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: points<Histogram>(({ value, counts = [] }) => ({
          buckets: { boundaries: [...bounds], counts: [...counts] },
          sum: value,
          count: counts.reduce((sum, count) => sum + count, 0),
        })),
      }
  }
}
