import { randomUUID } from 'node:crypto'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { KeepsakeError } from '@keepsake/rpc'
import { seededRandom, until } from '@keepsake/testing'
import { afterEach, beforeAll, afterAll, describe, expect, test } from 'vitest'
import {
  bury,
  isGone,
  FacesDetected,
  MediaIngested,
  MediaRemoved,
  partitionOf,
  publish,
  takeIn,
  type Consumer,
  type ConsumerOptions,
  type EventContext,
  type EventLog,
  type Subscription,
  type Topic,
} from '../index.js'

/** What an adapter brings to its contract. */
export interface EventLogHarness {
  /** A pool of the role `keepsake_contract`, whose schema has `effects` and `items` (see `contractSchema`). */
  readonly db: Db
  /** An adapter on the log; with `disturb` it delivers twice and changes the order of keys on purpose. */
  log(options?: { disturb?: () => number }): EventLog
  /** Puts bytes into the log as they are. */
  publishRaw(familyId: string, topic: Topic<unknown>, key: string, payload: Buffer): Promise<void>
  close(): Promise<void>
}

/** The migration of the schema that the contract writes its effects to. */
export const contractSchema = `
  create table contract.effects (
    family_id uuid not null, seq bigint generated always as identity, key text not null, version int not null, primary key (family_id, seq)
  );
  select db.protect_family('contract.effects');
  create table contract.items (family_id uuid not null, id text not null, faces int not null, primary key (family_id, id));
  select db.protect_family('contract.items');`

const group = 'contract'

/** So many keys of the partition in which `key` lies. */
function beside(key: string, count: number): string[] {
  const { partitions } = MediaIngested
  const keys: string[] = []
  for (let i = 0; keys.length < count; i++)
    if (partitionOf(`${key}-${i}`, partitions) === partitionOf(key, partitions)) keys.push(`${key}-${i}`)
  return keys
}
const retry = { inPlace: 2, baseMs: 1, capMs: 5, parkedMs: [50, 50] }

