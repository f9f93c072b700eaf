import { randomBytes } from 'node:crypto'
import { FamilyServiceService, type Tokens as SessionTokens } from '@keepsake/proto/family/v1'
import { KeepsakeError } from '@keepsake/rpc'
import { Api, type Tokens } from 'keepsake'
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
  const plan = options.plan && { plan: options.plan }
  const ask = (email: string, password: string, more: { newPassword?: boolean; plan?: string } = {}) =>
    family.bootstrap(
      {
        email,
        password,
        newPassword: false,
        familyName: options.family ?? 'Our family',
        timeZone: options.timeZone,
        locale: /^ja/.test(Intl.DateTimeFormat().resolvedOptions().locale) ? 'ja' : 'en',
        ...more,
      },
      { deadlineMs: 20_000 },
    )
  const refuse = (error: unknown): never => {
    if (error instanceof KeepsakeError && error.reason === 'WRONG_CREDENTIALS')
      throw new Sentence(
        `The password in KEEPSAKE_PASSWORD is not the one of ${options.owner ?? 'the owner'} in ${options.home}.`,
        { cause: error },
      )
    if (error instanceof KeepsakeError && ['PASSWORD_WEAK', 'OWNER_NOT_FOUND'].includes(error.reason))
      throw new Sentence(error.message, { cause: error })
    throw error
  }

  const made = randomBytes(12).toString('base64url')
  // Without a password this only looks.
  const wanted = options.password ?? (options.newPassword ? made : '')
  let answer = await ask(options.owner ?? '', wanted, { ...plan, newPassword: options.newPassword }).catch(
    (error: unknown) => {
      // Nobody is there, and no address was given for the first one.
      if (error instanceof KeepsakeError && error.reason === 'EMAIL_INVALID' && options.owner === undefined)
        return undefined
      return refuse(error)
    },
  )
  // Where nobody is there yet, somebody is made.
  if (!answer?.account || !answer.family || !answer.tokens)
    answer = await ask(options.owner ?? defaultOwner, options.password ?? made, { ...plan }).catch(refuse)
  if (options.password === undefined && answer.accountCreated)
    say(`The album's owner is ${answer.account?.email}, with the password ${made} (shown once: keep it).`)
  else if (options.newPassword) {
    const which = options.password === undefined ? `${made} (shown once: keep it)` : 'the one in KEEPSAKE_PASSWORD'
    say(`The new password of ${answer.account?.email} is ${which}. Whoever was signed in has to sign in again.`)
  }
  const { account, family: found, tokens } = answer
  if (!account || !found || !tokens) throw new Sentence('The family service made no owner; see the logs.')
  const api = new Api(album.localUrl, {
    tokens: held(tokens),
    keep: () => undefined, // it lives as long as this run
    // The owner may change the password meanwhile, which ends every sign-in. The plan was set already, and may be another one by now.
    again: async () => {
      const { tokens: others } = await ask(account.email, '')
      return others && held(others)
    },
  })
  return { api, email: account.email, familyId: found.id, familyName: found.name }
}

const held = ({ accessToken, refreshToken, expiresAt }: SessionTokens): Tokens => ({
  accessToken,
  refreshToken,
  expiresAt: expiresAt?.toISOString(),
})
