import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, unprotectedTables, type FamilyTx } from '@keepsake/db'
import { startTelemetry, currentTrace, span } from '@keepsake/telemetry'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { MessagePattern } from '@nestjs/microservices'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contractSchema } from './testing/index.js'
import {
  eventConsumer,
  FacesDetected,
  MediaChanged,
  MediaIngested,
  OnEvent,
  OnEventWork,
  PostgresLog,
  publish,
  requestResync,
  type EventContext,
} from './index.js'

let database: TestDatabase
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-consumer-'))
  await writeFile(join(dir, '0001_contract.sql'), contractSchema)
  database = await testDatabase([{ name: 'contract', dir }])
})
afterAll(() => database.close())

const seen: { mediaId: string; traceId: string | undefined }[] = []

@Controller()
class Handlers {
  private readonly suffix = '!'

  @MessagePattern('/some.grpc/Method')
  grpc(): string {
    return 'not an event'
  }

  @OnEvent(MediaIngested)
  async ingested(e: MediaIngested, tx: FamilyTx, context: EventContext): Promise<void> {
    seen.push({ mediaId: e.mediaId + this.suffix, traceId: currentTrace()?.traceId })
    await tx.changed(
      sql`insert into contract.effects (family_id, key, version) values (${tx.familyId}, ${e.mediaId}, ${context.attempt})`,
    )
  }

  @OnEventWork(FacesDetected, { concurrency: 2 })
  async detected(e: FacesDetected, context: EventContext): Promise<(tx: FamilyTx) => Promise<void>> {
    if (e.mediaId === 'shaky' && context.attempt === 1) throw new Error('shaky')
    return async tx => {
      await tx.changed(
        sql`insert into contract.items (family_id, id, faces) values (${tx.familyId}, ${e.mediaId}, ${e.faces})`,
      )
    }
  }
}

@Module({ controllers: [Handlers] })
class HandlersModule {}

test('handlers of a Nest controller take events in, in the trace of who published, and resync publishes the present again', async () => {
  const telemetry = startTelemetry('contract', {})
  const db = database.db('contract')
  const familyId = randomUUID()
  let asked = 0
  const strategy = eventConsumer({
    group: 'contract',
    log: new PostgresLog(db, { pollMs: 50 }),
    db,
    retry: { baseMs: 1 },
    resync: [
      {
        topic: MediaChanged,
        families: async () => [familyId],
        publish: async tx => {
          asked++
          await publish(tx, MediaIngested, { mediaId: 'again', version: 1, kind: 'photo' })
        },
      },
    ],
  })
  const app = await NestFactory.createMicroservice(HandlersModule, { strategy, logger: false })
  await requestResync(db, MediaChanged)
  await app.listen()
  const traceId = await span('import', async () => {
    await db.family(familyId, async tx => {
      await publish(tx, MediaIngested, { mediaId: 'one', version: 1, kind: 'photo' })
      await publish(tx, FacesDetected, { mediaId: 'shaky', version: 1, faces: 3 })
    })
    return currentTrace()?.traceId
  })
  expect(traceId).toBeDefined()
  await until(async () => asked === 1 && (await strategy.pending(familyId)) === 0)
  expect(seen).toContainEqual({ mediaId: 'one!', traceId })
  const rows = await db.family(familyId, tx => tx.many(sql`select id, faces from contract.items`))
  expect(rows).toEqual([{ id: 'shaky', faces: 3 }])
  await app.close()
  await telemetry.shutdown()
})

test('every shared table is protected, and a service keeps the books of its own groups only', async () => {
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
  const db = database.db('contract')
  const foreign = db.system('test', tx => tx.changed(sql`insert into events.cursors values ('other', 't', 0, '0', 0)`))
  await expect(foreign).rejects.toThrow('row-level security')
  await expect(db.system('test', tx => tx.changed(sql`delete from events.outbox`))).rejects.toThrow('permission denied')
})

test('pruning removes what every group has taken in, and nothing else', async () => {
  const db = database.db('contract')
  const log = new PostgresLog(db, { pollMs: 20, keepPlaceMs: 20 })
  const familyId = randomUUID()
  await db.family(familyId, tx => publish(tx, MediaChanged, { mediaIds: [], version: 1, what: [] }))
  const consumer = await log.subscribe({
    group: 'contract.late',
    subscriptions: [{ topic: MediaChanged, handle: async () => undefined }],
  })
  await until(async () => (await log.pending('contract.late', familyId)) === 0)
  await consumer.close()
  const kept = await db.family(familyId, tx => publish(tx, MediaChanged, { mediaIds: [], version: 2, what: [] }))
  await log.prune(0)
  const left = await db.family(familyId, tx => tx.many<{ eventId: string }>(sql`select event_id from events.outbox`))
  expect(left).toEqual([{ eventId: kept }])
})
