import { metrics } from '@keepsake/telemetry'

/** Time to find the faces of one item, fetching its picture counted. */
export const detectSeconds = metrics.declare({
  name: 'face_detect_seconds',
  owner: 'face',
  kind: 'histogram',
  unit: 's',
  labels: { kind: ['photo', 'video'], outcome: ['ready', 'failed'] },
  help: 'Time to find the faces of one item, fetching its picture counted.',
})

/** Faces found. */
export const facesFound = metrics.declare({
  name: 'face_faces_total',
  owner: 'face',
  kind: 'counter',
  unit: '{face}',
  labels: {},
  help: 'Faces found.',
})
