import { number, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** The options of the face service. */
export const faceConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_face.' }),
  KEEPSAKE_INGEST_ADDRESS: text({ help: 'Where ingest answers, host:port.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'Where family answers, host:port.' }),
  KEEPSAKE_MODELS_DIR: text({ help: 'The folder that `npm run models` fills.' }),
  KEEPSAKE_FACE_WORKERS: number({
    help: 'Inference threads; 0 is one for each core.',
    unit: 'threads',
    default: 0,
    min: 0,
    max: 64,
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
