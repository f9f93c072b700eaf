import { metrics } from '@keepsake/telemetry'

/** Items rated, each time. */
export const ratedItems = metrics.declare({
  name: 'rating_items_total',
  owner: 'rating',
  kind: 'counter',
  unit: '{item}',
  labels: {},
  help: 'Items rated, each time.',
})

/** Time to rate one batch of one family, asking others counted. */
export const batchSeconds = metrics.declare({
  name: 'rating_batch_seconds',
  owner: 'rating',
  kind: 'histogram',
  unit: 's',
  labels: {},
  help: 'Time to rate one batch of one family, asking others counted.',
})
