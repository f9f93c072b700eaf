import { metrics } from '@keepsake/telemetry'

const models = 'the models of the catalogue'

/** Time a request waited before its batch began. */
export const queueSeconds = metrics.declare({
  name: 'inference_queue_seconds',
  owner: 'inference',
  kind: 'histogram',
  unit: 's',
  labels: { model: models, lane: ['interactive', 'backfill'] },
  help: 'Time a request waited before its batch began.',
})

/** Pictures in a batch. */
export const batchRows = metrics.declare({
  name: 'inference_batch_rows',
  owner: 'inference',
  kind: 'histogram',
  unit: '{picture}',
  labels: { model: models },
  help: 'Pictures in a batch.',
  buckets: [1, 2, 4, 8, 16, 32],
})

/** Time a batch took in its worker, opening the model not counted. */
export const batchSeconds = metrics.declare({
  name: 'inference_batch_seconds',
  owner: 'inference',
  kind: 'histogram',
  unit: 's',
  labels: { model: models },
  help: 'Time a batch took in its worker, opening the model not counted.',
})

/** Requests that were not run, by reason. */
export const refusals = metrics.declare({
  name: 'inference_refused_total',
  owner: 'inference',
  kind: 'counter',
  unit: '{request}',
  labels: { reason: ['QUEUE_FULL', 'DEADLINE_TOO_SHORT', 'EXPIRED'] },
  help: 'Requests that were not run, by reason.',
})
