import { number, optionalText, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** What ingest reads from its environment, beside what every service reads. */
export const ingestOptions = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres, as the role keepsake_ingest.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'The family service: time zones and languages, host:port.' }),
  KEEPSAKE_ALBUM_ADDRESS: text({
    help: 'The album service: told of new items, asked for corrected rotations, host:port.',
  }),
  KEEPSAKE_OBJECTS: text({ help: 'Where bytes are kept, for example file:///srv/keepsake/objects.' }),
  KEEPSAKE_OBJECTS_URL_KEY: optionalText({ help: 'Secret of signed URLs; ingest signs none.' }),
  KEEPSAKE_INGEST_MAX_UPLOAD: number({
    help: 'Largest file that is taken.',
    unit: 'bytes',
    default: 16 * 1024 ** 3,
    min: 1,
    max: 2 ** 50,
  }),
  KEEPSAKE_INGEST_LEASE_MS: number({
    help: 'How long a writer may be silent before another goes on with its upload.',
    unit: 'ms',
    default: 30_000,
    min: 100,
    max: 3_600_000,
  }),
  KEEPSAKE_INGEST_UPLOAD_DAYS: number({
    help: 'How long an unfinished upload is kept after its last byte.',
    unit: 'days',
    default: 7,
    min: 1,
    max: 90,
  }),
  KEEPSAKE_INGEST_SWEEP_MS: number({
    help: 'How often expired uploads and left-over parts are removed.',
    unit: 'ms',
    default: 600_000,
    min: 100,
    max: 86_400_000,
  }),
  KEEPSAKE_INGEST_IMAGE_CHILDREN: number({
    help: 'Processes that decode stills at the same time; 0: as many as cores, at most 4.',
    default: 0,
    min: 0,
    max: 64,
  }),
  KEEPSAKE_INGEST_VIDEO_CHILDREN: number({
    help: 'Processes that work on videos at the same time.',
    default: 1,
    min: 1,
    max: 16,
  }),
})

/** The checked options. */
export type IngestOptions = z.infer<typeof ingestOptions>
