import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { Db } from '../db.js'
import { migrate } from '../migrate.js'
import { provision } from '../provision.js'
import { startTestServer, type TestServer } from './embedded-postgres.js'

/** The environment variable by which one server is shared by a whole test run (see global-setup of @keepsake/testing). */
export const serverVariable = 'KEEPSAKE_TEST_POSTGRES'

/** A schema by its service's name, or with a folder of migrations of its own. */
export type TestSchema = string | { name: string; dir: string }

/** A fresh database with the schemas in place. */
export interface TestDatabase {
  /** keepsake_owner: owns the tables. */
  readonly ownerUrl: string
  /** The superuser, who sees everything: for asserting, never for the code under test. */
  readonly adminUrl: string
  /** The address of a service's role. */
  url(service: string): string
  /** A pool of a service's role; closed with the database. */
  db(service: string): Db
  /** Every row of a query as the superuser sees it. */
  rows<R = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>
  close(): Promise<void>
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const templateLock = 7_305_003
let own: Promise<TestServer> | undefined // this process's server where no run shares one

/**
 * A fresh database on a real Postgres, cloned from a template that holds the migrations of `schemas` (and always `events`). The server is
 * the run's (KEEPSAKE_TEST_POSTGRES) or, where there is none, one of this process.
 */
export async function testDatabase(schemas: readonly TestSchema[] = []): Promise<TestDatabase> {
  const adminUrl = process.env[serverVariable] ?? (await (own ??= startTestServer())).adminUrl
  const wanted = schemas.map(s =>
    typeof s === 'string' ? { name: s, dir: join(repository, 'services', s, 'migrations') } : s,
  )
  const events = join(repository, 'libs/events/migrations')
  if (existsSync(events)) wanted.unshift({ name: 'events', dir: events })

  const services = wanted.map(s => s.name).filter(name => name !== 'events')
  const passwords = Object.fromEntries(['owner', ...services].map(name => [name, 'keepsake']))
  const content = wanted.map(s => [s.name, folderDigest(s.dir)])
  const digest = createHash('sha256')
    .update(JSON.stringify([content, folderDigest(join(repository, 'libs/db/migrations'))]))
    .digest('hex')
  const template = `template_${digest.slice(0, 16)}`
  const name = `test_${randomBytes(6).toString('hex')}`
  const at = (database: string, user?: string) => {
    const url = new URL(adminUrl)
    url.pathname = `/${database}`
    if (user !== undefined) {
      url.username = `keepsake_${user}`
      url.password = 'keepsake'
    }
    return url.toString()
  }

  await admin(adminUrl, async client => {
    await client.query('select pg_advisory_lock($1)', [templateLock])
    const there = await client.query('select 1 from pg_database where datname = $1 and datistemplate', [template])
    if (there.rowCount === 0) {
      await client.query(`drop database if exists ${template} with (force)`)
      const { ownerUrl } = await provision({ adminUrl, services, database: template, passwords })
      for (const s of wanted)
        await migrate({
          url: ownerUrl,
          dir: s.dir,
          schema: s.name,
          ...(s.name === 'events' ? {} : { role: `keepsake_${s.name}` }),
        })
      await client.query(`alter database ${template} with is_template true allow_connections false`)
    }
    await client.query(`create database ${name} template ${template} strategy file_copy`)
  })

  const pools = new Map<string, Db>()
  // Kept: signing in to Postgres costs more than most of what tests look up.
  let looking: pg.Pool | undefined
  return {
    ownerUrl: at(name, 'owner'),
    adminUrl: at(name),
    url: service => at(name, service),
    db: service => {
      const known = pools.get(service) ?? new Db(at(name, service))
      pools.set(service, known)
      return known
    },
    rows: async <R>(text: string, values: unknown[] = []) => {
      looking ??= new pg.Pool({ connectionString: at(name), application_name: 'test', max: 1 }).on(
        'error',
        () => undefined,
      )
      return (await looking.query(text, values)).rows as R[]
    },
    close: async () => {
      await looking?.end()
      await Promise.all([...pools.values()].map(pool => pool.close()))
      await admin(adminUrl, client => client.query(`drop database if exists ${name} with (force)`))
    },
  }
}

async function admin<T>(url: string, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' })
  await client.connect()
  try {
    return await fn(client)
  } finally {
    await client.end()
  }
}

function folderDigest(dir: string): string {
  if (!existsSync(dir)) throw new Error(`there are no migrations in ${dir}`)
  const hash = createHash('sha256')
  for (const name of readdirSync(dir).sort()) hash.update(`${name}\0`).update(readFileSync(join(dir, name)))
  return hash.digest('hex')
}
