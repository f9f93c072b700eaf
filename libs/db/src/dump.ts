import pg from 'pg'
import { connection } from './connection.js'
import { databaseError } from './errors.js'

/** A table as a dump sees it. */
export interface DumpTable {
  /** schema.name */
  readonly name: string
  /** Columns that are stored (generated ones follow from them). */
  readonly columns: readonly string[]
  readonly primaryKey: readonly string[]
}

/** A row: its content as JSON text (exact: never parsed here) and the columns that were asked for. */
export interface DumpRow {
  readonly row: string
  readonly picked: Readonly<Record<string, string | null>>
}

const perFetch = 2_000

/** Tables of the schemas, each after those it refers to. */
async function tablesOf(client: pg.Client, schemas: readonly string[]): Promise<DumpTable[]> {
  const found = await client.query<{
    oid: number
    name: string
    columns: string[]
    key: string[] | null
    refers: number[]
  }>(
    `select c.oid::int as oid, n.nspname || '.' || c.relname as name,
       array(select a.attname::text from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
       (select array_agg(a.attname::text order by k.at) from pg_constraint p, unnest(p.conkey) with ordinality as k (num, at)
         join pg_attribute a on a.attnum = k.num
         where p.conrelid = c.oid and p.contype = 'p' and a.attrelid = c.oid) as key,
       array(select f.confrelid::int from pg_constraint f where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as refers
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname = any($1) order by 2`,
    [schemas],
  )
  const sorted: typeof found.rows = []
  const visit = (table: (typeof found.rows)[number]) => {
    if (sorted.includes(table)) return
    for (const oid of table.refers) {
      const parent = found.rows.find(other => other.oid === oid)
      if (parent) visit(parent)
    }
    sorted.push(table)
  }
  found.rows.forEach(visit)
  return sorted.map(({ name, columns, key }) => ({ name, columns, primaryKey: key ?? columns }))
}

const open = async (url: string, name: string): Promise<pg.Client> => {
  const client = new pg.Client({ ...connection(url), application_name: name, statement_timeout: 0 })
  client.on('error', () => undefined) // reported by the query that it breaks
  try {
    await client.connect()
    return client
  } catch (error) {
    throw databaseError(error)
  }
}

/** One moment of the whole database, across families, read as its owner. */
export class Snapshot {
  private constructor(
    private readonly client: pg.Client,
    readonly tables: readonly DumpTable[],
    /** The moment, by the database's clock. */
    readonly at: Date,
  ) {}

  /** Opens a read-only repeatable-read transaction: every read sees the same moment, whatever happens meanwhile. */
  static async open(url: string, schemas: readonly string[]): Promise<Snapshot> {
    const client = await open(url, 'keepsake backup')
    await client.query(`begin transaction isolation level repeatable read read only; set local app.system = 'on'`)
    const { rows } = await client.query<{ at: Date }>('select clock_timestamp() as at')
    return new Snapshot(client, await tablesOf(client, schemas), rows[0]?.at ?? new Date())
  }

  /** Rows of a table in the order of its primary key, a batch at a time; `picked` names columns that are given beside the row, as text. */
  async *rows(table: DumpTable, picked: readonly string[]): AsyncGenerator<DumpRow[]> {
    const id = (name: string) => this.client.escapeIdentifier(name)
    const target = table.name.split('.').map(id).join('.')
    const beside = picked.map(column => `, t.${id(column)}::text as ${id(column)}`).join('')
    const order = table.primaryKey.map(column => `t.${id(column)}`).join(', ')
    await this.client.query(
      `declare dump no scroll cursor for select to_jsonb(t)::text as "_row"${beside} from ${target} t order by ${order}`,
    )
    try {
      for (;;) {
        const batch = await this.client.query<Record<string, string | null>>(`fetch ${perFetch} from dump`)
        if (batch.rows.length === 0) return
        yield batch.rows.map(({ _row, ...rest }) => ({ row: _row ?? '{}', picked: rest }))
      }
    } finally {
      await this.client.query('close dump').catch(() => undefined)
    }
  }

  /** A question of the caller's own, with parameters; rows as Postgres names their columns. */
  async ask<R extends Record<string, unknown>>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.client.query<R>(text, [...values])).rows
  }

  /** Ends the transaction. */
  async close(): Promise<void> {
    await this.client.query('rollback').catch(() => undefined)
    await this.client.end().catch(() => undefined)
  }
}

/** Loads rows of a snapshot into an empty database, in one transaction. */
export class Loader {
  private constructor(
    private readonly client: pg.Client,
    readonly tables: readonly DumpTable[],
  ) {}

  /** Begins. */
  static async open(url: string, schemas: readonly string[]): Promise<Loader> {
    const client = await open(url, 'keepsake restore')
    await client.query(`begin; set local app.system = 'on'`)
    return new Loader(client, await tablesOf(client, schemas))
  }

  /** Inserts rows given as JSON texts; columns that the table has gained since keep their defaults. */
  async insert(table: string, rows: readonly string[]): Promise<void> {
    const known = this.tables.find(({ name }) => name === table)
    const first = rows[0]
    if (known === undefined || first === undefined) return
    const given = Object.keys(JSON.parse(first) as object)
    const id = (name: string) => this.client.escapeIdentifier(name)
    const columns = known.columns.filter(column => given.includes(column)).map(id)
    const target = table.split('.').map(id).join('.')
    await this.client.query(
      `insert into ${target} (${columns.join(', ')}) overriding system value
       select ${columns.map(column => `r.${column}`).join(', ')} from jsonb_populate_recordset(null::${target}, $1::jsonb) r`,
      [`[${rows.join(',')}]`],
    )
  }

  /** A statement of the caller's own, with parameters. */
  async run<R extends Record<string, unknown>>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.client.query<R>(text, [...values])).rows
  }

  /** Moves every sequence behind what was loaded, and commits. */
  async commit(): Promise<void> {
    const { rows } = await this.client.query<{ table: string; column: string; sequence: string }>(
      `select c.table_schema || '.' || c.table_name as "table", c.column_name as "column",
         pg_get_serial_sequence(c.table_schema || '.' || c.table_name, c.column_name) as sequence
       from information_schema.columns c
       where c.table_schema || '.' || c.table_name = any($1) and (c.is_identity = 'YES' or c.column_default like 'nextval%')`,
      [this.tables.map(({ name }) => name)],
    )
    for (const { table, column, sequence } of rows) {
      const target = table
        .split('.')
        .map(part => this.client.escapeIdentifier(part))
        .join('.')
      await this.client.query(
        `select setval($1, (select max(${this.client.escapeIdentifier(column)}) from ${target})) where exists (select 1 from ${target})`,
        [sequence],
      )
    }
    await this.client.query('commit')
  }

  /** Ends; without a commit nothing was loaded. */
  async close(): Promise<void> {
    await this.client.query('rollback').catch(() => undefined)
    await this.client.end().catch(() => undefined)
  }
}
