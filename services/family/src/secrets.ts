import { createHash, randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'

/** Random text that cannot be guessed (256 bits), URL-safe. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

/** What is stored of a random secret. */
export const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest()

// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane. About 30 ms on one core here.
const argon2id = { algorithm: 2 as const, memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** The argon2id hash of a password. */
export const hashPassword = (password: string): Promise<string> => hash(password.normalize('NFKC'), argon2id)

// The hash of nothing anybody knows: an unknown address costs as much time as a known one.
let decoy: Promise<string> | undefined

/** Whether the password is right; without a hash it takes as long and answers no. */
export async function passwordMatches(stored: string | undefined, password: string): Promise<boolean> {
  const matches = await verify(stored ?? (await (decoy ??= hashPassword(newSecret()))), password.normalize('NFKC'))
  return stored !== undefined && matches
}
