import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Db, sql } from '@keepsake/db'
import { skipUnless, startTestServer } from '@keepsake/testing'
import { afterAll, expect } from 'vitest'

const family = '0190a5d4-0000-7000-8000-000000000001'
const openssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    return false
  }
})()
const { describe, test } = skipUnless(openssl, 'openssl is not installed')

describe('TLS to the database', () => {
  const dir = mkdtempSync(join(tmpdir(), 'keepsake-tls-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const make = (name: string, subject: string) => {
    const file = (kind: string) => join(dir, `${name}.${kind}`)
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${subject}`]
    execFileSync('openssl', [...args, ...names, '-keyout', file('key'), '-out', file('crt')], { stdio: 'ignore' })
    return { file: file('crt'), cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8') }
  }

  test('the connection is encrypted, and a server that cannot show what is asked for is refused', async () => {
    const ours = make('ours', 'IP:127.0.0.1')
    const elsewhere = make('elsewhere', 'DNS:elsewhere.example.org')
    const server = await startTestServer({ tls: ours })
    const ask = async (mode: string, caFile?: string) => {
      const db = new Db(`${server.adminUrl}?sslmode=${mode}`, { connectTimeoutMs: 0, ...(caFile && { caFile }) })
      try {
        return await db.family(family, tx => tx.one(sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`))
      } finally {
        await db.close()
      }
    }
    expect(await ask('disable')).toEqual({ ssl: false })
    expect(await ask('require')).toEqual({ ssl: true })
    expect(await ask('verify-full', ours.file)).toEqual({ ssl: true })
    await expect(ask('verify-full')).rejects.toThrow(/self.signed|certificate/)
    await expect(ask('verify-ca', elsewhere.file)).rejects.toThrow(/certificate/)
    await server.close()

    const named = await startTestServer({ tls: elsewhere })
    const verifying = (mode: string) =>
      new Db(`${named.adminUrl}?sslmode=${mode}`, { connectTimeoutMs: 0, caFile: elsewhere.file })
    const byName = verifying('verify-full')
    await expect(byName.ping()).rejects.toThrow(/127\.0\.0\.1|altnames/i)
    const byCa = verifying('verify-ca')
    await byCa.ping()
    await Promise.all([byName.close(), byCa.close()])
    await named.close()
  }, 60_000)
})
