import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { sql, type Db } from '@keepsake/db'
import { seededRandom, skipUnless, until } from '@keepsake/testing'
import type { KafkaMessage } from 'kafkajs'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { MediaIngested, publish, takeIn, type Consumer, type Relay, type Subscription } from './index.js'
import { KafkaSender } from './kafka-client.js'
import { OutboxRelay } from './outbox-relay.js'
import { contractTopics, kafkaCorner, quick, testKafka, type KafkaCorner } from './testing/kafka-harness.js'

const brokers = testKafka()
const { describe, test } = skipUnless(brokers !== undefined, 'KEEPSAKE_TEST_KAFKA names no Kafka')
const child = fileURLToPath(new URL('./testing/consume-child.js', import.meta.url))
const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const group = 'contract'

const say = (db: Db, familyId: string, mediaId: string, version: number) =>
  db.family(familyId, tx => publish(tx, MediaIngested, { mediaId, version, kind: 'photo' }))

const sayAll = (db: Db, familyId: string, from: number, to: number) =>
  Promise.all(
    keys.map(async mediaId => {
      for (let version = from; version <= to; version++) await say(db, familyId, mediaId, version)
    }),
  )

const effects = (db: Db, familyId: string) =>
  db.family(familyId, tx =>
    tx.many<{ key: string; version: number }>(sql`
      select key, version from contract.effects where family_id = ${familyId} order by seq`),
  )

/** Writes each event down; `before` runs outside the transaction. */
const recording = (db: Db, before?: (version: number) => Promise<void>): Subscription => ({
  topic: MediaIngested,
  handle: (event, attempt, signal) =>
    takeIn(
      db,
      group,
      MediaIngested,
      {
        mode: 'work',
        deadlineMs: 10_000,
        handler: async message => {
          await before?.(message.version)
          return async tx => {
            await tx.changed(sql`
              insert into contract.effects (family_id, key, version) values (${tx.familyId}, ${message.mediaId}, ${message.version})`)
          }
        },
      },
      event,
      attempt,
      signal,
    ),
})

async function expectEachOnceInOrder(db: Db, familyId: string, versions: number, deadlineMs = 60_000): Promise<void> {
  const wanted = keys.length * versions
  await until(async () => (await effects(db, familyId)).length >= wanted, { deadlineMs, what: `${wanted} effects` })
  const seen = await effects(db, familyId)
  expect(seen).toHaveLength(wanted)
  for (const key of keys)
    expect(seen.filter(e => e.key === key).map(e => e.version)).toEqual(
      Array.from({ length: versions }, (_, i) => i + 1),
    )
}

