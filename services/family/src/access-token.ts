import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { errors as jose, jwtVerify, SignJWT, type JWK } from 'jose'
import { errors } from './errors.js'

// Not the audience of identities between services: one kind can never pass as the other.
const audience = 'keepsake-public'
const issuer = 'keepsake-family'
// Good tokens are remembered until they expire (a signature check costs about 200 µs); this bounds the memory to about 2 MB.
const rememberedTokens = 4096

/** Signs and reads the access tokens that clients carry. They name a session; whether it still holds is asked each time. */
export class AccessTokens {
  private readonly good = new Map<string, { sessionId: string; accountId: string; expiresMs: number }>()

  constructor(
    private readonly privateKey: KeyObject,
    private readonly publicKey: KeyObject,
    readonly lifeMinutes: number,
  ) {}

  /** With the service's own Ed25519 key (KEEPSAKE_IDENTITY_PRIVATE_KEY), the same in every replica. */
  static fromEnv(env: Readonly<Record<string, string | undefined>>, lifeMinutes: number): AccessTokens {
    const key = JSON.parse(env['KEEPSAKE_IDENTITY_PRIVATE_KEY'] ?? '') as JWK
    const privateKey = createPrivateKey({ key, format: 'jwk' })
    return new AccessTokens(privateKey, createPublicKey(privateKey), lifeMinutes)
  }

  async sign(sessionId: string, accountId: string, now: Date): Promise<{ token: string; expiresAt: Date }> {
    const issued = Math.floor(now.getTime() / 1000)
    const expires = issued + this.lifeMinutes * 60
    const token = await new SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' })
      .setSubject(accountId)
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(issued)
      .setExpirationTime(expires)
      .sign(this.privateKey)
    return { token, expiresAt: new Date(expires * 1000) }
  }

  /** The session that a token names. Throws TOKEN_EXPIRED or TOKEN_INVALID. */
  async read(token: string, now: Date): Promise<{ sessionId: string; accountId: string }> {
    const known = this.good.get(token)
    if (known !== undefined && known.expiresMs > now.getTime()) return known
    try {
      const { payload } = await jwtVerify(token, this.publicKey, {
        algorithms: ['EdDSA'],
        audience,
        issuer,
        typ: 'at+jwt',
        currentDate: now,
        requiredClaims: ['exp', 'sub', 'sid'],
      })
      const read = { sessionId: String(payload['sid']), accountId: String(payload.sub) }
      if (this.good.size >= rememberedTokens) this.good.clear()
      this.good.set(token, { ...read, expiresMs: (payload.exp ?? 0) * 1000 })
      return read
    } catch (error) {
      throw error instanceof jose.JWTExpired ? errors.tokenExpired() : errors.tokenInvalid()
    }
  }
}
