import { KeepsakeError, type Call } from '@keepsake/rpc'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Db, isUniqueViolation, migrate, migrationsApplied, sql, unprotectedTables } from './index.js'
import { runLed } from './led-query.js'
import { startTestServer, testDatabase, type TestDatabase } from './testing/index.js'

const hana = '0190a5d4-0000-7000-8000-000000000001'
const yui = '0190a5d4-0000-7000-8000-000000000002'

const notes = `
  create table one.notes (family_id uuid not null, id int not null, text text not null, big int8, day date, primary key (family_id, id));
  select db.protect_family('one.notes');`

async function folder(files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-migrations-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  return dir
}

let database: TestDatabase
let db: Db

beforeAll(async () => {
  const one = await folder({ '0001_notes.sql': notes })
  const two = await folder({ '0001_secrets.sql': 'create table two.secrets (id int primary key)' })
  database = await testDatabase([
    { name: 'one', dir: one },
    { name: 'two', dir: two },
  ])
  db = database.db('one')
})
afterAll(() => database.close())

const insert = (familyId: string, id: number, text: string) =>
  db.family(familyId, tx =>
    tx.changed(sql`insert into one.notes (family_id, id, text) values (${tx.familyId}, ${id}, ${text})`),
  )

const callOf = (init: Partial<Call>): Call => ({
  caller: { kind: 'service', service: 'test', familyId: hana },
  deadline: Date.now() + 30_000,
  signal: new AbortController().signal,
  ...init,
})

describe('families', () => {
  test('a family sees and writes its own rows only', async () => {
    await insert(hana, 1, 'ours')
    await insert(yui, 1, 'theirs')
    const seen = await db.family(hana, tx => tx.many<{ text: string }>(sql`select text from one.notes`))
    expect(seen).toEqual([{ text: 'ours' }])
    expect(await db.family(hana, tx => tx.changed(sql`delete from one.notes where family_id = ${yui}`))).toBe(0)
    const foreign = db.family(hana, tx =>
      tx.changed(sql`insert into one.notes (family_id, id, text) values (${yui}, 2, 'x')`),
    )
    await expect(foreign).rejects.toThrow('row-level security')
  })

  test('a family is forgotten when its transaction ends, whatever connection comes next', async () => {
    await insert(hana, 10, 'x')
    const narrow = new Db(database.url('one'), { max: 1 })
    await narrow.family(hana, tx => tx.many(sql`select 1`))
    const after = await narrow.dedicated('test').then(async c => {
      const rows = await c.many(sql`select * from one.notes`)
      await c.close()
      return rows
    })
    expect(after).toEqual([])
    await expect(narrow.family('not-a-uuid', async () => 1)).rejects.toMatchObject({ reason: 'FAMILY_NOT_FOUND' })
    await narrow.close()
  })

  test('system crosses families, and only system does', async () => {
    await insert(hana, 20, 'a')
    await insert(yui, 20, 'b')
    const rows = await db.system('test of the sweep', tx =>
      tx.many<{ text: string }>(sql`select text from one.notes where id = 20 order by text`),
    )
    expect(rows.map(r => r.text)).toEqual(['a', 'b'])
  })

  test('even the owner of the tables obeys the rule, and a role reads no other schema', async () => {
    const owner = new Db(database.ownerUrl)
    expect(await owner.family(hana, tx => tx.many(sql`select * from one.notes where family_id = ${yui}`))).toEqual([])
    await owner.close()
    await expect(db.family(hana, tx => tx.many(sql`select * from two.secrets`))).rejects.toThrow('permission denied')
    await expect(db.family(hana, tx => tx.changed(sql`create table one.mine (id int)`))).rejects.toThrow(
      'permission denied',
    )
    await expect(db.family(hana, tx => tx.changed(sql`set local role keepsake_owner`))).rejects.toThrow(
      'permission denied',
    )
  })

  test('a service role is neither superuser nor above row security', async () => {
    const roles = await database.rows<{ rolsuper: boolean; rolbypassrls: boolean }>(
      `select rolsuper, rolbypassrls from pg_roles where rolname in ('keepsake_one', 'keepsake_two', 'keepsake_owner')`,
    )
    expect(roles).toEqual(Array(3).fill({ rolsuper: false, rolbypassrls: false }))
  })

  test('a table with a family_id that is not protected is named', async () => {
    expect(await unprotectedTables(database.ownerUrl)).toEqual([])
    await database.rows(
      'create table one.forgotten (family_id uuid); alter table one.forgotten owner to keepsake_owner',
    )
    const found = await unprotectedTables(database.ownerUrl)
    expect(found.map(t => t.table)).toEqual(['one.forgotten'])
    await database.rows('drop table one.forgotten')
  })
})

