import { number, optionalText, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** What render reads from its environment, beside what every service reads. */
export const renderOptions = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres, as the role keepsake_render.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'The family service: language, time zone, children, groups, host:port.' }),
  KEEPSAKE_ALBUM_ADDRESS: text({ help: 'The album service: facts, audiences, blocks, host:port.' }),
  KEEPSAKE_INGEST_ADDRESS: text({ help: 'The ingest service: where renditions lie, loudness, host:port.' }),
  KEEPSAKE_FACE_ADDRESS: text({ help: 'The face service: where faces are, host:port.' }),
  KEEPSAKE_RATING_ADDRESS: text({ help: 'The rating service: which items to show, host:port.' }),
  KEEPSAKE_OBJECTS: text({ help: 'Where bytes are kept, for example file:///srv/keepsake/objects.' }),
  KEEPSAKE_OBJECTS_URL_KEY: optionalText({ help: 'Secret of signed URLs; render signs none.' }),
  KEEPSAKE_RENDER_FILMS: number({
    help: 'Films made at the same time; each takes up to 600 MiB and one to two cores.',
    default: 1,
    min: 0,
    max: 64,
  }),
  KEEPSAKE_RENDER_TIMEOUT_MS: number({
    help: 'A film that takes longer is given up.',
    unit: 'ms',
    default: 900_000,
    min: 1000,
    max: 86_400_000,
  }),
  KEEPSAKE_RENDER_LEASE_MS: number({
    help: 'How long a replica that makes a film may be silent before another goes on with it.',
    unit: 'ms',
    default: 15_000,
    min: 200,
    max: 3_600_000,
  }),
  KEEPSAKE_RENDER_SEGMENT_DAYS: number({
    help: 'How long encoded stretches that no film used are kept.',
    unit: 'days',
    default: 30,
    min: 1,
    max: 3650,
  }),
  KEEPSAKE_RENDER_TEMPORARY: optionalText({
    help: 'Folder for unfinished films. Default: the folder for temporary files of the system.',
  }),
})

/** The checked options. */
export type RenderOptions = z.infer<typeof renderOptions>
