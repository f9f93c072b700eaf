import { metrics } from '@keepsake/telemetry'

/** Time a decoding job waited for a child process. */
export const jobQueueSeconds = metrics.declare({
  name: 'media_job_queue_seconds',
  owner: 'media',
  kind: 'histogram',
  unit: 's',
  labels: { kind: ['image', 'video'] },
  help: 'Time a decoding job waited for a child process.',
})

/** Time of a decoding job in its child process; ended: the child was killed or went by itself. */
export const jobSeconds = metrics.declare({
  name: 'media_job_seconds',
  owner: 'media',
  kind: 'histogram',
  unit: 's',
  labels: { kind: ['image', 'video'], outcome: ['done', 'failed', 'ended'] },
  help: 'Time of a decoding job in its child process; ended: the child was killed or went by itself.',
})
