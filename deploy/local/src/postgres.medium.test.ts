import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Db, provision, sql } from '@keepsake/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '@keepsake/testing'
import { databaseDelayMs, startPostgres } from './postgres.js'

let home: string
beforeAll(() => {
  home = mkdtempSync(path.join(tmpdir(), 'keepsake-runner-')) // for its owner only, also when the server runs as another user
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const pidOf = () => Number(readFileSync(path.join(home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])

test('the server keeps its data over a restart, and over kill -9 of the process that held it', async () => {
  const first = await startPostgres(home, 'p w')
  const made = await provision({ adminUrl: first.adminUrl, services: ['album'], database: 'keepsake' })
  expect(made.urls['album']).toContain('keepsake_album')
  await first.stop()

  const script = `
    const { startPostgres } = await import(${JSON.stringify(new URL('./postgres.js', import.meta.url).href)})
    await startPostgres(${JSON.stringify(home)}, 'p w')
    process.kill(process.pid, 'SIGKILL')`
  await new Promise(resolve =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }).once('exit', resolve),
  )

  const again = await startPostgres(home, 'p w')
  await provision({ adminUrl: again.adminUrl, services: ['album'], database: 'keepsake' })
  await again.stop()
})

test('kill -9 of the server: it is started again on its port, commits are there, a pool goes on', async () => {
  const told: string[] = []
  const server = await startPostgres(home, 'p w', {
    ended: () => told.push('ended'),
    restarted: () => told.push('restarted'),
  })
  const db = new Db(server.adminUrl, { max: 2, connectTimeoutMs: 30_000 })
  const family = '0190a5d4-0000-7000-8000-000000000001'
  await db.family(family, tx => tx.changed(sql`create table kept (id int)`))
  for (const times of [1, 2]) {
    await db.family(family, tx => tx.changed(sql`insert into kept values (${times})`))
    process.kill(pidOf(), 'SIGKILL')
    await until(() => server.restarts() === times, { deadlineMs: 30_000 })
    expect(await db.family(family, tx => tx.one(sql`select count(*) as n from kept`))).toEqual({ n: times })
  }
  expect(told).toEqual(['ended', 'restarted', 'ended', 'restarted'])
  await db.close()
  await server.stop()
  expect(told.length).toBe(4) // an ordered stop is no end by itself
})

test('the pauses between starts grow to five seconds', () => {
  expect([1, 2, 3, 6, 100].map(databaseDelayMs)).toEqual([200, 400, 800, 5_000, 5_000])
})

test('a stale postmaster.pid with the number of a stranger does not stop the start', async () => {
  const file = path.join(home, 'postgres/data/postmaster.pid')
  writeFileSync(file, `${process.pid}\n${path.join(home, 'postgres/data')}\n1\n5432\n\n127.0.0.1\n  0 0\nready   \n`)
  const server = await startPostgres(home, 'p w')
  expect(pidOf()).not.toBe(process.pid)
  await server.stop()
})

test('the files of another major version are left alone, with one sentence', async () => {
  const file = path.join(home, 'postgres/data/PG_VERSION')
  writeFileSync(file, '15\n')
  await expect(startPostgres(home, 'p w')).rejects.toThrow(/old schema of Postgres 15/)
  writeFileSync(file, '18\n')
})
