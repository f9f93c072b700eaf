import { metrics } from '@keepsake/telemetry'

/** Time that work on one item took, waiting for its turn not counted. */
export const workSeconds = metrics.declare({
  name: 'ingest_work_seconds',
  owner: 'ingest',
  kind: 'histogram',
  unit: 's',
  labels: { kind: ['photo', 'video', 'live'], outcome: ['ready', 'failed'] },
  help: 'Time that work on one item took, waiting for its turn not counted.',
})

/** Time that one item waited for its turn. */
export const turnSeconds = metrics.declare({
  name: 'ingest_turn_seconds',
  owner: 'ingest',
  kind: 'histogram',
  unit: 's',
  labels: { kind: ['photo', 'video', 'live'] },
  help: 'Time that one item waited for its turn.',
})
