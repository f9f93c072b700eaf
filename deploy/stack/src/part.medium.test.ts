import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect } from 'node:net'
import { Db, sql } from '@keepsake/db'
import { until } from '@keepsake/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stackCommand } from './command.js'
import { freePorts } from './ports.js'
import { beganAt, isRunning } from './processes.js'
import { readStackFile, writeStackFile } from './stack-file.js'
import { stackFileOf, startStack, type Stack } from './stack.js'

// The parts are alike; Postgres is the one that every machine has.
let home: string
let stack: Stack | undefined
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'keepsake-stack-'))
})
afterEach(async () => {
  await stack?.close('kill')
  stack = undefined
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

const start = async () => (stack = await startStack({ home, parts: ['postgres'] }))

/** What a fresh connection reads. */
async function ask<T>(running: Stack, work: (db: Db) => Promise<T>): Promise<T> {
  const db = new Db(running.state().postgres.adminUrl)
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

const rows = (running: Stack) =>
  ask(running, db =>
    db.system('a test reads', async tx => (await tx.one<{ n: number }>(sql`select count(*) as n from kept`)).n),
  )

test('a part that is killed starts again on its port with its data; it can be held still and go on', async () => {
  const running = await start()
  const part = running.postgres
  if (!part) throw new Error('no Postgres')
  await ask(running, db => db.system('a test writes', tx => tx.changed(sql`create table kept as select 1 as id`)))
  const { pid, port } = part

  await part.kill()
  expect(part.running).toBe(false)
  await expect(ask(running, async () => rows(running))).rejects.toThrow()
  await part.start()
  expect(part.pid).not.toBe(pid)
  expect(part.port).toBe(port)
  expect(await rows(running)).toBe(1)

  part.pause()
  expect(await answers(port, 300)).toBe(false)
  part.resume()
  expect(await until(() => answers(port, 300))).toBe(true)
  expect(await rows(running)).toBe(1)

  expect(await part.stop()).toBe(true)
  await running.close()
  expect((await start()).postgres?.port).toBe(port)
  expect(await rows(stack as Stack)).toBe(1)
})

test('parts end with the process that started them, even when that is killed', async () => {
  const script = `
    const { startStack } = await import(${JSON.stringify(new URL('./stack.js', import.meta.url).href)})
    const stack = await startStack({ home: ${JSON.stringify(home)}, parts: ['postgres'] })
    console.log('started')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until(() => said.includes('started'), { deadlineMs: 25_000 })
  const [part] = readStackFile(stackFileOf(home)).parts
  if (!part) throw new Error('no part')
  expect(isRunning(part)).toBe(true)
  child.kill('SIGKILL')
  await until(() => !isRunning(part), { deadlineMs: 10_000, what: 'the end of Postgres' })
})

test('down leaves a stranger alone that has the number of a part of ours', async () => {
  const running = await start()
  const state = running.state()
  const stranger = { name: 'kafka', pid: process.pid, began: 'another time', port: 20_000, data: home, log: home }
  writeStackFile(running.file, { ...state, parts: [...state.parts, stranger] })
  const said: string[] = []
  const command = (...args: string[]) =>
    stackCommand([...args, '--home', home], { cwd: '/', root: '/', say: line => said.push(line) })

  expect(await command('status')).toBe(1)
  expect(said.join('\n')).toMatch(/^kafka +ENDED .*\n?/m)
  expect(said.join('\n')).toMatch(/^postgres +runs /m)
  said.length = 0
  expect(await command('down')).toBe(0)
  expect(said.sort()).toEqual(['kafka had ended already', 'postgres ended'])
  expect(beganAt(process.pid)).toBeDefined()
  expect(await command('status')).toBe(1)
})

test('a port that is taken and a number of brokers that does not fit are said in one sentence', async () => {
  const [port = 0] = await freePorts(1)
  const blocker = await startStack({ home: path.join(home, 'first'), parts: ['postgres'], ports: { postgres: port } })
  try {
    const second = startStack({ home: path.join(home, 'second'), parts: ['postgres'], ports: { postgres: port } })
    await expect(second).rejects.toThrow(`Taken by another program: port ${port} of postgres.`)
    const other = startStack({ home: path.join(home, 'first'), parts: ['postgres'], brokers: 3 })
    await expect(other).rejects.toThrow(/has 1 Kafka broker\(s\), not 3/)
  } finally {
    await blocker.close('kill')
  }
})

test('a part that cannot start says why, and leaves nothing running', async () => {
  const data = path.join(home, 'data')
  const first = await startStack({ home, parts: ['postgres'], data: { postgres: data } })
  await first.close()
  writeFileSync(path.join(data, 'cluster', 'postgresql.conf'), 'no_such_setting = on\n')
  await expect(startStack({ home, parts: ['postgres'], data: { postgres: data } })).rejects.toThrow(
    /postgres ended while it started .*no_such_setting/s,
  )
})

/** Whether a Postgres answers the first packet of a connection in time. */
const answers = (port: number, ms: number) =>
  new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket.setTimeout(ms, () => (socket.destroy(), resolve(false)))
    socket.once('data', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
