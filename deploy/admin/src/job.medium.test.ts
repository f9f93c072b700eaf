import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Db, databaseReadiness, sql } from '@keepsake/db'
import { schemaNames, serviceFolder } from '@keepsake/local/services'
import { startTestServer, type TestServer } from '@keepsake/db/testing/index'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrateDatabase } from './job.js'

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startTestServer()
  folder = mkdtempSync(path.join(tmpdir(), 'keepsake-migrate-'))
})
afterAll(async () => {
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

const passwords = Object.fromEntries(['owner', ...schemaNames].map(name => [name, `of ${name}`]))
const at = (database: string, role?: string) => {
  const url = new URL(server.adminUrl)
  url.pathname = `/${database}`
  if (role !== undefined) {
    url.username = `keepsake_${role}`
    url.password = encodeURIComponent(passwords[role] ?? '')
  }
  return url.href
}
const migrating = async (ownerUrl: string, env: Record<string, string> = {}) => {
  const said: string[] = []
  const close = () => Promise.resolve(undefined)
  const status = await migrateDatabase({ ownerUrl, env, close }, { say: line => void said.push(line) })
  return { status, said }
}
const passwordFile = (text = JSON.stringify(passwords)) => {
  const file = path.join(folder, 'passwords.json')
  writeFileSync(file, text)
  return { KEEPSAKE_ROLE_PASSWORDS: file }
}

test('makes everything on an empty server, by two at once, and the owner alone may run it again', async () => {
  const two = await Promise.all([1, 2].map(() => migrating(at('album'), passwordFile())))
  expect(two.map(each => each.status)).toEqual([0, 0])
  const applied = two.flatMap(each => each.said.filter(line => line.includes('.sql')))
  const files = applied.flatMap(line =>
    line
      .split(': ')[1]
      ?.split(', ')
      .map(file => `${line.split(':')[0]} ${file}`),
  )
  expect(files.length).toBeGreaterThan(schemaNames.length)
  expect(new Set(files).size).toBe(files.length) // each file by one of them
  for (const name of schemaNames) {
    const db = new Db(at('album', name), { max: 1 })
    const dir = pathToFileURL(path.join(serviceFolder(name), 'migrations'))
    for (const check of Object.values(databaseReadiness(db, name, dir))) await check()
    await db.close()
  }
  expect(await migrating(at('album', 'owner'))).toEqual({ status: 0, said: ['Everything was up to date.'] })
})

test('as the owner applies what is new and grants it', async () => {
  const owner = new Db(at('album', 'owner'), { max: 1 })
  await owner.unscoped(undefined, async tx => {
    const last = await tx.one<{ name: string }>(
      sql`delete from db.migrations where schema = 'db' and version = 2 returning name`,
    )
    expect(last.name).toBe('0002_who_reads_migrations.sql')
    await tx.changed(sql`revoke select on db.migrations from keepsake_service`)
  })
  await owner.close()
  expect((await migrating(at('album', 'owner'))).said).toEqual([
    'db: 0002_who_reads_migrations.sql',
    'Everything is up to date now.',
  ])
})

test('says what is missing and who may make it', async () => {
  await expect(migrating(at('other', 'owner'))).rejects.toThrow('The database has no database other')
  await expect(migrating(at('other'))).rejects.toThrow('KEEPSAKE_ROLE_PASSWORDS names a JSON file')
  await expect(migrating(at('other'), passwordFile('{"owner": "x"}'))).rejects.toThrow('has no password of')
  await expect(migrating(at('other'), passwordFile('no'))).rejects.toThrow('is no JSON')
})
