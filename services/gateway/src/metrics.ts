import { metrics } from '@keepsake/telemetry'

/** Time from a public request to its answer. */
export const requestSeconds = metrics.declare({
  name: 'gateway_request_seconds',
  owner: 'gateway',
  kind: 'histogram',
  unit: 's',
  labels: { route: 'the paths of the public API', method: 'the methods of HTTP', status: 'the statuses of HTTP' },
  help: 'Time from a public request to its answer.',
})

/** Bytes of originals that were taken in. */
export const uploadBytes = metrics.declare({
  name: 'gateway_upload_bytes_total',
  owner: 'gateway',
  kind: 'counter',
  unit: 'By',
  labels: {},
  help: 'Bytes of originals that were taken in.',
})

/** Open streams of live events. */
export const liveStreams = metrics.declare({
  name: 'gateway_live_streams',
  owner: 'gateway',
  kind: 'gauge',
  unit: '{stream}',
  labels: {},
  help: 'Open streams of live events.',
})
