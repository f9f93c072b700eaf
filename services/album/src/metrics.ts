import { metrics } from '@keepsake/telemetry'

/** Items written to the catalogue, by the state in which they came; once for each state. */
export const catalogued = metrics.declare({
  name: 'album_catalogued_total',
  owner: 'album',
  kind: 'counter',
  unit: '{item}',
  labels: { state: ['pending', 'ready', 'failed'] },
  help: 'Items written to the catalogue, by the state in which they came; once for each state.',
})
