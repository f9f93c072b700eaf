import { flag, number, secret } from '@keepsake/config'
import { z } from 'zod'

/** The options of the family service. */
export const familyConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({ help: 'Postgres as the role keepsake_family.' }),
  KEEPSAKE_ACCESS_TOKEN_MINUTES: number({
    help: 'How long an access token is good for.',
    unit: 'minutes',
    default: 15,
    min: 1,
    max: 1440,
  }),
  KEEPSAKE_SESSION_DAYS: number({
    help: 'How long a sign-in lasts without being used.',
    unit: 'days',
    default: 60,
    min: 1,
    max: 3650,
  }),
  KEEPSAKE_ERASURE_OVERDUE_SECONDS: number({
    help: 'After this time without all reports the owners of an erasure are asked again.',
    unit: 's',
    default: 120,
    min: 1,
    max: 86_400,
  }),
  KEEPSAKE_ERASURE_SWEEP_SECONDS: number({
    help: 'How often overdue erasures are looked for.',
    unit: 's',
    default: 60,
    min: 1,
    max: 86_400,
  }),
  KEEPSAKE_PLAN_SETTABLE: flag({
    help: 'Whether a parent may set the plan without an order (a family on its own machine).',
    default: false,
  }),
})

/** The options as read. */
export type FamilyConfig = z.infer<typeof familyConfig>
