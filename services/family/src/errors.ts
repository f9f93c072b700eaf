import { KeepsakeError } from '@keepsake/rpc'

/** The reasons that this service gives. Stable: clients and the API's documentation name them. */
export const errors = {
  emailTaken: () =>
    new KeepsakeError({
      code: 'ALREADY_EXISTS',
      reason: 'EMAIL_TAKEN',
      message: 'There is an account with this address.',
    }),
  emailInvalid: () =>
    new KeepsakeError({ code: 'INVALID_ARGUMENT', reason: 'EMAIL_INVALID', message: 'This is not an e-mail address.' }),
  passwordWeak: (least: number) =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'PASSWORD_WEAK',
      message: `A password needs at least ${least} characters and must not be the address itself.`,
      details: { least: String(least) },
    }),
  passwordWrong: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'PASSWORD_WRONG',
      message: 'This is not the present password.',
      details: { field: 'currentPassword' },
    }),
  ownerNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'OWNER_NOT_FOUND', message: 'Nobody here has this address.' }),
  erasureNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'ERASURE_NOT_FOUND', message: 'There is no such receipt.' }),
  invalid: (field: string, message: string) =>
    new KeepsakeError({ code: 'INVALID_ARGUMENT', reason: 'INVALID_VALUE', message, details: { field } }),
  wrongCredentials: () =>
    new KeepsakeError({
      code: 'UNAUTHENTICATED',
      reason: 'WRONG_CREDENTIALS',
      message: 'The address or the password is not right.',
    }),
  tooManyAttempts: (retryAfterSeconds: number) =>
    new KeepsakeError({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'TOO_MANY_ATTEMPTS',
      message: 'Too many attempts to sign in. Please wait a few minutes.',
      retryable: true,
      details: { retryAfterSeconds: String(retryAfterSeconds) },
    }),
  tokenInvalid: () =>
    new KeepsakeError({ code: 'UNAUTHENTICATED', reason: 'TOKEN_INVALID', message: 'Please sign in again.' }),
  tokenExpired: () =>
    new KeepsakeError({ code: 'UNAUTHENTICATED', reason: 'TOKEN_EXPIRED', message: 'Please sign in again.' }),
  refreshReused: () =>
    new KeepsakeError({
      code: 'UNAUTHENTICATED',
      reason: 'REFRESH_REUSED',
      message: 'This sign-in was used twice and has been closed for safety. Please sign in again.',
    }),
  familyNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'FAMILY_NOT_FOUND', message: 'There is no such family.' }),
  memberNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'MEMBER_NOT_FOUND', message: 'There is no such member.' }),
  groupNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'GROUP_NOT_FOUND', message: 'There is no such group.' }),
  groupExists: () =>
    new KeepsakeError({ code: 'ALREADY_EXISTS', reason: 'GROUP_EXISTS', message: 'There is a group with this name.' }),
  childNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'CHILD_NOT_FOUND', message: 'There is no such child.' }),
  apiKeyNotFound: () =>
    new KeepsakeError({ code: 'NOT_FOUND', reason: 'API_KEY_NOT_FOUND', message: 'There is no such API key.' }),
  invitationNotFound: () =>
    new KeepsakeError({
      code: 'NOT_FOUND',
      reason: 'INVITATION_NOT_FOUND',
      message: 'This invitation does not exist, was used or has expired.',
    }),
  alreadyMember: () =>
    new KeepsakeError({
      code: 'ALREADY_EXISTS',
      reason: 'ALREADY_MEMBER',
      message: 'You are a member of this family already.',
    }),
  lastParent: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'LAST_PARENT',
      message: 'A family needs at least one parent.',
    }),
  planByOrder: () =>
    new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'PLAN_BY_ORDER',
      message: 'The plan is changed by an order here.',
    }),
  consentTextRequired: () =>
    new KeepsakeError({
      code: 'INVALID_ARGUMENT',
      reason: 'CONSENT_TEXT_REQUIRED',
      message: 'Consent needs the version of the text that was read.',
    }),
  idempotencyMismatch: () =>
    new KeepsakeError({
      code: 'ALREADY_EXISTS',
      reason: 'IDEMPOTENCY_KEY_REUSED',
      message: 'This Idempotency-Key was used for a different request.',
    }),
}
