import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { skipUnless, until } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { clusterView } from './kafka-wire.js'
import type { Part } from './part.js'
import { startStack, type Stack } from './stack.js'
import { cacheFolder, kafkaLibs, missingFor } from './tools.js'

const cache = cacheFolder()
const missing = (['kafka', 'minio'] as const).flatMap(part => missingFor(part, cache))
const { describe, test } = skipUnless(missing.length === 0, missing.join(', '))

describe('a stack with three brokers', () => {
  let home: string
  let stack: Stack
  beforeAll(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'keepsake-stack-'))
    stack = await startStack({ home, brokers: 3, parts: ['kafka', 'minio'] })
  }, 240_000)
  afterAll(async () => {
    await stack?.close('kill')
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  })

  const broker = (id: number): Part => {
    const part = stack.kafka[id - 1]
    if (!part) throw new Error(`no broker ${id}`)
    return part
  }
  const kafka = (tool: string, args: string[], input = '') =>
    java(tool, ['--bootstrap-server', stack.state().kafka, ...args], input)
  // acks=all, and the patience to wait until another broker leads.
  const properties = ['acks=all', 'request.timeout.ms=5000', 'delivery.timeout.ms=60000', 'retries=1000'].flatMap(
    property => ['--producer-property', property],
  )
  const produce = (from: number) =>
    kafka(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--topic', 'proof', '--sync', '--timeout', '0', ...properties],
      Array.from({ length: 50 }, (_, i) => `message ${from + i}\n`).join(''),
    )
  const topic = async () => {
    const said = await kafka('org.apache.kafka.tools.TopicCommand', ['--describe', '--topic', 'proof'])
    return {
      leader: Number(/Leader: (\d)/.exec(said)?.[1]),
      inSync: (/Isr: ([\d,]+)/.exec(said)?.[1] ?? '').split(',').map(Number).sort(),
    }
  }

  test('every broker knows all three; a topic is kept three times unless it says otherwise', async () => {
    await until(async () => (await clusterView(broker(1).port)).brokers.length === 3, { deadlineMs: 30_000 })
    await kafka('org.apache.kafka.tools.TopicCommand', ['--create', '--topic', 'proof', '--partitions', '1'])
    expect((await topic()).inSync).toEqual([1, 2, 3])
  }, 120_000)

  test('the leader of a partition is killed: producing goes on, nothing is lost, and it comes back', async () => {
    await produce(0)
    const { leader } = await topic()
    await broker(leader).kill()
    await produce(50)
    expect((await topic()).inSync).not.toContain(leader)
    await broker(leader).start()
    await until(async () => (await topic()).inSync.length === 3, { deadlineMs: 60_000, everyMs: 500 })

    const said = await kafka('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--topic', 'proof', '--from-beginning', '--max-messages', '100', '--timeout-ms', '60000'],
    ])
    const got = said.split('\n').filter(line => line.startsWith('message '))
    expect(got).toEqual(Array.from({ length: 100 }, (_, i) => `message ${i}`))
  }, 240_000)

  test('a broker that is held still is put aside by the others, and returns when it goes on', async () => {
    const { leader } = await topic()
    const other = broker((leader % 3) + 1)
    broker(leader).pause()
    try {
      const seen = async () => (await clusterView(other.port)).brokers
      await until(async () => !(await seen()).includes(leader), { deadlineMs: 60_000, everyMs: 200 })
      broker(leader).resume()
      await until(async () => (await seen()).includes(leader), { deadlineMs: 60_000, everyMs: 200 })
    } finally {
      broker(leader).resume()
    }
  }, 180_000)

  test('MinIO is killed and starts again, and a request to it while it is held still is answered afterwards', async () => {
    const { minio } = stack
    if (!minio) throw new Error('no MinIO')
    const live = (ms: number) =>
      fetch(`http://127.0.0.1:${minio.port}/minio/health/live`, { signal: AbortSignal.timeout(ms) })
    await minio.kill()
    await expect(live(2_000)).rejects.toThrow()
    await minio.start()
    expect((await live(5_000)).ok).toBe(true)
    minio.pause()
    await expect(live(500)).rejects.toThrow()
    const patient = live(30_000)
    minio.resume()
    expect((await patient).ok).toBe(true)
  }, 120_000)
})

/** One of Kafka's own command-line tools; what it prints. */
async function java(main: string, args: string[], input: string): Promise<string> {
  const options = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=ERROR']
  const child = spawn('java', [...options, '-cp', `${kafkaLibs(cache)}/*`, main, ...args])
  let said = ''
  const take = (chunk: Buffer) => (said += chunk.toString())
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${main} ended with status ${code}:\n${said.slice(-3000)}`)
  return said
}
