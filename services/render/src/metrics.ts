import { metrics } from '@keepsake/telemetry'

/** Wall clock of one film, from choosing its items to its last byte. */
export const filmSeconds = metrics.declare({
  name: 'render_film_seconds',
  owner: 'render',
  kind: 'histogram',
  unit: 's',
  labels: { outcome: ['ready', 'rejected', 'failed', 'stopped'] },
  help: 'Wall clock of one film, from choosing its items to its last byte.',
})

/** Slots of finished films: rendered anew or taken from the cache. */
export const segments = metrics.declare({
  name: 'render_segments_total',
  owner: 'render',
  kind: 'counter',
  unit: '{slot}',
  labels: { how: ['rendered', 'cached'] },
  help: 'Slots of finished films: rendered anew or taken from the cache.',
})
