import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/**
 * Closes what must be answered again but must not be read in the database: secrets in the answers to repeated calls. The key comes from the
 * service's own private key, which every replica has and no database, and from what only the caller knows.
 */
export class Seal {
  readonly #key: Buffer

  constructor(secret: Buffer) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'keepsake family answers', 32))
  }

  /** With the service's own key (KEEPSAKE_IDENTITY_PRIVATE_KEY), the same in every replica. */
  static fromEnv(env: Readonly<Record<string, string | undefined>>): Seal {
    const { d } = JSON.parse(env['KEEPSAKE_IDENTITY_PRIVATE_KEY'] ?? '') as { d: string }
    return new Seal(Buffer.from(d, 'base64url'))
  }

  /** A digest that tells nothing to who has not the key: a password can be part of what is digested. */
  digest(...parts: readonly (string | Buffer)[]): Buffer {
    const mac = createHmac('sha256', this.#key)
    for (const part of parts) mac.update(`${Buffer.byteLength(part)} `).update(part)
    return mac.digest()
  }

  /** AES-256-GCM under a key of its own per `context`: nonce, tag, ciphertext. */
  close(context: string, plain: Buffer): Buffer {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.digest('answer', context), nonce)
    const text = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), text])
  }

  /** What was closed in the same context; undefined where it was not, or was changed. */
  open(context: string, sealed: Buffer): Buffer | undefined {
    try {
      const opener = createDecipheriv('aes-256-gcm', this.digest('answer', context), sealed.subarray(0, 12))
      opener.setAuthTag(sealed.subarray(12, 28))
      return Buffer.concat([opener.update(sealed.subarray(28)), opener.final()])
    } catch {
      return undefined
    }
  }
}
