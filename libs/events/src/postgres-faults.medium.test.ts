import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Db, migrate, provision, sql } from '@keepsake/db'
import { seededRandom, startTestServer, testDatabase, until } from '@keepsake/testing'
import { expect, test } from 'vitest'
import { MediaIngested, PostgresLog, publish, takeIn, type Subscription } from './index.js'
import { contractSchema } from './testing/index.js'

const child = fileURLToPath(new URL('./testing/consume-child.js', import.meta.url))
const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const versions = 25

async function schema(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-faults-'))
  await writeFile(join(dir, '0001_contract.sql'), contractSchema)
  return dir
}

const publishAll = (db: Db, familyId: string) =>
  Promise.all(
    keys.map(async mediaId => {
      for (let version = 1; version <= versions; version++)
        await db.family(familyId, tx => publish(tx, MediaIngested, { mediaId, version, kind: 'photo' }))
    }),
  )

const effects = (db: Db, familyId: string) =>
  db.family(familyId, tx =>
    tx.many<{ key: string; version: number }>(sql`
      select key, version from contract.effects where family_id = ${familyId} order by seq`),
  )

const recording = (db: Db): Subscription => ({
  topic: MediaIngested,
  handle: (event, attempt, signal) =>
    takeIn(
      db,
      'contract',
      MediaIngested,
      {
        mode: 'effect',
        deadlineMs: 10_000,
        handler: async (message, tx) => {
          await tx.changed(sql`
            insert into contract.effects (family_id, key, version) values (${tx.familyId}, ${message.mediaId}, ${message.version})`)
        },
      },
      event,
      attempt,
      signal,
    ),
})

async function expectEachOnceInOrder(db: Db, familyId: string): Promise<void> {
  await until(async () => (await effects(db, familyId)).length >= keys.length * versions, { deadlineMs: 30_000 })
  const seen = await effects(db, familyId)
  expect(seen).toHaveLength(keys.length * versions)
  for (const key of keys)
    expect(seen.filter(e => e.key === key).map(e => e.version)).toEqual(
      Array.from({ length: versions }, (_, i) => i + 1),
    )
}

test('kill -9 at random moments: every event has its effect once, in order per key', { timeout: 90_000 }, async () => {
  const random = seededRandom(20_261)
  const database = await testDatabase([{ name: 'contract', dir: await schema() }])
  const db = database.db('contract')
  const familyId = randomUUID()
  await publishAll(db, familyId)
  for (let round = 0; round < 4; round++) {
    const worker = spawn(process.execPath, [child, database.url('contract')], { stdio: ['ignore', 'pipe', 'ignore'] })
    const gone = new Promise(resolve => worker.once('exit', resolve))
    const enough = random.integer(1, 30)
    let took = 0
    worker.stdout.on('data', (chunk: Buffer) => {
      took += chunk.toString().split('\n').length - 1
      if (took >= enough) worker.kill('SIGKILL')
    })
    await gone
  }
  const consumer = await new PostgresLog(db, { pollMs: 50, rebalanceMs: 100 }).subscribe({
    group: 'contract',
    subscriptions: [recording(db)],
  })
  await expectEachOnceInOrder(db, familyId)
  await consumer.close()
  await database.close()
})

test('what is written is announced: a reader that never looks by itself takes every event in', async () => {
  const database = await testDatabase([{ name: 'contract', dir: await schema() }])
  const db = database.db('contract')
  const familyId = randomUUID()
  const consumer = await new PostgresLog(db, { pollMs: 3_600_000, rebalanceMs: 100 }).subscribe({
    group: 'contract',
    subscriptions: [recording(db)],
  })
  try {
    // The first one finds the group reading, or is found by its first look; those after it are only announced.
    const mediaId = keys[0] ?? ''
    for (let version = 1; version <= 5; version++) {
      await db.family(familyId, tx => publish(tx, MediaIngested, { mediaId, version, kind: 'photo' }))
      await until(async () => (await effects(db, familyId)).length === version, { deadlineMs: 10_000 })
    }
    await publishAll(db, familyId)
    await until(async () => (await effects(db, familyId)).length === 5 + keys.length * versions, { deadlineMs: 30_000 })
  } finally {
    await consumer.close()
    await database.close()
  }
})

test('a database that goes away and comes back: consumers find their place again', { timeout: 90_000 }, async () => {
  const server = await startTestServer()
  const { ownerUrl, urls } = await provision({
    adminUrl: server.adminUrl,
    services: ['contract'],
    database: 'keepsake',
  })
  const events = fileURLToPath(new URL('../migrations', import.meta.url))
  await migrate({ url: ownerUrl, dir: events, schema: 'events' })
  await migrate({ url: ownerUrl, dir: await schema(), schema: 'contract', role: 'keepsake_contract' })
  const db = new Db(urls['contract'] ?? '', { connectTimeoutMs: 20_000 })
  const familyId = randomUUID()
  const consumer = await new PostgresLog(db, { pollMs: 50, rebalanceMs: 100 }).subscribe({
    group: 'contract',
    subscriptions: [recording(db)],
    retry: { baseMs: 10, parkedMs: [50, 50, 50, 50, 50] },
  })
  await publishAll(db, familyId)
  await server.stop('orderly')
  await server.start()
  await expectEachOnceInOrder(db, familyId)
  await consumer.close()
  await db.close()
  await server.close()
})

test('a long transaction holds readers up in its own database only', async () => {
  const [database, neighbour] = [
    await testDatabase([{ name: 'contract', dir: await schema() }]),
    await testDatabase([{ name: 'contract', dir: await schema() }]),
  ]
  const db = database.db('contract')
  const familyId = randomUUID()
  let release: () => void = () => undefined
  const gate = new Promise<void>(resolve => (release = resolve))
  const insert = (key: string) => sql`
    insert into contract.effects (family_id, key, version) values (${familyId}, ${key}, 1)`
  let writing = 0
  const long = neighbour.db('contract').family(familyId, async tx => {
    await tx.changed(insert('far'))
    writing++
    await gate
  })
  await until(() => writing === 1)
  const consumer = await new PostgresLog(db, { pollMs: 50 }).subscribe({
    group: 'contract',
    subscriptions: [recording(db)],
  })
  await db.family(familyId, tx => publish(tx, MediaIngested, { mediaId: 'a', version: 1, kind: 'photo' }))
  await until(async () => (await effects(db, familyId)).length === 1)

  const own = db.family(familyId, async tx => {
    await tx.changed(insert('near'))
    writing++
    await gate
    await publish(tx, MediaIngested, { mediaId: 'a', version: 2, kind: 'photo' })
  })
  await until(() => writing === 2)
  await db.family(familyId, tx => publish(tx, MediaIngested, { mediaId: 'b', version: 3, kind: 'photo' }))
  const handled = async () => (await effects(db, familyId)).filter(e => e.key !== 'near').map(e => e.version)
  expect(await handled()).toEqual([1])
  release()
  await Promise.all([long, own])
  await until(async () => (await handled()).length === 3)
  expect([...(await handled())].sort()).toEqual([1, 2, 3])
  await consumer.close()
  await Promise.all([database.close(), neighbour.close()])
})
