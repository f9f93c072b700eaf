import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { provision } from '@keepsake/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres } from './postgres.js'

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