/** What every event log must do. Each promise is one test, named after it. */
export function eventLogContract(name: string, make: () => Promise<EventLogHarness>): void {
  describe(`event log contract: ${name}`, () => {
    let harness: EventLogHarness
    let familyId: string
    const open: Consumer[] = []
    beforeAll(async () => {
      harness = await make()
    })
    afterAll(() => harness.close())
    afterEach(async () => {
      await Promise.all(open.splice(0).map(consumer => consumer.close()))
      // What a test left undone is no business of the next one.
      await drainAll(harness.log())
    })

    const fresh = () => (familyId = randomUUID())
    const say = (mediaId: string, version: number, family = familyId) =>
      harness.db.family(family, tx => publish(tx, MediaIngested, { mediaId, version, kind: 'photo' }))

    const effect = async (tx: FamilyTx, key: string, version: number) => {
      await tx.changed(
        sql`insert into contract.effects (family_id, key, version) values (${tx.familyId}, ${key}, ${version})`,
      )
    }
    const effects = (family = familyId) =>
      harness.db.family(family, tx =>
        tx.many<{ key: string; version: number }>(
          sql`select key, version from contract.effects where family_id = ${family} order by seq`,
        ),
      )

    type Handler<T> = (message: T, tx: FamilyTx, context: EventContext) => Promise<void>
    const on = <T>(topic: Topic<T>, handler: Handler<T>): Subscription => ({
      topic: topic as Topic<unknown>,
      handle: (event, attempt, signal) =>
        takeIn(harness.db, group, topic, { mode: 'effect', deadlineMs: 10_000, handler }, event, attempt, signal),
    })
    const subscribe = async (
      subscriptions: Subscription[],
      options: Partial<ConsumerOptions> = {},
      log = harness.log(),
    ) => {
      const consumer = await log.subscribe({ group, subscriptions, retry, ...options })
      open.push(consumer)
      return consumer
    }
    const record: Handler<MediaIngested> = (m, tx) => effect(tx, m.mediaId, m.version)
    async function drainAll(log: EventLog): Promise<void> {
      const skip: Subscription['handle'] = async () => undefined
      const consumer = await log.subscribe({
        group,
        subscriptions: [MediaIngested, FacesDetected, MediaRemoved].map(topic => ({
          topic: topic as Topic<unknown>,
          handle: skip,
        })),
        retry,
      })
      await until(async () => (await log.pending(group, familyId)) === 0, { what: 'an empty log' })
      await consumer.close()
    }

    test('a process is ready from when its group has taken it in until it is gone', async () => {
      fresh()
      const consumer = await subscribe([on(MediaIngested, record)])
      await consumer.readiness()
      await consumer.abandon()
      await expect(consumer.readiness()).rejects.toThrow()
    })

    test('an event comes after the commit of what it tells, and never after a rollback', async () => {
      fresh()
      await subscribe([on(MediaIngested, record)])
      const failing = harness.db.family(familyId, async tx => {
        await publish(tx, MediaIngested, { mediaId: 'rolled-back', version: 1, kind: 'photo' })
        throw new Error('changed my mind')
      })
      await expect(failing).rejects.toThrow('changed my mind')
      let release: () => void = () => undefined
      const gate = new Promise<void>(resolve => (release = resolve))
      const slow = harness.db.family(familyId, async tx => {
        await publish(tx, MediaIngested, { mediaId: 'slow', version: 1, kind: 'photo' })
        await gate
      })
      // A later transaction commits first: the open one must be neither seen early nor skipped.
      await say('quick', 1)
      expect((await effects()).map(e => e.key)).not.toContain('slow')
      release()
      await slow
      await until(async () => (await effects()).length === 2)
      expect((await effects()).map(e => e.key).sort()).toEqual(['quick', 'slow'])
    })

    test('every event comes at least once, and its effect once, in order per key, however many writers there are', async () => {
      fresh()
      await subscribe([on(MediaIngested, record)], { concurrency: 8 })
      const keys = ['a', 'b', 'c', 'd', 'e']
      await Promise.all(
        keys.map(async key => {
          for (let v = 1; v <= 20; v++) await say(key, v)
        }),
      )
      await until(async () => (await effects()).length >= 100)
      const seen = await effects()
      expect(seen).toHaveLength(100)
      for (const key of keys)
        expect(seen.filter(e => e.key === key).map(e => e.version)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    })

    test('a crash between effect and acknowledgement brings the event again, and the effect stays one', async () => {
      fresh()
      let deliveries = 0
      const counting = on(MediaIngested, record)
      const crashing: Subscription = {
        ...counting,
        handle: async (...args) => {
          deliveries++
          await counting.handle(...args)
          if (deliveries === 1) await new Promise(() => undefined) // the effect is there; the acknowledgement never comes
        },
      }
      const first = await subscribe([crashing])
      await say('x', 1)
      await until(async () => (await effects()).length === 1)
      open.splice(0)
      await first.abandon()
      await subscribe([crashing])
      await say('y', 1)
      await until(async () => (await effects()).length === 2)
      await until(() => deliveries === 3)
      expect((await effects()).map(e => e.key).sort()).toEqual(['x', 'y'])
    })

    test('duplicates and another order of keys change nothing', async () => {
      fresh()
      const random = seededRandom(11)
      await Promise.all(
        ['a', 'b', 'c'].map(async key => {
          for (let v = 1; v <= 10; v++) await say(key, v)
        }),
      )
      await subscribe([on(MediaIngested, record)], {}, harness.log({ disturb: random.next }))
      await until(async () => (await harness.log().pending(group, familyId)) === 0)
      const seen = await effects()
      expect(seen).toHaveLength(30)
      for (const key of ['a', 'b', 'c'])
        expect(seen.filter(e => e.key === key).map(e => e.version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })

    test('what is unfinished comes again, whatever was finished before it', async () => {
      fresh()
      const keys = Array.from({ length: 24 }, (_, i) => `key-${i}`)
      for (const key of keys) await say(key, 1)
      const held = new Set(keys.filter((_, i) => i % 8 === 0))
      const log = harness.log({ disturb: seededRandom(3).next })
      const holding = on(MediaIngested, async (m, tx, { signal }) => {
        if (held.has(m.mediaId))
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
        await effect(tx, m.mediaId, m.version)
      })
      const first = await log.subscribe({ group, subscriptions: [holding], retry, concurrency: 6 })
      await until(async () => (await effects()).length === keys.length - held.size)
      await first.close(50)
      await subscribe([on(MediaIngested, record)])
      await until(async () => (await effects()).length === keys.length)
    })

    test('a failing handler is tried again, and nothing of its failed tries stays', async () => {
      fresh()
      let tries = 0
      await subscribe([
        on(MediaIngested, async (m, tx) => {
          await effect(tx, m.mediaId, ++tries)
          if (tries < 2) throw new Error('not this time')
        }),
      ])
      await say('x', 1)
      await until(async () => (await effects()).length === 1)
      expect(await effects()).toEqual([{ key: 'x', version: 2 }])
    })

    test('a poison message is parked without stopping its neighbours; later events of its key wait behind it; in the end it is a dead letter', async () => {
      fresh()
      await subscribe([
        on(MediaIngested, async (m, tx) => {
          if (m.mediaId === 'poison' && m.version === 1) throw new Error('cannot digest this')
          await effect(tx, m.mediaId, m.version)
        }),
      ])
      for (const [key, version] of [
        ['poison', 1],
        ['poison', 2],
        ['fine', 1],
      ] as const)
        await say(key, version)
      await until(async () => (await effects()).some(e => e.key === 'fine'))
      expect(await effects()).toEqual([{ key: 'fine', version: 1 }])
      await until(async () => (await effects()).length === 2, { deadlineMs: 20_000 })
      expect((await effects())[1]).toEqual({ key: 'poison', version: 2 })
      const [letter, ...more] = await harness.log().deadLetters(group, { familyId })
      expect(more).toEqual([])
      expect(letter).toMatchObject({
        key: 'poison',
        topic: 'media.ingested',
        attempts: 4,
        cause: { reason: 'Error', message: 'cannot digest this' },
      })
      expect(await harness.log().pending(group, familyId)).toBe(0)
    })

    test('what cannot succeed is given up at once: errors that are not retryable, and bytes that are no message', async () => {
      fresh()
      let tries = 0
      await subscribe([
        on(MediaIngested, async () => {
          tries++
          throw new KeepsakeError({ code: 'FAILED_PRECONDITION', reason: 'HOPELESS', message: 'This cannot work.' })
        }),
      ])
      await say('x', 1)
      await harness.publishRaw(familyId, MediaIngested as Topic<unknown>, 'y', Buffer.from([0xff, 0xff, 0xff, 0xff]))
      await until(async () => (await harness.log().deadLetters(group, { familyId })).length === 2)
      const reasons = (await harness.log().deadLetters(group, { familyId })).map(l => l.cause.reason)
      expect(reasons.sort()).toEqual(['HOPELESS', 'UNDECODABLE'])
      expect(tries).toBe(1)
    })

    test('replay drives dead letters through again', async () => {
      fresh()
      let broken = true
      await subscribe([
        on(MediaIngested, async (m, tx) => {
          if (broken)
            throw new KeepsakeError({ code: 'FAILED_PRECONDITION', reason: 'HOPELESS', message: 'This cannot work.' })
          await effect(tx, m.mediaId, m.version)
        }),
      ])
      await say('x', 1)
      await until(async () => (await harness.log().deadLetters(group, { familyId })).length === 1)
      broken = false
      expect(await harness.log().replay(group, { familyId, reason: 'HOPELESS' })).toBe(1)
      await until(async () => (await effects()).length === 1)
      expect(await harness.log().deadLetters(group, { familyId })).toEqual([])
      expect(await harness.log().replay(group, { familyId, from: 'log' })).toBe(1)
      await until(async () => (await effects()).length === 2)
    })

    test('a late event about something removed changes nothing', async () => {
      fresh()
      const random = seededRandom(5)
      const detected = on(FacesDetected, async (m, tx) => {
        if (await isGone(tx, group, 'media', m.mediaId)) return
        await tx.changed(sql`
          insert into contract.items (family_id, id, faces) values (${tx.familyId}, ${m.mediaId}, ${m.faces})
          on conflict (family_id, id) do update set faces = excluded.faces`)
      })
      const removed = on(MediaRemoved, async (m, tx) => {
        await bury(tx, group, 'media', m.mediaIds)
        await tx.changed(
          sql`delete from contract.items where family_id = ${tx.familyId} and id = any(${m.mediaIds}::text[])`,
        )
      })
      await subscribe([detected, removed], { concurrency: 8 })
      const ids = Array.from({ length: 40 }, (_, i) => `item-${i}`)
      const facts = random.shuffle([
        ...ids.map(mediaId => (tx: FamilyTx) => publish(tx, FacesDetected, { mediaId, version: 1, faces: 2 })),
        ...ids
          .slice(1)
          .map(id => (tx: FamilyTx) => publish(tx, MediaRemoved, { mediaIds: [id], version: 1, how: 'erased' })),
      ])
      await Promise.all(facts.map(fact => harness.db.family(familyId, fact)))
      await until(async () => (await harness.log().pending(group, familyId)) === 0)
      expect(
        await harness.db.family(familyId, tx =>
          tx.many(sql`select id from contract.items where family_id = ${familyId}`),
        ),
      ).toEqual([{ id: 'item-0' }])
    })

    test(
      'processes of a group share its partitions; when one dies the others take over what it left',
      { timeout: 60_000 },
      async () => {
        fresh()
        const workers = [new Set<string>(), new Set<string>()]
        const consumers = await Promise.all(
          workers.map(seen =>
            subscribe([
              on(MediaIngested, async (m, tx) => {
                seen.add(m.mediaId)
                await effect(tx, m.mediaId, m.version)
              }),
            ]),
          ),
        )
        const keys = Array.from({ length: 64 }, (_, i) => `k${i}`)
        await until(
          async () => {
            for (const set of workers) set.clear()
            const before = (await effects()).length
            await harness.db.family(familyId, async tx => {
              for (const mediaId of keys) await publish(tx, MediaIngested, { mediaId, version: 1, kind: 'photo' })
            })
            await until(async () => (await effects()).length === before + keys.length)
            return workers.every(seen => seen.size > 0)
          },
          { deadlineMs: 20_000 },
        )
        const [first] = consumers
        open.splice(0, open.length, ...consumers.slice(1))
        await first?.abandon()
        const before = (await effects()).length
        for (const key of keys) await say(key, 2)
        await until(async () => (await effects()).length === before + keys.length, { deadlineMs: 20_000 })
      },
    )

    test('families take turns: one family’s import does not hold up another’s photo', async () => {
      fresh()
      const [big, small] = [familyId, randomUUID()]
      await harness.db.family(big, async tx => {
        for (const mediaId of beside('small', 300))
          await publish(tx, MediaIngested, { mediaId, version: 1, kind: 'photo' })
      })
      await say('small', 1, small)
      const order: string[] = []
      await subscribe(
        [
          {
            topic: MediaIngested as Topic<unknown>,
            handle: async event => {
              order.push(event.familyId)
              // Reading must have time to run ahead of handling: what was not read yet cannot have its turn.
              await new Promise(r => setTimeout(r, 4))
            },
          },
        ],
        { concurrency: 1 },
      )
      await until(() => new Set(order).size === 2 && order.length >= 301, { deadlineMs: 20_000 })
      // All lie in one partition, the small family's at its end: in the order of the log it would be the last.
      expect(order.indexOf(small)).toBeLessThan(290)
      familyId = big
    })

    test('close waits for what is under way and keeps its place: nothing comes twice after it', async () => {
      fresh()
      const seen: string[] = []
      const slow: Subscription = {
        topic: MediaIngested as Topic<unknown>,
        handle: async event => {
          await new Promise(r => setTimeout(r, 30))
          seen.push(event.key)
        },
      }
      const consumer = await subscribe([slow])
      for (let i = 0; i < 10; i++) await say(`k${i}`, 1)
      await until(() => seen.length > 2)
      open.splice(0)
      await consumer.close()
      const before = [...seen]
      await subscribe([slow])
      await until(() => seen.length >= 10)
      expect([...seen].sort()).toEqual(Array.from({ length: 10 }, (_, i) => `k${i}`))
      expect(before.length).toBeLessThanOrEqual(10)
    })
  })
}
