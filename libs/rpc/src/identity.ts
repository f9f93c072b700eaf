import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { jwtVerify, SignJWT, type JWK } from 'jose'
import type { AccountCaller, Caller, MemberCaller } from './call.js'
import { KeepsakeError } from './keepsake-error.js'

/** Seconds that an identity lives: long enough for one request and what it starts, short enough to need no revocation list. */
export const identityLifeSeconds = 60

// Clocks of two machines may differ by this much, in seconds.
const clockTolerance = 5
const audience = 'keepsake-internal'
// Verified tokens are remembered (a signature check costs about 100 µs); this bounds the memory to about 2 MB.
const rememberedTokens = 4096

interface Remembered {
  readonly caller: Caller
  /** Epoch milliseconds. */
  readonly until: number
}

const unverified = (cause?: unknown) =>
  new KeepsakeError({
    code: 'UNAUTHENTICATED',
    reason: 'IDENTITY_INVALID',
    message: 'The caller could not be verified.',
    cause,
  })

/**
 * Who this service is, and how it knows who others are: an Ed25519 key of its own and the public keys of all. A key's
 * id is the service's name. A key speaks for its own service only; the key `family` may also speak for people.
 */
export class ServiceIdentity {
  private readonly verified = new Map<string, Remembered>()
  private readonly own = new Map<string, { token: string; until: number }>()
  private readonly people = new Map<string, { token: string; until: number }>()