describe('transactions', () => {
  test('rows come back as camelCase, int8 as numbers, dates as text; arrays and JSON go in', async () => {
    const row = await db.family(hana, tx =>
      tx.one(sql`select 9007199254740991::int8 as big_number, '2026-01-02'::date as first_day, ${['a', 'b']}::text[] as some_words,
                 ${sql.json([1, { a: 2 }])}::jsonb as as_json, ${undefined}::int as nothing, ${2} + 1::int8 as sum`),
    )
    expect(row).toEqual({
      bigNumber: 9007199254740991,
      firstDay: '2026-01-02',
      someWords: ['a', 'b'],
      asJson: [1, { a: 2 }],
      nothing: null,
      sum: 3,
    })
  })

  test('fragments nest and join with their parameters in order', async () => {
    const where = sql.join([sql`id = ${1}`, sql`text = ${'x'}`], sql` and `)
    expect(sql`select ${0} where ${where} limit ${5}`.toQuery()).toEqual({
      text: 'select $1 where id = $2 and text = $3 limit $4',
      values: [0, 1, 'x', 5],
    })
  })

  test('what throws rolls everything back', async () => {
    const failing = db.family(hana, async tx => {
      await tx.changed(sql`insert into one.notes (family_id, id, text) values (${tx.familyId}, 30, 'x')`)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await db.family(hana, tx => tx.maybe(sql`select 1 from one.notes where id = 30`))).toBeUndefined()
  })

  test('a row that is there already is told apart', async () => {
    await insert(hana, 40, 'x')
    const error: unknown = await insert(hana, 40, 'x').catch((e: unknown) => e)
    expect(isUniqueViolation(error, 'notes_pkey')).toBe(true)
  })

  test('an abort stops the running query on the server and leaves the connection usable', async () => {
    const narrow = new Db(database.url('one'), { max: 1, name: 'abort test' })
    const abort = new AbortController()
    // Longer than the test may take: only a stop on the server ends it in time.
    const query = narrow.family(callOf({ signal: abort.signal }), tx => tx.many(sql`select pg_sleep(600)`))
    const sleeping = `select 1 from pg_stat_activity where application_name = 'abort test' and query like '%pg_sleep%' and state = 'active'`
    await vi.waitUntil(async () => (await database.rows(sleeping)).length > 0, { timeout: 20_000 })
    abort.abort()
    await expect(query).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await database.rows(sleeping)).toEqual([])
    expect(await narrow.family(hana, tx => tx.one(sql`select 1 as one`))).toEqual({ one: 1 })
    await narrow.close()
  })

  test('the deadline of a call is the statement timeout', async () => {
    const late = db.family(callOf({ deadline: Date.now() + 200 }), tx => tx.many(sql`select pg_sleep(600)`))
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    const alone = db.familyRows(callOf({ deadline: Date.now() + 200 }), () => sql`select pg_sleep(600)`)
    await expect(alone).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  test('a statement alone sees its family only, and the next user of its connection sees none', async () => {
    await insert(hana, 50, 'ours')
    await insert(yui, 50, 'theirs')
    const narrow = new Db(database.url('one'), { max: 1 })
    const seen = await narrow.familyRows(hana, id => sql`select text, ${id} as asked from one.notes where id = 50`)
    expect(seen).toEqual([{ text: 'ours', asked: hana }])
    expect(await narrow.unscoped(undefined, tx => tx.many(sql`select 1 from one.notes`))).toEqual([])
    await narrow.close()
  })

  test('one family that waits for its lock leaves connections to the others', async () => {
    const small = new Db(database.url('one'), { max: 4 })
    const lock = sql`select pg_advisory_xact_lock(4711)`
    let release: () => void = () => undefined
    const held = new Promise<void>(resolve => (release = resolve))
    let locked = false
    const crowd = [0, 1, 2, 3, 4, 5].map(() =>
      small.family(hana, async tx => {
        await tx.many(lock)
        locked = true
        await held
      }),
    )
    await vi.waitUntil(() => locked, { timeout: 20_000 })
    expect(await small.familyRows(yui, id => sql`select ${id} as family`)).toEqual([{ family: yui }])
    const late = small.family(hana, tx => tx.many(lock), { signal: AbortSignal.timeout(50) })
    await expect(late).rejects.toThrow()
    release()
    await Promise.all(crowd)
    await small.close()
  })

  test('a statement that comes after its transaction was given up takes no connection with it', async () => {
    const narrow = new Db(database.url('one'), { max: 1 })
    let late: Promise<unknown> = Promise.resolve()
    const given = narrow.family(hana, async tx => {
      late = new Promise(resolve => setImmediate(resolve))
        .then(() => tx.one(sql`select 1 as one`))
        .catch((error: Error) => error.message)
      throw new Error('changed my mind')
    })
    await expect(given).rejects.toThrow('changed my mind')
    expect(await late).toBe('the transaction is over')
    expect(await narrow.familyRows(hana, () => sql`select 2 as two`)).toEqual([{ two: 2 }])
    await narrow.close()
  })

  test('a statement alone commits, or changes nothing and leaves the connection usable', async () => {
    const narrow = new Db(database.url('one'), { max: 1 })
    const add = (id: number) => (familyId: string) =>
      sql`insert into one.notes (family_id, id, text) values (${familyId}, ${id}, 'x') returning id`
    expect(await narrow.familyRows(hana, add(60))).toEqual([{ id: 60 }])
    const again: unknown = await narrow.familyRows(hana, add(60)).catch((e: unknown) => e)
    expect(isUniqueViolation(again, 'notes_pkey')).toBe(true)
    expect(await narrow.familyRows(hana, () => sql`select text from one.notes where id = 60`)).toEqual([{ text: 'x' }])
    await narrow.close()
  })

  test('statements given at once run in one transaction, and none outlives the one that failed first', async () => {
    const add = (id: number, text: string | null) =>
      sql`insert into one.notes (family_id, id, text) values (${hana}, ${id}, ${text})`
    await db.family(hana, tx => Promise.all([tx.changed(add(70, 'a')), tx.changed(add(71, 'b'))]))
    const failing = db.family(hana, async tx => {
      const [first] = await Promise.allSettled([tx.changed(add(72, null)), tx.changed(add(73, 'c'))])
      if (first.status === 'rejected') throw first.reason
    })
    await expect(failing).rejects.toThrow('null value')
    const there = await db.familyRows(hana, () => sql`select id from one.notes where id between 70 and 73 order by id`)
    expect(there).toEqual([{ id: 70 }, { id: 71 }])
  })

  test('a transaction that asks nothing is none', async () => {
    expect(await db.family(hana, () => Promise.resolve('nothing'))).toBe('nothing')
  })

  test('a statement does not run when what leads it fails', async () => {
    const client = new pg.Client(database.adminUrl)
    await client.connect()
    const statement = sql`insert into one.notes (family_id, id, text) values (${hana}, 80, 'x')`.toQuery()
    await expect(runLed(client, ['begin', 'select 1 / 0'], statement)).rejects.toThrow('division by zero')
    await client.query('rollback')
    await expect(runLed(client, ['select 1 / 0'], statement)).rejects.toThrow('division by zero')
    expect(await runLed(client, ['select 1, 2'], { text: 'select 3 as three', values: [] })).toMatchObject({
      rows: [[3]],
    })
    await client.end()
    expect(await db.familyRows(hana, () => sql`select 1 from one.notes where id = 80`)).toEqual([])
  })

  test('a transaction whose connection is lost at its first statement begins on another, and one that is lost later fails', async () => {
    const narrow = new Db(database.url('one'), { max: 1 })
    const pid = sql`select pg_backend_pid() as pid`
    const { pid: old } = await narrow.family(hana, tx => tx.one<{ pid: number }>(pid))
    // Ends its own connection, but only that first one.
    const end = sql`select pg_backend_pid() as pid, case when pg_backend_pid() = ${old} then pg_terminate_backend(${old}) end`
    const other = await narrow.family(hana, tx => tx.one<{ pid: number }>(end))
    expect(other.pid).not.toBe(old)
    const later = narrow.family(hana, async tx => {
      const now = await tx.one<{ pid: number }>(pid)
      await tx.many(sql`select pg_terminate_backend(${now.pid})`)
    })
    await expect(later).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' })
    expect(await narrow.family(hana, tx => tx.one(sql`select 1 as one`))).toEqual({ one: 1 })
    await narrow.close()
  })
})

test('the pool survives a crash and a restart of the server', { timeout: 60_000 }, async () => {
  const server = await startTestServer()
  const pool = new Db(server.adminUrl, { max: 2, connectTimeoutMs: 15_000 })
  const listener = await pool.dedicated('test')
  await pool.family(hana, tx => tx.many(sql`select 1`))
  await server.stop('crash')
  await vi.waitUntil(() => listener.lost, { timeout: 20_000 })
  const waiting = pool.family(hana, tx => tx.one(sql`select 1 as one`))
  const refused = new Db(server.adminUrl, { connectTimeoutMs: 100 })
  const error: unknown = await refused.ping().catch((e: unknown) => e)
  expect(KeepsakeError.is(error) && error.reason).toBe('DATABASE_UNAVAILABLE')
  await server.start()
  expect(await waiting).toEqual({ one: 1 })
  await Promise.all([pool.close(), refused.close()])
  await server.close()
})

describe('migrations', () => {
  const run = (dir: string) => migrate({ url: database.ownerUrl, dir, schema: 'two', role: 'keepsake_two' })

  test('each file runs once; a changed, missing or misnumbered file is refused; a failing one leaves nothing', async () => {
    const first = 'create table two.secrets (id int primary key)'
    const second = { '0001_secrets.sql': first, '0002_more.sql': 'create table two.more (id int)' }
    expect(await run(await folder(second))).toEqual({ applied: ['0002_more.sql'] })
    expect(await run(await folder(second))).toEqual({ applied: [] })
    expect(await database.db('two').family(hana, tx => tx.many(sql`select * from two.more`))).toEqual([])

    await expect(run(await folder({ ...second, '0001_secrets.sql': `${first} ` }))).rejects.toThrow('was changed after')
    await expect(run(await folder({ '0001_secrets.sql': first }))).rejects.toThrow('made by a newer version')
    await expect(run(await folder({ ...second, '0004_gap.sql': '' }))).rejects.toThrow('count up from 0001')
    const broken = { ...second, '0003_broken.sql': 'create table two.half (id int); select 1/0' }
    await expect(run(await folder(broken))).rejects.toThrow(
      '0003_broken.sql failed and was rolled back: division by zero',
    )
    expect(await database.rows(`select to_regclass('two.half') as half`)).toEqual([{ half: null }])
  })

  test('a build is told what the database lacks or has in another form; one that is older than the database is not', async () => {
    const applied = async (schema: string, files: Record<string, string>) =>
      migrationsApplied(db, schema, pathToFileURL(await folder(files)))()
    await applied('one', { '0001_notes.sql': notes })
    await applied('one', {}) // an older build, which knows less
    await expect(applied('one', { '0001_notes.sql': notes, '0002_more.sql': 'select 1' })).rejects.toThrow(
      'one lacks 0002_more.sql',
    )
    await expect(applied('one', { '0001_notes.sql': `${notes} ` })).rejects.toThrow('was applied in another form')
    await expect(applied('three', { '0001_notes.sql': notes })).rejects.toThrow('three lacks 0001_notes.sql')
  })

  test('several processes that start together apply a file once', async () => {
    const dir = await folder({
      '0001_secrets.sql': 'create table two.secrets (id int primary key)',
      '0002_more.sql': 'create table two.more (id int)',
      '0003_third.sql': 'create table two.third (id int)',
    })
    const results = await Promise.all([run(dir), run(dir), run(dir)])
    expect(results.flatMap(r => r.applied)).toEqual(['0003_third.sql'])
  })
})
