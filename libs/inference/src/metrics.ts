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

/** Work in a batch. */
export const batchCost = metrics.declare({
  name: 'inference_batch_cost',
  owner: 'inference',
  kind: 'histogram',
  unit: '1',
  labels: { model: models },
  help: 'Work in a batch, in milliseconds of one core as the catalogue states it: beside inference_batch_seconds it tells how fast this machine is.',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
})

/** Part of the last minute in which sessions had something to do. */
export const busyRatio = metrics.declare({
  name: 'inference_busy_ratio',
  owner: 'inference',
  kind: 'gauge',
  unit: '1',
  labels: {},
  help: 'Part of the last minute in which sessions had something to do, 1 when all of them always had.',
})

/** Workers that ended although nobody had told them to. */
export const crashes = metrics.declare({
  name: 'inference_crashes_total',
  owner: 'inference',
  kind: 'counter',
  unit: '{crash}',
  labels: {},
  help: 'Workers that ended although nobody had told them to.',
})

/** How long a model's first run took when it was warmed up. */
export const warmUpSeconds = metrics.declare({
  name: 'inference_warm_up_seconds',
  owner: 'inference',
  kind: 'gauge',
  unit: 's',
  labels: { model: models },
  help: 'How long a model took to be opened and run for the first time, at the last start.',
})

/** Requests that were not run, by reason. */
export const refusals = metrics.declare({
  name: 'inference_refused_total',
  owner: 'inference',
  kind: 'counter',
  unit: '{request}',
  labels: { reason: ['QUEUE_FULL', 'FAMILY_SHARE', 'WAIT_TOO_LONG', 'DEADLINE_TOO_SHORT', 'EXPIRED', 'CANCELLED'] },
  help: 'Requests that were not run, by reason.',
})
