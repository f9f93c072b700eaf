import { number, optionalText, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** What cluster reads from its environment, beside what every service reads. */
export const clusterConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_cluster.' }),
  KEEPSAKE_FACE_ADDRESS: text({ help: 'The face service: faces with their embeddings, host:port.' }),
  KEEPSAKE_ALBUM_ADDRESS: text({ help: 'The album service: capture times and audiences, host:port.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'The family service: children and consent, host:port.' }),
  KEEPSAKE_CLUSTER_MEANS: optionalText({
    help: 'File of mean embeddings per age group; the shipped one where absent.',
  }),
  KEEPSAKE_CLUSTER_QUIET_MS: number({
    help: 'How long a family must be quiet before its people are sorted again.',
    unit: 'ms',
    default: 400,
    min: 0,
    max: 60_000,
  }),
  KEEPSAKE_CLUSTER_LONGEST_WAIT_MS: number({
    help: 'After so long they are sorted although the family is not quiet.',
    unit: 'ms',
    default: 3_000,
    min: 0,
    max: 600_000,
  }),
})
