import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { logger } from '@keepsake/telemetry'
import { expect, test } from 'vitest'
import type { StoredEvent } from './event-log.js'
import { kafkaLog, meaningOf } from './kafka-logging.js'
import { fromMessage, noFamily, toDead, toMessage, toRetry, type KafkaRecord } from './kafka-message.js'
import { KafkaNames } from './kafka-names.js'
import { planTopics } from './kafka-topics.js'
import { eventsConfig, kafkaAddress } from './open-event-log.js'
import { shareOut } from './share-out.js'
import { topics } from './topics.js'
import { isBefore, Watermark } from './watermark.js'

const member = fc.record({
  id: fc.string({ minLength: 1, maxLength: 4 }),
  holds: fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 16 }),
})
const members = fc.uniqueArray(member, { selector: m => m.id, minLength: 1, maxLength: 6 })

test('shares: each number once, nobody more than one above another, the same whoever decides', () => {
  fc.assert(
    fc.property(members, fc.integer({ min: 0, max: 16 }), (list, partitions) => {
      const shares = shareOut(list, partitions)
      const given = [...shares.values()].flat().sort((a, b) => a - b)
      expect(given).toEqual(Array.from({ length: partitions }, (_, i) => i))
      const sizes = [...shares.values()].map(s => s.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      expect(shareOut([...list].reverse(), partitions)).toEqual(shares)
    }),
  )
})

test('shares: an even share stays as it is, and a newcomer takes from the others only what it works on', () => {
  fc.assert(
    fc.property(members, fc.integer({ min: 1, max: 16 }), (list, partitions) => {
      const before = shareOut(list, partitions)
      const held = list.map(({ id }) => ({ id, holds: before.get(id) ?? [] }))
      expect([...shareOut(held, partitions)].map(([id, s]) => [id, [...s].sort()])).toEqual(
        [...before].map(([id, s]) => [id, [...s].sort()]),
      )
      const after = shareOut([...held, { id: 'the newcomer', holds: [] }], partitions)
      for (const { id, holds } of held) for (const n of after.get(id) ?? []) expect(holds).toContain(n)
    }),
  )
})

test('the offset to commit is the lowest that is not done, in whatever order handlers end', () => {
  const order = fc
    .integer({ min: 1, max: 40 })
    .chain(n => fc.shuffledSubarray([...Array(n).keys()], { minLength: 0 }).map(done => ({ n, done })))
  fc.assert(
    fc.property(order, fc.integer({ min: 0, max: 1e12 }), ({ n, done }, first) => {
      const mark = new Watermark({ next: -1 })
      const finish = Array.from({ length: n }, (_, i) => mark.add({ next: first + i + 1 }))
      for (const i of done) finish[i]?.()
      const lowestOpen = [...Array(n).keys()].find(i => !done.includes(i)) ?? n
      expect(mark.committed.next).toBe(lowestOpen === 0 ? -1 : first + lowestOpen)
    }),
  )
})

test('places in the outbox compare by transaction, then position, also beyond what a number holds', () => {
  expect(isBefore({ txid: '9', position: 5 }, { txid: '10', position: 1 })).toBe(true)
  expect(isBefore({ txid: '10', position: 1 }, { txid: '10', position: 2 })).toBe(true)
  expect(isBefore({ txid: '9007199254740993', position: 1 }, { txid: '9007199254740992', position: 9 })).toBe(false)
})

const event: StoredEvent = {
  eventId: '018f0000-0000-7000-8000-000000000001',
  topic: 'media.ingested',
  partition: 5,
  key: 'some media',
  familyId: '018f0000-0000-7000-8000-000000000002',
  headers: { schema: 'keepsake.events.v1.MediaIngested', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-1-01' },
  payload: Buffer.from([1, 2, 3]),
  createdAt: new Date('2026-11-22T08:00:00.123Z'),
  txid: '741',
  position: 12,
}
const read = (message: ReturnType<typeof toMessage>, offset = '7'): KafkaRecord => ({
  key: Buffer.from(message.key ?? ''),
  value: message.value as Buffer,
  offset,
  timestamp: '0',
  headers: Object.fromEntries(Object.entries(message.headers ?? {}).map(([k, v]) => [k, Buffer.from(String(v))])),
})
const origin = { topic: 'keepsake.media.ingested.v1', partition: 5, offset: 7 }

test('an event comes out of Kafka as it went in, with where it stood; also over the retry and dead-letter topics', () => {
  const first = fromMessage(read(toMessage(event)), {
    kafkaTopic: origin.topic,
    topic: 'media.ingested',
    partition: 5,
  })
  expect(first).toEqual({ stranger: false, event: { ...event, origin } })
  const cause = { code: 'INTERNAL', reason: 'Error', message: 'cannot' }
  const retry = toRetry(first.event, { attempts: 3, cause, due: new Date(0) })
  expect(retry).toMatchObject({ partition: 5, key: 'some media' })
  expect(fromMessage(read(retry), { kafkaTopic: 'retry', partition: 5 }).event).toEqual({ ...event, origin })
  const dead = toDead(first.event, { attempts: 8, cause })
  expect(dead).toMatchObject({
    key: event.eventId,
    partition: 0,
    headers: {
      attempts: '8',
      code: 'INTERNAL',
      reason: 'Error',
      cause: 'cannot',
      origin: 'keepsake.media.ingested.v1/5/7',
      traceparent: event.headers['traceparent'],
    },
  })
  expect(fromMessage(read(dead), { kafkaTopic: 'dead', partition: 0 }).event).toEqual({ ...event, origin })
})

test('whatever bytes lie in a topic, they make an event that the books can keep, the same one each time', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map(b => Buffer.from(b))
  const headers = fc.dictionary(
    fc.oneof(fc.string(), fc.constantFrom('event_id', 'family_id', 'at', 'created_at', 'partition', 'topic', 'key')),
    fc.oneof(bytes, fc.constant(undefined), fc.array(bytes)),
  )
  const record = fc.record({
    key: fc.option(bytes),
    value: fc.option(bytes),
    offset: fc.nat().map(String),
    timestamp: fc.nat().map(String),
    headers,
  })
  fc.assert(
    fc.property(record, message => {
      const at = { kafkaTopic: 'keepsake.media.ingested.v1', topic: 'media.ingested', partition: 3 }
      const { event: made, stranger } = fromMessage(message, at)
      expect(made).toMatchObject({ topic: 'media.ingested', partition: 3 })
      expect(made.eventId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
      if (stranger) expect(made).toMatchObject({ txid: '0', position: 0 })
      if (message.headers['family_id'] === undefined) expect(made.familyId).toBe(noFamily)
      expect(JSON.stringify([made.key, made.headers])).not.toContain('\\u0000')
      expect(Number.isNaN(made.createdAt.getTime())).toBe(false)
      expect(fromMessage(message, at).event).toEqual(made)
    }),
  )
})

test('names carry the prefix, and a prefix that Kafka cannot take is refused', () => {
  const names = new KafkaNames('stage.')
  expect(names.topic('media.ingested')).toBe('stage.keepsake.media.ingested.v1')
  expect(names.retry('rating')).toBe('stage.keepsake.retry.rating.v1')
  expect(names.dead('rating')).toBe('stage.keepsake.dead.rating.v1')
  expect(names.group('rating')).toBe('stage.rating')
  expect(() => new KafkaNames('a b')).toThrow('cannot begin')
})

test('every declared topic is planned, with a retry and a dead-letter topic for each group', () => {
  const plan = planTopics({ groups: ['rating'] }, 3)
  expect(plan.map(p => p.topic)).toEqual([
    ...topics.map(t => `keepsake.${t.name}.v1`),
    'keepsake.retry.rating.v1',
    'keepsake.dead.rating.v1',
  ])
  for (const { config } of plan) expect(config['min.insync.replicas']).toBe('2')
  expect(plan.at(-2)).toMatchObject({ partitions: 8, config: { 'cleanup.policy': 'delete' } })
  expect(plan.at(-1)).toMatchObject({ partitions: 1, config: { 'cleanup.policy': 'compact' } })
  expect(planTopics({ groups: ['rating'] }, 1)[0]?.config['min.insync.replicas']).toBe('1')
})

test('what happens to every group is no error, and one line however often it is said', () => {
  const { ERROR, WARN, INFO } = kafkajs.logLevel
  const kinds: [number, string, string, string][] = [
    [WARN, 'The group is rebalancing, re-joining', '', 'rebalance'],
    [ERROR, 'Response Heartbeat(key: 12, version: 3)', 'The group is rebalancing, so a rejoin is needed', 'rebalance'],
    [ERROR, 'Response GroupCoordinator(key: 10, version: 2)', 'The group coordinator is not available', 'coordinator'],
    [ERROR, 'The coordinator is not aware of this member, re-joining the group', '', 'rebalance'],
    [ERROR, 'Connection error: connect ECONNREFUSED 127.0.0.1:9092', '', 'broker'],
    [ERROR, 'Failed to connect to seed broker, trying another broker from the list', '', 'broker'],
    [ERROR, 'Response Produce(key: 0, version: 7)', 'This server is not the leader for that topic-partition', 'leader'],
    [ERROR, 'Something nobody thought of', '', 'other'],
  ]
  for (const [level, message, error, kind] of kinds) {
    const meaning = meaningOf(level, message, error)
    expect([message, meaning.kind]).toEqual([message, kind])
    expect(meaning.level === 'error').toBe(kind === 'other')
  }
  expect(meaningOf(INFO, 'Consumer has joined the group', '').level).toBe('debug')

  const said: string[] = []
  let now = 0
  const fake = Object.assign(Object.create(logger('test')) as ReturnType<typeof logger>, {
    info: (_: object, sentence: string) => said.push(sentence),
    warn: (_: object, sentence: string) => said.push(sentence),
    debug: () => undefined,
  })
  const write = kafkaLog(fake, () => now)(WARN)
  const beat = {
    namespace: 'Connection',
    level: ERROR,
    label: 'ERROR',
    log: { timestamp: '', message: 'Response Heartbeat', error: 'The group is rebalancing, so a rejoin is needed' },
  }
  for (let i = 0; i < 50; i++, now += 1_000) write(beat)
  expect(said).toEqual(['the group shares its partitions out anew'])
  now += 60_000
  write(beat)
  expect(said).toHaveLength(2)
})

test('the environment says how events travel', () => {
  expect(kafkaAddress({})).toBeUndefined()
  expect(kafkaAddress({ KEEPSAKE_EVENTS: 'kafka://a:1,b:2', KEEPSAKE_EVENTS_PREFIX: 'x.' })).toEqual({
    brokers: ['a:1', 'b:2'],
    prefix: 'x.',
  })
  for (const wrong of ['kafka://a', 'redis://a:1', 'kafka://'])
    expect(() => kafkaAddress({ KEEPSAKE_EVENTS: wrong })).toThrow('KEEPSAKE_EVENTS')
  expect(eventsConfig.shape.KEEPSAKE_EVENTS.meta()?.help).toContain('kafka://')
})
