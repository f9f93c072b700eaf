import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { connection } from './connection.js'
import { databaseError, sqlState } from './errors.js'
import { migrate } from './migrate.js'
import { baseMigrations } from './migrations-applied.js'

/** What `provision` is told. */
export interface ProvisionOptions {
  /** A role that may create roles and databases. */
  adminUrl: string
  /** The services: each gets a schema of its name and a login role `keepsake_<name>`. */
  services: readonly string[]
  /** The database; made where it is missing. Default: the one `adminUrl` names. */
  database?: string
  /** Passwords by service name and `owner`. Default: new random ones each time (roles are told them here). */
  passwords?: Readonly<Record<string, string>>
}

/** Where everyone connects. */
export interface Provisioned {
  /** keepsake_owner: owns schemas and tables, runs migrations; no superuser. */
  ownerUrl: string
  /** By service name. */
  urls: Record<string, string>
}

// Two processes that provision at once would both try to create the same role.
const provisionLock = 7_305_001

/**
 * Creates what is missing: the owner, a login role and a schema per service, the base functions. Roles are no superusers, do not
 * bypass row security, own nothing and may use their own schema, `db` and `events` only. Running it again changes nothing but passwords.
 */
export async function provision(options: ProvisionOptions): Promise<Provisioned> {
  for (const name of options.services)
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError(`not a service name: ${name}`)
  const admin = new URL(options.adminUrl)
  const database = options.database ?? decodeURIComponent(admin.pathname.slice(1))
  const password = (name: string) => options.passwords?.[name] ?? randomBytes(18).toString('base64url')
  const passwords = Object.fromEntries(['owner', ...options.services].map(name => [name, password(name)]))

  await withClient(at(admin, 'postgres'), async client => {
    await client.query('select pg_advisory_lock($1)', [provisionLock])
    const roles = await client.query<{ rolname: string }>(`select rolname from pg_roles where rolname like 'keepsake%'`)
    const known = new Set(roles.rows.map(row => row.rolname))
    if (!known.has('keepsake_service')) await client.query('create role keepsake_service nologin')
    for (const name of ['owner', ...options.services]) {
      const role = `keepsake_${name}`
      const secret = client.escapeLiteral(passwords[name] ?? '')
      const attributes = 'login nosuperuser nocreatedb nocreaterole nobypassrls noreplication'
      if (!known.has(role)) await client.query(`create role ${role} ${attributes} password ${secret}`)
      else await client.query(`alter role ${role} ${attributes} password ${secret}`)
      if (name !== 'owner') await client.query(`grant keepsake_service to ${role}`)
    }
    const there = await client.query('select 1 from pg_database where datname = $1', [database])
    const quoted = client.escapeIdentifier(database)
    if (there.rowCount === 0) await client.query(`create database ${quoted}`)
    // Only those who have business here may enter; nobody makes temporary tables.
    await client.query(`
      revoke all on database ${quoted} from public;
      grant connect on database ${quoted} to keepsake_owner, keepsake_service`)
  })

  await withClient(at(admin, database), async client => {
    await client.query('select pg_advisory_lock($1)', [provisionLock])
    await client.query(`
      revoke all on schema public from public;
      create schema if not exists db authorization keepsake_owner;
      create schema if not exists events authorization keepsake_owner;
      grant usage on schema db, events to keepsake_service`)
    for (const name of options.services)
      await client.query(`
        create schema if not exists ${name} authorization keepsake_owner;
        grant usage on schema ${name} to keepsake_${name}`)
  })

  const urlOf = (name: string) => {
    const url = at(admin, database)
    url.username = `keepsake_${name}`
    url.password = encodeURIComponent(passwords[name] ?? '')
    return url.toString()
  }
  const ownerUrl = urlOf('owner')
  await migrateBase(ownerUrl)
  return { ownerUrl, urls: Object.fromEntries(options.services.map(name => [name, urlOf(name)])) }
}

/** The base functions, which every other schema's migrations need; as the owner. */
export function migrateBase(ownerUrl: string): Promise<{ applied: string[] }> {
  return migrate({ url: ownerUrl, dir: fileURLToPath(baseMigrations), schema: 'db' })
}

/** What a database lacks before `migrate` can work in it, and whether this role may make it. */
export interface Provisioning {
  /** The role is a superuser: one that may only make roles cannot hand what it makes to the owner. */
  mayProvision: boolean
  /** Roles and schemas of these services, the owner and the base that are not there, e.g. `role keepsake_album`. */
  missing: string[]
}

/** Looks at what there is for these services, through any role's address. */
export async function provisioning(url: string, services: readonly string[]): Promise<Provisioning> {
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  const there = await withClient(new URL(url), client => lookFor(client, services)).catch((error: unknown) => {
    if (sqlState(error) === '3D000') return undefined
    throw error
  })
  if (there !== undefined) return there
  const { mayProvision, missing } = await withClient(at(new URL(url), 'postgres'), client => lookFor(client, services))
  return { mayProvision, missing: [`database ${database}`, ...missing] }
}

async function lookFor(client: pg.Client, services: readonly string[]): Promise<Provisioning> {
  const rights = await client.query<{ may: boolean }>(
    'select rolsuper as may from pg_roles where rolname = current_user',
  )
  const roles = ['keepsake_owner', 'keepsake_service', ...services.map(name => `keepsake_${name}`)]
  const { rows } = await client.query<{ what: string }>(
    `select 'role ' || name as what from unnest($1::text[]) as name where not exists (select from pg_roles where rolname = name)
     union all
     select 'schema ' || name from unnest($2::text[]) as name where to_regnamespace(name) is null`,
    [roles, ['db', 'events', ...services]],
  )
  return { mayProvision: rights.rows[0]?.may === true, missing: rows.map(row => row.what) }
}

function at(admin: URL, database: string): URL {
  const url = new URL(admin)
  url.pathname = `/${encodeURIComponent(database)}`
  return url
}

async function withClient<T>(url: URL, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...connection(url.toString()), application_name: 'keepsake provision' })
  client.on('error', () => undefined) // reported by the query that it breaks
  try {
    await client.connect()
    return await fn(client)
  } catch (error) {
    throw databaseError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
