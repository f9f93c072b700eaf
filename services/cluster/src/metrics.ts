import { metrics } from '@keepsake/telemetry'

/** Time from reading a family to its people being stored. */
export const runSeconds = metrics.declare({
  name: 'cluster_run_seconds',
  owner: 'cluster',
  kind: 'histogram',
  unit: 's',
  labels: { reason: ['change', 'correction'] },
  help: 'Time from reading a family to its people being stored.',
})