  constructor(
    readonly service: string,
    private readonly privateKey: KeyObject,
    private readonly publicKeys: ReadonlyMap<string, KeyObject>,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Reads KEEPSAKE_IDENTITY_PRIVATE_KEY (this service's private JWK) and KEEPSAKE_IDENTITY_PUBLIC_KEYS (JWKS, `kid` is the
   * service's name). Throws with the variable's name where one is missing or not a key.
   */
  static fromEnv(service: string, env: Readonly<Record<string, string | undefined>>): ServiceIdentity {
    const read = <T>(name: string, parse: (json: unknown) => T): T => {
      try {
        return parse(JSON.parse(env[name] ?? ''))
      } catch {
        throw new Error(`${name} is missing or not a key set`) // the cause could hold key material
      }
    }
    const privateKey = read('KEEPSAKE_IDENTITY_PRIVATE_KEY', key =>
      createPrivateKey({ key: key as JWK, format: 'jwk' }),
    )
    const publicKeys = read('KEEPSAKE_IDENTITY_PUBLIC_KEYS', set => {
      const { keys } = set as { keys: (JWK & { kid: string })[] }
      return new Map(keys.map(key => [key.kid, createPublicKey({ key, format: 'jwk' })] as const))
    })
    return new ServiceIdentity(service, privateKey, publicKeys)
  }

  /** A token that says: this service, for that family or for none. Kept until half its life is over. */
  forService(familyId?: string): Promise<string> | string {
    const known = this.own.get(familyId ?? '')
    return known !== undefined && known.until > this.now() ? known.token : this.renew(familyId)
  }

  private async renew(familyId: string | undefined): Promise<string> {
    const key = familyId ?? ''
    const token = await this.sign({ kind: 'service', service: this.service, ...(familyId && { familyId }) })
    if (this.own.size >= rememberedTokens) this.own.clear()
    this.own.set(key, { token, until: this.now() + (identityLifeSeconds * 1000) / 2 })
    return token
  }

  /**
   * A token for a person, good for three quarters of its life at least: the same words get the same token for a while, so that its readers need
   * not check it anew. Only the family service's key is believed by others.
   */
  async forPerson(caller: MemberCaller | AccountCaller): Promise<string> {
    const words = JSON.stringify(caller)
    const known = this.people.get(words)
    if (known !== undefined && known.until > this.now()) return known.token
    const token = await this.sign(caller)
    if (this.people.size >= rememberedTokens) this.people.clear()
    this.people.set(words, { token, until: this.now() + (identityLifeSeconds * 1000) / 4 })
    return token
  }

  private sign(caller: Caller): Promise<string> {
    const issued = Math.floor(this.now() / 1000)
    return new SignJWT({ caller })
      .setProtectedHeader({ alg: 'EdDSA', kid: this.service })
      .setIssuedAt(issued)
      .setExpirationTime(issued + identityLifeSeconds)
      .setAudience(audience)
      .sign(this.privateKey)
  }

  /** Who a token speaks for. Throws UNAUTHENTICATED (IDENTITY_INVALID) for a forged, foreign or expired one. */
  verify(token: string): Promise<Caller> | Caller {
    const known = this.verified.get(token)
    return known !== undefined && known.until > this.now() ? known.caller : this.check(token)
  }

  private async check(token: string): Promise<Caller> {
    let kid: string | undefined
    const { payload } = await jwtVerify(
      token,
      header => {
        kid = header.kid
        const key = header.kid === undefined ? undefined : this.publicKeys.get(header.kid)
        if (key === undefined) throw unverified()
        return key
      },
      { algorithms: ['EdDSA'], audience, clockTolerance, currentDate: new Date(this.now()), requiredClaims: ['exp'] },
    ).catch((cause: unknown) => {
      throw unverified(cause)
    })
    const caller = parseCaller(payload['caller'])
    const allowed = caller?.kind === 'service' ? caller.service === kid : caller !== undefined && kid === 'family'
    if (caller === undefined || !allowed) throw unverified()
    if (this.verified.size >= rememberedTokens) this.verified.clear()
    this.verified.set(token, { caller, until: ((payload.exp ?? 0) + clockTolerance) * 1000 })
    return caller
  }
}

function parseCaller(value: unknown): Exclude<Caller, { kind: 'anonymous' }> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const c = value as Record<string, unknown>
  const id = (name: string): name is string => typeof c[name] === 'string' && c[name] !== ''
  const byKey = c['byKey'] === true ? { byKey: true as const } : {}
  if (c['kind'] === 'account' && id('accountId'))
    return { kind: 'account', accountId: c['accountId'] as string, ...byKey }
  if (c['kind'] === 'service' && id('service'))
    return {
      kind: 'service',
      service: c['service'] as string,
      ...(id('familyId') && { familyId: c['familyId'] as string }),
    }
  const role = c['role']
  const groupIds = c['groupIds']
  if (
    c['kind'] === 'member' &&
    id('accountId') &&
    id('familyId') &&
    id('memberId') &&
    (role === 'parent' || role === 'relative') &&
    Array.isArray(groupIds) &&
    groupIds.every(g => typeof g === 'string')
  )
    return {
      kind: 'member',
      accountId: c['accountId'] as string,
      familyId: c['familyId'] as string,
      memberId: c['memberId'] as string,
      role,
      groupIds,
      ...byKey,
    }
  return undefined
}

/** Key pairs for a set of services, as the environment variables that `ServiceIdentity.fromEnv` reads. */
export interface IdentityKeys {
  /** KEEPSAKE_IDENTITY_PUBLIC_KEYS, the same for all. */
  readonly publicKeys: string
  /** KEEPSAKE_IDENTITY_PRIVATE_KEY of each service. */
  readonly privateKeys: Readonly<Record<string, string>>
}

/** Makes fresh keys: for the one-machine run and for tests. */
export function generateIdentityKeys(services: readonly string[]): IdentityKeys {
  const pairs = services.map(service => ({ service, ...generateKeyPairSync('ed25519') }))
  return {
    publicKeys: JSON.stringify({
      keys: pairs.map(({ service, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid: service,
        alg: 'EdDSA',
      })),
    }),
    privateKeys: Object.fromEntries(
      pairs.map(({ service, privateKey }) => [service, JSON.stringify(privateKey.export({ format: 'jwk' }))]),
    ),
  }
}

/** The two identity variables of one service, to be spread into its environment. */
export function identityEnv(keys: IdentityKeys, service: string): Record<string, string> {
  return {
    KEEPSAKE_IDENTITY_PUBLIC_KEYS: keys.publicKeys,
    KEEPSAKE_IDENTITY_PRIVATE_KEY: keys.privateKeys[service] ?? '',
  }
}
