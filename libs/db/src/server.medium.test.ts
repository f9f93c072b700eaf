import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeepsakeError } from '@keepsake/rpc'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Db, migrate, MigrationError, openDb, provision, sql } from './index.js'
import { startTestServer, type TestServer } from './testing/index.js'

const family = '0190a5d4-0000-7000-8000-000000000001'

/** A promise and how to fulfil it. */
function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>(done => (resolve = done))
  return { promise, resolve }
}

describe('one server', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ durable: true })
  })
  afterAll(() => server?.close())

  test('stopped and started under load: calls with a short deadline fail UNAVAILABLE and may be repeated, all go on', async () => {
    const pool = new Db(server.adminUrl, { max: 4 })
    await pool.family(family, tx => tx.changed(sql`create table load (worker int, n int, primary key (worker, n))`))
    const stop = new AbortController()
    const failures: unknown[] = []
    const kept = new Map<number, number[]>()
    const workers = Array.from({ length: 12 }, async (_, worker) => {
      const mine: number[] = []
      kept.set(worker, mine)
      for (let n = 0; !stop.signal.aborted; n++) {
        // The number is written again until it is known to be there: what a lost commit leaves open is settled by the key.
        for (;;) {
          const call = {
            caller: { kind: 'service', service: 'test', familyId: family },
            deadline: Date.now() + 400,
            signal: AbortSignal.timeout(400),
          } as const
          try {
            await pool.family(call, tx =>
              tx.changed(sql`insert into load values (${worker}, ${n}) on conflict do nothing`),
            )
            mine.push(n)
            break
          } catch (error) {
            failures.push(error)
          }
        }
      }
    })
    const enough = async (more: number) => {
      const before = [...kept.values()].map(each => each.length)
      await vi.waitUntil(() => [...kept.values()].every((each, i) => each.length >= (before[i] ?? 0) + more), {
        timeout: 20_000,
      })
    }
    await enough(5)
    await server.stop('crash')
    await vi.waitUntil(() => failures.length >= 24, { timeout: 20_000 })
    await server.start()
    await enough(5)
    await server.stop('orderly')
    await server.start()
    await enough(5)
    stop.abort()
    await Promise.all(workers)
    const there = await pool.family(family, tx =>
      tx.many<{ worker: number; count: number }>(
        sql`select worker, count(*) from load group by worker order by worker`,
      ),
    )
    expect(there).toEqual([...kept].map(([worker, numbers]) => ({ worker, count: numbers.length })))
    // Whoever waited for the server hears UNAVAILABLE; a deadline that ran out in the middle of a statement is the deadline.
    const codes = new Set(
      failures.map(error => (KeepsakeError.is(error) ? `${error.code} ${error.retryable}` : (error as Error).name)),
    )
    expect(codes).toContain('UNAVAILABLE true')
    expect([...codes].filter(code => !/^(UNAVAILABLE true|DEADLINE_EXCEEDED .*|TimeoutError)$/.test(code))).toEqual([])
    await pool.close()
  }, 90_000)

  test('limits of the environment: pool, statements, locks, idle transactions', async () => {
    const db = openDb(
      {
        KEEPSAKE_DATABASE_URL: server.adminUrl,
        KEEPSAKE_DATABASE_POOL_MAX: '2',
        KEEPSAKE_DATABASE_STATEMENT_TIMEOUT_MS: '3000',
        KEEPSAKE_DATABASE_LOCK_TIMEOUT_MS: '200',
        KEEPSAKE_DATABASE_IDLE_TRANSACTION_MS: '1000',
      },
      { name: 'limits', max: 8 },
    )
    const shown = await db.family(family, tx =>
      tx.one(sql`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('idle_in_transaction_session_timeout') as idle`),
    )
    expect(shown).toEqual({ statement: '3s', lock: '200ms', idle: '1s' })

    // The pool: at most two connections, a third call waits for one, but not beyond its deadline.
    const open = gate()
    const holding = [1, 2].map(() => db.family(family, () => open.promise))
    const late = {
      caller: { kind: 'service', service: 'test', familyId: family },
      signal: AbortSignal.timeout(5_000),
    } as const
    await expect(db.family({ ...late, deadline: Date.now() + 200 }, tx => tx.one(sql`select 1`))).rejects.toMatchObject(
      { code: 'UNAVAILABLE', retryable: true },
    )
    const waiting = db.family(family, tx => tx.one(sql`select 1 as one`))
    open.resolve()
    expect(await waiting).toEqual({ one: 1 })
    await Promise.all(holding)

    // A lock that somebody holds.
    const taken = gate()
    const free = gate()
    const holder = db.family(family, async tx => {
      await tx.one(sql`select pg_advisory_xact_lock(1)`)
      taken.resolve()
      await free.promise
    })
    await taken.promise
    await expect(db.family(family, tx => tx.one(sql`select pg_advisory_xact_lock(1)`))).rejects.toMatchObject({
      code: 'ABORTED',
      reason: 'CONFLICT',
    })
    free.resolve()
    await holder

    // A transaction that falls asleep is ended by the server.
    const asleep = db.family(family, async tx => {
      await vi.waitUntil(
        () =>
          tx.one(sql`select 1`).then(
            () => false,
            () => true,
          ),
        { timeout: 10_000, interval: 1_500 },
      )
      throw new Error('ended')
    })
    await expect(asleep).rejects.toThrow()
    await db.close()
  })

  test('a process that finds another one migrating waits, and gives up with a sentence when that lasts', async () => {
    const { ownerUrl } = await provision({ adminUrl: server.adminUrl, services: [], database: 'waiting' })
    const dir = mkdtempSync(join(tmpdir(), 'keepsake-none-'))
    const owner = new Db(ownerUrl)
    const other = await owner.dedicated('another migration')
    await other.many(sql`select pg_advisory_lock(7305002)`)
    const run = (waitMs: number) => migrate({ url: ownerUrl, dir, schema: 'db', waitMs })
    const impatient = run(200)
    await expect(impatient).rejects.toThrow(MigrationError)
    await expect(impatient).rejects.toThrow(/another process has been migrating/)
    const patient = run(20_000).catch((error: unknown) => error)
    await other.close()
    expect(await patient).toBeInstanceOf(MigrationError) // it came in: the empty folder does not know what is applied
    expect(String(await patient)).toMatch(/made by a newer version/)
    await owner.close()
    rmSync(dir, { recursive: true })
  })
})
