import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { connection } from './connection.js'
import { databaseError, sqlState } from './errors.js'

/** What `migrate` is told. */
export interface MigrateOptions {
  /** Connects as the owner of the schema. */
  url: string
  /** A folder of `NNNN_name.sql`, numbered from 0001 without gaps. */
  dir: string
  /** The schema that the files build; made by `provision`. */
  schema: string
  /** Who may read and write the tables afterwards. Without it the files grant what they want granted. */
  role?: string
  /** How long to wait for another process that migrates, in ms. Default 120,000. */
  waitMs?: number
  /** PEM file of the server's CA, see `connection`. */
  caFile?: string
}

/** The files on disk and the history in the database do not belong together. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/** One numbered file. */
export interface Migration {
  version: number
  name: string
  checksum: string
  text: string
}

const migrateLock = 7_305_002
// A change of a table that is in use waits so long for those who use it, in ms; longer would hold up everybody behind it.
const tableLockMs = 30_000

/**
 * Brings a schema up to date: each new file in a transaction of its own, in order, under a lock so that two processes cannot do it at
 * once: the others wait, at most `waitMs`, and then find nothing left to do. A file that was changed, renamed or removed after it had been applied is an error: write a new one instead.
 */
export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  if (!/^[a-z][a-z0-9_]*$/.test(options.schema)) throw new TypeError(`not a schema name: ${options.schema}`)
  const files = await readMigrations(options.dir)
  const client = new pg.Client({
    ...connection(options.url, options.caFile),
    application_name: `keepsake migrate ${options.schema}`,
  })
  client.on('error', () => undefined) // reported by the query that it breaks
  const applied: string[] = []
  try {
    await client.connect()
    await takeLock(client, options.schema, options.waitMs ?? 120_000)
    await client.query(`
      create table if not exists db.migrations (
        schema text not null, version int not null, name text not null, checksum text not null,
        applied_at timestamptz not null default now(), primary key (schema, version)
      )`)
    const history = await client.query<{ version: number; name: string; checksum: string }>(
      'select version, name, checksum from db.migrations where schema = $1 order by version',
      [options.schema],
    )
    checkHistory(options.schema, files, history.rows)
    for (const file of files.slice(history.rows.length)) {
      try {
        await client.query('begin')
        await client.query(file.text)
        await client.query('insert into db.migrations (schema, version, name, checksum) values ($1, $2, $3, $4)', [
          options.schema,
          file.version,
          file.name,
          file.checksum,
        ])
        await client.query('commit')
      } catch (error) {
        await client.query('rollback').catch(() => undefined)
        const said = error instanceof Error ? error.message : String(error)
        throw new MigrationError(`${options.schema}: ${file.name} failed and was rolled back: ${said}`, {
          cause: error,
        })
      }
      applied.push(file.name)
    }
    if (options.role !== undefined) await grant(client, options.schema, options.role)
    return { applied }
  } catch (error) {
    throw databaseError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function takeLock(client: pg.Client, schema: string, waitMs: number): Promise<void> {
  await client.query(`set lock_timeout = ${Math.max(1, Math.round(waitMs))}`)
  try {
    await client.query('select pg_advisory_lock($1)', [migrateLock])
  } catch (error) {
    if (sqlState(error) !== '55P03') throw error
    throw new MigrationError(
      `${schema}: another process has been migrating this database for ${waitMs / 1000} s. Look at what it waits for, then start again.`,
      { cause: error },
    )
  }
  await client.query(`set lock_timeout = ${tableLockMs}`)
}

async function grant(client: pg.Client, schema: string, role: string): Promise<void> {
  const [s, r] = [client.escapeIdentifier(schema), client.escapeIdentifier(role)]
  await client.query(`
    grant select, insert, update, delete on all tables in schema ${s} to ${r};
    grant usage, select on all sequences in schema ${s} to ${r};
    grant execute on all functions in schema ${s} to ${r}`)
}

/** The numbered files of a folder, in order. Throws a MigrationError where the numbers have gaps. */
export async function readMigrations(dir: string): Promise<Migration[]> {
  const names = (await readdir(dir)).filter(name => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name, i) => {
      const version = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1])
      if (version !== i + 1)
        throw new MigrationError(`${join(dir, name)}: migrations are called NNNN_name.sql and count up from 0001`)
      // Line endings do not change what a migration means, and some checkouts change them.
      const text = (await readFile(join(dir, name), 'utf8')).replaceAll('\r\n', '\n')
      return { version, name, text, checksum: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

function checkHistory(
  schema: string,
  files: Migration[],
  history: { version: number; name: string; checksum: string }[],
): void {
  for (const [i, row] of history.entries()) {
    const file = files[i]
    if (file === undefined)
      throw new MigrationError(
        `${schema}: the database already has ${row.name}, which this version of Keepsake does not know. It was made by a newer version.`,
      )
    if (file.name !== row.name || file.checksum !== row.checksum)
      throw new MigrationError(
        `${schema}: ${row.name} was changed after it had been applied. Write a new migration instead.`,
      )
  }
}
