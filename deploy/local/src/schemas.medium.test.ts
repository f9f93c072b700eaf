import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { databaseReadiness, sql, unprotectedTables, type Tx } from '@keepsake/db'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schemaNames, serviceFolder } from './services.js'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase(schemaNames)
})
afterAll(() => database?.close())

test('every table of every service that belongs to families is under forced row-level security', async () => {
  const tables = await database.rows<{ schema: string }>(
    `select distinct table_schema as schema from information_schema.columns where column_name = 'family_id'`,
  )
  expect(tables.map(row => row.schema).sort()).toEqual(expect.arrayContaining([...schemaNames].sort()))
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
})

test('no role of a service is a superuser or above row-level security, and none reads a schema of another', async () => {
  const roles = schemaNames.map(name => `keepsake_${name}`)
  const above = await database.rows(
    `select rolname from pg_roles where rolname = any($1) and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`,
    [roles],
  )
  expect(above).toEqual([])
  const foreign = await database.rows(
    `select r.rolname, c.oid::regclass::text as table from pg_roles r
     cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
     where r.rolname = any($1) and c.relkind in ('r', 'p') and n.nspname = any($2) and r.rolname <> 'keepsake_' || n.nspname
       and (has_table_privilege(r.oid, c.oid, 'select') or has_table_privilege(r.oid, c.oid, 'insert'))`,
    [roles, [...schemaNames]],
  )
  expect(foreign).toEqual([])
})

test.each([...schemaNames])('%s sees by its own role whether its schema is what this build expects', async name => {
  const checks = () =>
    Object.values(
      databaseReadiness(database.db(name), name, pathToFileURL(path.join(serviceFolder(name), 'migrations'))),
    )
  for (const check of checks()) await check()
  await database.rows(`update db.migrations set name = 'other' where schema = $1 and version = 1`, [name])
  const said = await Promise.all(
    checks().map(check =>
      check().then(
        () => 'ready',
        (error: Error) => error.message,
      ),
    ),
  )
  expect(said).toEqual(['ready', expect.stringContaining(`${name} lacks 0001_`)])
  await expect(
    database.db(name).unscoped(undefined, tx => tx.changed(sql`update db.migrations set name = 'mine'`)),
  ).rejects.toThrow('permission denied')
})

const familyId = '0190a5d4-0000-7000-8000-000000000001'
const pairs = schemaNames.flatMap(reader => schemaNames.filter(owner => owner !== reader).map(owner => [reader, owner]))

test.each(pairs)('%s cannot enter the schema of %s: not by a table, a view or a sequence', async (reader, owner) => {
  const role = `keepsake_${reader}`
  const rights = await database.rows<{ granted: string }>(
    `select 'schema ' || priv as granted from unnest(array['usage', 'create']) as priv where has_schema_privilege($1, $2, priv)
     union all
     select relname || ' ' || priv from pg_class c
       cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as priv
       where c.relnamespace = to_regnamespace($2) and c.relkind in ('r', 'p', 'v', 'm', 'f')
         and has_table_privilege($1, c.oid, priv)
     union all
     select relname || ' usage' from pg_class c
       where c.relnamespace = to_regnamespace($2) and case when c.relkind = 'S' then has_sequence_privilege($1, c.oid, 'usage, select, update') end`,
    [role, owner],
  )
  expect(rights).toEqual([])
  // And so says the server to the role itself.
  const tables = await database.rows<{ table: string }>(
    `select quote_ident(relname) as table from pg_class where relnamespace = to_regnamespace($1) and relkind in ('r', 'p') limit 1`,
    [owner],
  )
  expect(tables.length).toBe(1)
  const query = { toQuery: () => ({ text: `select * from ${owner}.${tables[0]?.table}`, values: [] }) }
  const asking = database.db(reader ?? '').family(familyId, tx => tx.many(query as never))
  await expect(asking).rejects.toThrow(`permission denied for schema ${owner}`)
})

// What happened is inserted and read; of the books a service keeps those of its own groups.
const expectedGrants = {
  outbox: 'insert, select',
  cursors: 'insert, select, update',
  inbox: 'delete, insert, select',
  parked: 'delete, insert, select, update',
  dead_letters: 'delete, insert, select, update',
  tombstones: 'delete, insert, select',
  resync_requests: 'delete, insert, select',
}

describe('the shared schema `events`', () => {
  test('grants to services are these and no others', async () => {
    const grants = await database.rows<{ table: string; rights: string }>(
      `select table_name as table, string_agg(lower(privilege_type), ', ' order by privilege_type) as rights
       from information_schema.role_table_grants
       where table_schema = 'events' and grantee not in ('keepsake_owner', 'postgres') group by grantee, table_name order by table_name`,
    )
    expect(Object.fromEntries(grants.map(row => [row.table, row.rights]))).toEqual(expectedGrants)
    const grantees = await database.rows(
      `select distinct grantee from information_schema.role_table_grants
       where table_schema in ('events', 'db') and grantee not in ('keepsake_owner', 'postgres', 'keepsake_service')`,
    )
    expect(grantees).toEqual([])
  })

  test('a service inserts and reads what happened, and can neither change nor remove it', async () => {
    const outbox = { toQuery: () => ({ text: 'delete from events.outbox', values: [] }) }
    for (const name of schemaNames) {
      const db = database.db(name)
      await db.family(familyId, tx => tx.many(sql`select * from events.outbox`))
      await expect(db.family(familyId, tx => tx.changed(outbox as never))).rejects.toThrow('permission denied')
      await expect(db.family(familyId, tx => tx.changed(sql`update events.outbox set key = 'x'`))).rejects.toThrow(
        'permission denied',
      )
    }
  })

  test.each(pairs)('%s neither sees nor writes the books of %s', async (one, other) => {
    const mine = database.db(one ?? '')
    const theirs = database.db(other ?? '')
    const write = (group: string) => (tx: Tx) =>
      tx.changed(
        sql`insert into events.inbox (grp, event_id, family_id) values (${group}, ${randomUUID()}, ${familyId})`,
      )
    const place = (group: string) => (tx: Tx) =>
      tx.changed(sql`insert into events.cursors (grp, topic, partition, txid, position)
        values (${group}, ${randomUUID()}, 0, '0', 0)`)
    for (const book of [write, place]) {
      await theirs.family(familyId, book(other ?? ''))
      await expect(mine.family(familyId, book(other ?? ''))).rejects.toThrow('row-level security')
    }
    const seen = await mine.family(familyId, tx =>
      tx.many(
        sql`select grp from events.inbox where grp = ${other} union all select grp from events.cursors where grp = ${other}`,
      ),
    )
    expect(seen).toEqual([])
    // Not even across families.
    const across = await mine.system('test', tx =>
      tx.many(
        sql`select grp from events.inbox where grp = ${other} union all select grp from events.cursors where grp = ${other}`,
      ),
    )
    expect(across).toEqual([])
  })
})
