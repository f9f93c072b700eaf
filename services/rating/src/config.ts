import { number, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** What rating reads from its environment, beside what every service reads. */
export const ratingConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_rating.' }),
  KEEPSAKE_ALBUM_ADDRESS: text({ help: 'The album service: facts, favourites, comments, blocks, host:port.' }),
  KEEPSAKE_INGEST_ADDRESS: text({ help: 'The ingest service: quality and near duplicates, host:port.' }),
  KEEPSAKE_FACE_ADDRESS: text({ help: 'The face service: smiles, eyes, sharpness, host:port.' }),
  KEEPSAKE_CLUSTER_ADDRESS: text({ help: 'The cluster service: who is on it, host:port.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'The family service: members and their groups, host:port.' }),
  KEEPSAKE_RATING_QUIET_MS: number({
    help: 'How long a change waits for further ones before items are rated again.',
    unit: 'ms',
    default: 250,
    min: 0,
    max: 60_000,
  }),
})
