import { number, secret, text } from '@keepsake/config'
import { z } from 'zod'

/** The options of album. */
export const albumConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_album.' }),
  KEEPSAKE_FAMILY_ADDRESS: text({ help: 'Where family answers, host:port.' }),
  KEEPSAKE_INGEST_ADDRESS: text({ help: 'Where ingest answers, host:port.' }),
  KEEPSAKE_CLUSTER_ADDRESS: text({ help: 'Where cluster answers, host:port.' }),
  KEEPSAKE_TRASH_DAYS: number({
    help: 'How long deleted items can be restored.',
    unit: 'days',
    default: 30,
    min: 0,
    max: 3650,
  }),
  KEEPSAKE_TRASH_SWEEP_MINUTES: number({
    help: 'How often the trash is looked through for items whose time is over.',
    unit: 'minutes',
    default: 60,
    min: 1,
    max: 1440,
  }),
})
