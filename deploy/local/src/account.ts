import { randomBytes } from 'node:crypto'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { KeepsakeError } from '@keepsake/rpc'
import { Api } from 'keepsake'
import type { Album } from './album.js'
import type { Options } from './options.js'
import { Sentence } from './sentence.js'

/** The owner's session at the running album. */
export interface Account {
  api: Api
  email: string
  familyId: string
  familyName: string
}

/** The owner's address where none is given: an account needs one, mail is never sent to it. */
const defaultOwner = 'owner@keepsake.local'

/**
 * The owner and the family: what is there, or made now. A made password is printed, once. Throws a Sentence for a wrong
 * password or an owner that is another one.
 */
export async function openAccount(options: Options, album: Album, say: (line: string) => void): Promise<Account> {
  const family = album.operator(FamilyServiceService, 'family')
  const ask = (email: string, password: string) =>
    family.bootstrap(
      {
        email,
        password,
        familyName: options.family ?? 'Our family',
        timeZone: options.timeZone,
        locale: /^ja/.test(Intl.DateTimeFormat().resolvedOptions().locale) ? 'ja' : 'en',
        ...(options.plan && { plan: options.plan }),
      },
      { deadlineMs: 20_000 },
    )
  const refuse = (error: unknown): never => {
    if (error instanceof KeepsakeError && error.reason === 'WRONG_CREDENTIALS')
      throw new Sentence(
        `The password in KEEPSAKE_PASSWORD is not the one of ${options.owner ?? 'the owner'} in ${options.home}.`,
        { cause: error },
      )
    throw error
  }

  // Without a password this only looks; where nobody is there yet, one is made and shown.
  let answer = await ask(options.owner ?? '', options.password ?? '').catch((error: unknown) => {
    if (
      options.password === undefined &&
      error instanceof KeepsakeError &&
      ['NOT_FOUND', 'INVALID_ARGUMENT', 'FAILED_PRECONDITION'].includes(error.code)
    )
      return undefined
    return refuse(error)
  })
  if (!answer?.account || !answer.family || !answer.tokens) {
    const email = options.owner ?? defaultOwner
    const password = options.password ?? randomBytes(12).toString('base64url')
    answer = await ask(email, password).catch(refuse)
    if (options.password === undefined && answer.accountCreated)
      say(`The album's owner is ${email}, with the password ${password} (shown once: keep it).`)
  }
  const { account, family: found, tokens } = answer
  if (!account || !found || !tokens) throw new Sentence('The family service made no owner; see the logs.')
  const api = new Api(album.localUrl, {
    tokens: {
      accessToken: tokens.accessToken,
      refreshToken: tokens.refreshToken,
      expiresAt: tokens.expiresAt?.toISOString(),
    },
    keep: () => undefined, // it lives as long as this run
  })
  return { api, email: account.email, familyId: found.id, familyName: found.name }
}
