import { choice, number, secret, text } from '@keepsake/config'
import { PROVIDERS } from '@keepsake/inference'
import { z } from 'zod'

/** The options of the face service. */
export const faceConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_face.' }),
  KEEPSAKE_INGEST_ADDRESS: text({ help: 'Where ingest answers, host:port.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'Where family answers, host:port.' }),
  KEEPSAKE_MODELS_DIR: text({ help: 'The folder that `npm run models` fills.' }),
  KEEPSAKE_INFERENCE_PROVIDER: choice(PROVIDERS, {
    help: 'Where models are computed; the service does not start where that cannot be done.',
    default: 'cpu',
  }),
  KEEPSAKE_FACE_WORKERS: number({
    help: 'Inference threads; 0 is one for each core. On a GPU: processes, 0 is one.',
    unit: 'threads',
    default: 0,
    min: 0,
    max: 64,
  }),
  KEEPSAKE_FACE_IMAGE_CHILDREN: number({
    help: 'Processes that decode stills; 0 is one for every four cores, on a GPU one for each core, and in both cases at most 4.',
    unit: 'processes',
    default: 0,
    min: 0,
    max: 64,
  }),
  KEEPSAKE_FACE_DETECTOR: choice(['union', 'pyramid'], {
    help: 'What looks for faces: two networks together, or one over five sizes of the picture. services/face/README.md compares them.',
    default: 'union',
  }),
  KEEPSAKE_FACE_IDLE_MS: number({
    help: 'Time without work after which models and decoders give their memory back.',
    unit: 'ms',
    default: 15_000,
    min: 100,
    max: 3_600_000,
  }),
})

/** The options as read. */
export type FaceConfig = z.infer<typeof faceConfig>
