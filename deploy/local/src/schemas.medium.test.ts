import { unprotectedTables } from '@keepsake/db'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { schemaNames } from './services.js'

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
