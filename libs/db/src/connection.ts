import { readFileSync } from 'node:fs'
import type pg from 'pg'

/** What an address says of TLS, as libpq means it; `prefer` and `allow` are refused: they protect from nobody. */
const modes = ['disable', 'require', 'verify-ca', 'verify-full'] as const

/**
 * Where and how to connect: the address without its TLS parameters, and these as pg wants them. `sslmode` in the address is
 * `disable` (the default), `require` (encrypted, whoever answers), `verify-ca` (the server shows a certificate of the CA) or
 * `verify-full` (and it names the host); `sslrootcert` is the CA's PEM file, else the system's CAs count.
 * Throws a TypeError for another mode or a file that cannot be read; the address, which holds a password, is not in it.
 */
export function connection(url: string, caFile?: string): Pick<pg.ClientConfig, 'connectionString' | 'ssl'> {
  const address = new URL(url)
  const take = (name: string) => {
    const value = address.searchParams.get(name) ?? undefined
    address.searchParams.delete(name)
    return value
  }
  const file = take('sslrootcert') ?? caFile
  const mode = take('sslmode') ?? (file === undefined ? 'disable' : 'verify-full')
  if (!(modes as readonly string[]).includes(mode))
    throw new TypeError(`sslmode ${mode} of the database's address is not one of ${modes.join(', ')}`)
  const connectionString = address.toString()
  if (mode === 'disable') return { connectionString, ssl: false }
  if (mode === 'require') return { connectionString, ssl: { rejectUnauthorized: false } }
  return {
    connectionString,
    ssl: {
      rejectUnauthorized: true,
      ...(file !== undefined && { ca: readCa(file) }),
      ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    },
  }
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new TypeError(`the CA file ${file} of the database cannot be read`, { cause })
  }
}
