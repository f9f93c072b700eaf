import { randomUUID } from 'node:crypto'
import { sql, type Db, type Sql, type Tx } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { deadLettersOf, matches, pendingOf, pruneBooks } from './event-books.js'
import type { Consumer, ConsumerOptions, DeadLetter, EventFilter, EventLog, Relay, StoredEvent } from './event-log.js'
import { kafkaCluster, KafkaSender, type KafkaAddress, type KafkaCluster } from './kafka-client.js'
import { KafkaConsumer, type KafkaTuning } from './kafka-consumer.js'
import { fromMessage, toRetry } from './kafka-message.js'
import { OutboxRelay, type RelayTuning } from './outbox-relay.js'
import { topics } from './topics.js'
import type { AnyTopic } from './topic.js'

const readWithinMs = 60_000

/**
 * The event log on Kafka. Events are published into the outbox as ever; a relay carries them to Kafka and groups read them there. The books
 * of a group (what it took in, which lanes wait, what was given up) stay in Postgres, where effects commit; parked events wait on the group's
 * retry topic and given-up ones on its dead-letter topic.
 */
export class KafkaLog implements EventLog {
  readonly #db: Db
  readonly #cluster: KafkaCluster
  readonly #tuning: KafkaTuning & RelayTuning

  /** @param db a pool of the role of the service that owns the groups */
  constructor(db: Db, address: KafkaAddress, tuning: KafkaTuning & RelayTuning = {}) {
    this.#db = db
    this.#cluster = kafkaCluster(address, db.name, logger(db.name))
    this.#tuning = tuning
  }

  async subscribe(options: ConsumerOptions): Promise<Consumer> {
    const consumer = new KafkaConsumer(this.#db, this.#cluster, options, this.#tuning)
    try {
      await consumer.start()
    } catch (error) {
      await consumer.abandon()
      throw error
    }
    return consumer
  }

  /** @param owned its topics, where they are not those of topics.ts */
  async carry(owner: string, owned?: readonly AnyTopic[]): Promise<Relay> {
    const relay = new OutboxRelay(
      this.#db,
      {
        owner,
        topics: owned ?? topics.filter(topic => topic.owner === owner),
        names: this.#cluster.names,
        sender: new KafkaSender(this.#cluster),
      },
      this.#tuning,
    )
    relay.start()
    return relay
  }

  pending(group: string, familyId: string, of?: readonly AnyTopic[]): Promise<number> {
    return pendingOf(this.#db, group, familyId, of)
  }

  deadLetters(group: string, filter: EventFilter = {}): Promise<DeadLetter[]> {
    return deadLettersOf(this.#db, group, filter)
  }

  async replay(group: string, filter: EventFilter & { from?: 'dead' | 'log' }): Promise<number> {
    const events = filter.from === 'log' ? await this.#fromLog(group, filter) : await this.#fromDead(group, filter)
    if (events.length === 0) return 0
    const sender = new KafkaSender(this.#cluster)
    try {
      // Books first, as ever: what is in them is sent again should this process end here.
      const again = toRetryMessages(this.#cluster, group, events)
      await this.#db.system(`replay events to ${group}`, async tx => {
        const ids = events.map(event => event.eventId)
        if (filter.from === 'log')
          await tx.changed(sql`delete from events.inbox where grp = ${group} and event_id = any(${ids}::uuid[])`)
        else
          await tx.changed(sql`delete from events.dead_letters where grp = ${group} and event_id = any(${ids}::uuid[])`)
        for (const event of events) await park(tx, group, event)
      })
      await sender.send([again])
      if (filter.from !== 'log')
        await sender.send([
          {
            topic: this.#cluster.names.dead(group),
            messages: events.map(event => ({ key: event.eventId, value: null, partition: 0 })),
          },
        ])
    } finally {
      await sender.close()
    }
    return events.length
  }

  prune(keepMs: number): Promise<{ events: number; inbox: number }> {
    return pruneBooks(this.#db, keepMs)
  }

  async #fromLog(group: string, filter: EventFilter): Promise<StoredEvent[]> {
    return this.#db.system(`find events to replay to ${group}`, tx =>
      tx.many<StoredEvent>(sql`
        select event_id, topic, partition, key, family_id, headers, payload, created_at, txid::text, position
        from events.outbox where ${matches(filter, false)} order by txid, position`),
    )
  }

  /** The letters that the books name, as the dead-letter topic has them. */
  async #fromDead(group: string, filter: EventFilter): Promise<StoredEvent[]> {
    const rows = await this.#db.system(`find dead letters to replay to ${group}`, tx =>
      tx.many<{ eventId: string }>(sql`
        select event_id from events.dead_letters where grp = ${group} and ${matches(filter, true)} order by txid, position`),
    )
    if (rows.length === 0) return []
    const letters = await this.#readDead(group, new Set(rows.map(row => row.eventId)))
    const lost = rows.length - letters.size
    if (lost > 0)
      logger(this.#db.name).warn({ group, lost }, 'dead letters are no longer on Kafka and stay as they are')
    return rows.flatMap(({ eventId }) => letters.get(eventId) ?? [])
  }

  async #readDead(group: string, wanted: ReadonlySet<string>): Promise<Map<string, StoredEvent>> {
    const { kafka, names } = this.#cluster
    const topic = names.dead(group)
    const found = new Map<string, StoredEvent>()
    const admin = kafka.admin()
    const groupId = `${names.group(group)}.replay.${randomUUID()}`
    const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 200 })
    try {
      await admin.connect()
      const ends = await admin.fetchTopicOffsets(topic)
      const end = Number(ends[0]?.high ?? 0)
      if (end === 0 || ends[0]?.low === ends[0]?.high) return found
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${topic} could not be read in time`)), readWithinMs)
        consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
        // Compaction leaves gaps, and control records none: the end is reached when a batch's last offset says so.
        consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
          if (Number(payload.lastOffset) + 1 < end) return
          clearTimeout(late)
          resolve()
        })
        consumer
          .run({
            autoCommit: false,
            eachMessage: async ({ message, partition }) => {
              const id = message.key?.toString() ?? ''
              if (!wanted.has(id)) return
              if (message.value === null) found.delete(id)
              else found.set(id, fromMessage(message, { kafkaTopic: topic, partition }).event)
            },
          })
          .catch(reject)
      })
      return found
    } finally {
      await consumer.disconnect().catch(() => undefined)
      await admin.deleteGroups([groupId]).catch(() => undefined)
      await admin.disconnect().catch(() => undefined)
    }
  }
}

function toRetryMessages(cluster: KafkaCluster, group: string, events: readonly StoredEvent[]) {
  return {
    topic: cluster.names.retry(group),
    messages: events.map(event => toRetry(event, { attempts: 0, due: new Date() })),
  }
}

function park(tx: Tx, group: string, event: StoredEvent): Promise<number> {
  return tx.changed(insertParked(group, event))
}

function insertParked(group: string, event: StoredEvent): Sql {
  return sql`
    insert into events.parked (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at, next_at, origin)
    values (${group}, ${event.eventId}, ${event.topic}, ${event.partition}, ${event.key}, ${event.familyId}, ${sql.json(event.headers)},
            ${event.payload}, ${event.txid}::xid8, ${event.position}, ${event.createdAt}, now(),
            ${event.origin == null ? null : sql.json(event.origin)})
    on conflict do nothing`
}