describe('faults on Kafka', () => {
  let corner: KafkaCorner
  let relay: Relay
  let db: Db
  const open: Consumer[] = []
  beforeAll(async () => {
    corner = await kafkaCorner(brokers ?? [])
    db = corner.db
    relay = await corner.log().carry('contract', contractTopics)
  })
  afterAll(async () => {
    await relay?.close()
    await corner?.close()
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map(consumer => consumer.close()))
  })
  const subscribe = async (subscriptions: Subscription[], tuning = {}) => {
    const consumer = await corner.log(tuning).subscribe({
      group,
      subscriptions,
      concurrency: 8,
      retry: { inPlace: 2, baseMs: 1, capMs: 5, parkedMs: [50, 50] },
    })
    open.push(consumer)
    return consumer
  }

  /** Everything that a topic holds now. */
  async function contentOf(topic: string): Promise<KafkaMessage[]> {
    const ends = await corner.admin.fetchTopicOffsets(topic)
    const left = new Map(ends.filter(e => Number(e.high) > Number(e.low)).map(e => [e.partition, Number(e.high)]))
    const messages: KafkaMessage[] = []
    if (left.size === 0) return messages
    const consumer = corner.cluster.kafka.consumer({ groupId: `look-${randomUUID()}`, maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message, partition }) => {
        messages.push(message)
        if (Number(message.offset) + 1 >= (left.get(partition) ?? 0)) left.delete(partition)
      },
    })
    await until(() => left.size === 0)
    await consumer.disconnect()
    return messages
  }
  const header = (message: KafkaMessage | undefined, name: string) => message?.headers?.[name]?.toString()

  test('a consumer of a topic that is not there says so, and does not make it', async () => {
    const missing = { ...MediaIngested, name: 'media.misspelt' }
    const subscribing = corner.log().subscribe({ group, subscriptions: [{ topic: missing, handle: async () => {} }] })
    await expect(subscribing).rejects.toThrow(/no topic .*keepsake\.media\.misspelt\.v1.*keepsake-admin topics/)
    expect(await corner.admin.listTopics()).not.toContain(corner.cluster.names.topic(missing))
  })

  test('bytes that are no event go to the dead letters at once, with where they stood; what stands beside them goes on', async () => {
    const familyId = randomUUID()
    const sender = new KafkaSender(corner.cluster)
    const topic = corner.cluster.names.topic(MediaIngested)
    await sender.send([
      {
        topic,
        messages: [
          { key: 'a', partition: 0, value: Buffer.from('no headers at all'), headers: { note: 'nul \0 and \xff' } },
          { key: null, partition: 0, value: null },
        ],
      },
    ])
    await sender.close()
    await corner.publishRaw(familyId, MediaIngested, 'x', Buffer.from([0xff, 0xff, 0xff]))
    await subscribe([recording(db)])
    await say(db, familyId, 'a', 1)
    await until(async () => (await effects(db, familyId)).length === 1)
    const letters = await until(async () => {
      const all = await corner.log().deadLetters(group)
      return all.length === 3 && all
    })
    expect(letters.map(letter => letter.cause.reason)).toEqual(['UNDECODABLE', 'UNDECODABLE', 'UNDECODABLE'])
    const strangers = letters.filter(letter => letter.familyId !== familyId).map(letter => letter.origin)
    const first = Math.min(...strangers.map(origin => origin?.offset ?? NaN))
    expect(strangers.toSorted((x, y) => (x?.offset ?? 0) - (y?.offset ?? 0))).toEqual([
      { topic, partition: 0, offset: first },
      { topic, partition: 0, offset: first + 1 },
    ])
    const kept = await contentOf(corner.cluster.names.dead(group))
    const ours = kept.find(message => header(message, 'family_id') === familyId)
    expect(header(ours, 'reason')).toBe('UNDECODABLE')
    expect(header(ours, 'origin')).toMatch(new RegExp(`^${topic}/\\d/\\d+$`))
    expect(ours?.value).toEqual(Buffer.from([0xff, 0xff, 0xff]))
  })

  test('a failing event waits on the retry topic, then among the dead letters; replay takes it from there', async () => {
    const familyId = randomUUID()
    let broken = true
    await subscribe([
      recording(db, async version => {
        if (broken && version === 1) throw new Error('cannot digest this')
      }),
    ])
    await say(db, familyId, 'poison', 1)
    await say(db, familyId, 'poison', 2)
    await until(async () => (await corner.log().deadLetters(group, { familyId })).length === 1)
    await until(async () => (await effects(db, familyId)).length === 1)
    const waited = (await contentOf(corner.cluster.names.retry(group))).filter(m => header(m, 'family_id') === familyId)
    expect(waited.map(m => [header(m, 'attempts'), header(m, 'cause'), m.key?.toString()])).toEqual([
      ['2', 'cannot digest this', 'poison'],
      ['0', undefined, 'poison'],
    ])
    expect(new Date(header(waited[0], 'due') ?? '').getTime()).toBeGreaterThan(0)
    const [letter] = await corner.log().deadLetters(group, { familyId })
    expect(letter).toMatchObject({ attempts: 4, cause: { message: 'cannot digest this' }, key: 'poison' })
    broken = false
    expect(await corner.log().replay(group, { familyId })).toBe(1)
    await until(async () => (await effects(db, familyId)).length === 2)
    expect(await corner.log().deadLetters(group, { familyId })).toEqual([])
    const gone = (await contentOf(corner.cluster.names.dead(group))).filter(m => m.key?.toString() === letter?.eventId)
    expect(gone.at(-1)?.value).toBeNull()
    expect(await corner.log().pending(group, familyId)).toBe(0)
  })

  test('a parked event whose message never came to the retry topic is sent again from the books', async () => {
    const familyId = randomUUID()
    const eventId = await say(db, familyId, 'orphan', 1)
    await db.system('what a crash between book and topic leaves', tx =>
      tx.changed(sql`
        insert into events.parked (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at, next_at)
        select ${group}, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at, now()
        from events.outbox where event_id = ${eventId}`),
    )
    await subscribe([recording(db)], { resendMs: 200 })
    await until(async () => (await effects(db, familyId)).length === 1)
    await until(async () => (await corner.log().pending(group, familyId)) === 0)
  })

  test('kill -9 between effect and commit: every event has its effect once, in order per key', async () => {
    const random = seededRandom(20_262)
    const familyId = randomUUID()
    await sayAll(db, familyId, 1, 25)
    for (let round = 0; round < 2; round++) {
      const { brokers: at, prefix } = corner.address
      const worker = spawn(process.execPath, [child, corner.database.url(group), at.join(','), prefix ?? ''], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const gone = new Promise(resolve => worker.once('exit', resolve))
      const enough = random.integer(5, 60)
      let took = 0
      worker.stdout.on('data', (chunk: Buffer) => {
        took += chunk.toString().split('\n').length - 1
        if (took >= enough) worker.kill('SIGKILL')
      })
      const late = setTimeout(() => worker.kill('SIGKILL'), 20_000)
      await gone
      clearTimeout(late)
    }
    await subscribe([recording(db)])
    await expectEachOnceInOrder(db, familyId, 25)
  })

  test('members come and go while events flow: nothing is lost, nothing done twice, order per key stays', async () => {
    const random = seededRandom(7)
    const familyId = randomUUID()
    const slow = () => new Promise<void>(resolve => setTimeout(resolve, random.integer(0, 20)))
    await subscribe([recording(db, slow)])
    const flowing = sayAll(db, familyId, 1, 60)
    for (let change = 0; change < 5; change++) {
      const before = (await effects(db, familyId)).length
      if (open.length === 1 || random.next() < 0.5) await subscribe([recording(db, slow)])
      else if (change % 2 === 0) await open.shift()?.close()
      else await open.shift()?.abandon()
      const wanted = Math.min(keys.length * 60, before + 30)
      await until(async () => (await effects(db, familyId)).length >= wanted, { deadlineMs: 30_000 })
    }
    await flowing
    await expectEachOnceInOrder(db, familyId, 60)
  })

  test('a relay that dies between sending and keeping its place sends again: nothing is skipped, no effect comes twice', async () => {
    const familyId = randomUUID()
    await relay.close()
    let sends = 0
    const sender = new KafkaSender(corner.cluster)
    const dying = new OutboxRelay(
      db,
      {
        owner: 'contract',
        topics: contractTopics,
        names: corner.cluster.names,
        sender: {
          send: async messages => {
            await sender.send(messages)
            // Every second acknowledgement is lost on its way back.
            if (sends++ % 2 === 0) throw new Error('the acknowledgement was lost')
          },
          close: () => sender.close(),
        },
      },
      { ...quick, keepPlaceMs: 1 },
    )
    dying.start()
    await subscribe([recording(db)])
    await sayAll(db, familyId, 1, 12)
    await expectEachOnceInOrder(db, familyId, 12)
    await dying.close()
    expect(sends).toBeGreaterThan(1)
    const sent = (await contentOf(corner.cluster.names.topic(MediaIngested))).filter(
      message => header(message, 'family_id') === familyId,
    )
    expect(sent.length).toBeGreaterThan(keys.length * 12)
    expect(new Set(sent.map(message => header(message, 'event_id'))).size).toBe(keys.length * 12)
    relay = await corner.log().carry('contract', contractTopics)
  })

  test('one relay of a service works at a time, and another goes on where it ended', async () => {
    const familyId = randomUUID()
    await relay.close()
    const make = () =>
      new OutboxRelay(
        db,
        {
          owner: 'contract',
          topics: contractTopics,
          names: corner.cluster.names,
          sender: new KafkaSender(corner.cluster),
        },
        quick,
      )
    const relays = [make(), make()]
    for (const each of relays) each.start()
    await until(() => relays.filter(each => each.leads).length === 1)
    await subscribe([recording(db)])
    await sayAll(db, familyId, 1, 3)
    await expectEachOnceInOrder(db, familyId, 3)
    expect(relays.filter(each => each.leads)).toHaveLength(1)
    await relays.find(each => each.leads)?.close()
    await until(() => relays.filter(each => each.leads).length === 1)
    await sayAll(db, familyId, 4, 6)
    await expectEachOnceInOrder(db, familyId, 6)
    await Promise.all(relays.map(each => each.close()))
    relay = await corner.log().carry('contract', contractTopics)
  })
})
