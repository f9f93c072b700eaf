import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that this service gives. Stable: clients and the API's documentation name them. */
export const errors = {
  tooMany: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'TOO_MANY_IDS',
      message: `At most ${most} ids at a time.`,
      details: { most: String(most) },
    }),
  countInvalid: (most: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'COUNT_INVALID',
      message: `Choose between 1 and ${most} items.`,
      details: { most: String(most) },
    }),
  periodInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'PERIOD_INVALID',
      message: 'The period ends before it begins.',
    }),
  audienceInvalid: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'AUDIENCE_INVALID',
      message: 'An audience is everyone, parents, groups or members with their ids.',
    }),
}
