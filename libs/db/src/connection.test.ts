import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connection } from './connection.js'

const at = 'postgres://keepsake_album:secret@db.example.org:5432/keepsake'

test('without a word about TLS the connection is plain, as on the loopback', () => {
  expect(connection(at)).toEqual({ connectionString: at, ssl: false })
})

test('sslmode and sslrootcert mean what libpq says, and leave the address', () => {
  const dir = mkdtempSync(join(tmpdir(), 'keepsake-ca-'))
  const file = join(dir, 'ca.crt')
  writeFileSync(file, 'PEM')
  expect(connection(`${at}?sslmode=require`)).toEqual({ connectionString: at, ssl: { rejectUnauthorized: false } })
  expect(connection(`${at}?sslmode=verify-full&sslrootcert=${file}`)).toEqual({
    connectionString: at,
    ssl: { rejectUnauthorized: true, ca: 'PEM' },
  })
  expect(connection(`${at}?sslmode=verify-ca&sslrootcert=${file}`).ssl).toMatchObject({
    ca: 'PEM',
    checkServerIdentity: expect.any(Function) as unknown,
  })
  expect(connection(at, file).ssl).toEqual({ rejectUnauthorized: true, ca: 'PEM' }) // a CA alone: the strictest
  rmSync(dir, { recursive: true })
})

test('a mode that protects from nobody and a CA that is not there are refused, without the password', () => {
  expect(() => connection(`${at}?sslmode=prefer`)).toThrow(/prefer .* disable, require, verify-ca, verify-full/)
  const error = (() => {
    try {
      return String(connection(at, '/nowhere/ca.crt'))
    } catch (thrown) {
      return String(thrown)
    }
  })()
  expect(error).toMatch(/\/nowhere\/ca.crt .* cannot be read/)
  expect(error).not.toContain('secret')
})
