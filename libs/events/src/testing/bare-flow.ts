import { setTimeout as sleep } from 'node:timers/promises'
import type { BareClient, BarePool } from '@keepsake/db/testing/bare-pool'
import kafkajs from 'kafkajs'

/** An outbox, a relay and a consumer as one writes them by hand with kafkajs and pg: what the event log is measured against. */
export interface BareFlow {
  /** One transaction that publishes one event. */
  publish(key: string, version: number, payload: Buffer): Promise<void>
  close(): Promise<void>
}

/** The tables of the flow, without row policies. */
export const bareTables = `
  create table contract.bare_outbox (id bigint generated always as identity primary key, event_id uuid not null default uuidv7(), key text not null, payload bytea not null);
  create table contract.bare_inbox (event_id uuid primary key);
  create table contract.bare_effects (seq bigint generated always as identity primary key, key text not null, version int not null);`

async function transaction<T>(pool: BarePool, work: (client: BareClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/**
 * @param options.decode what the handler reads from the payload
 * @param options.done called after the effect of an event is committed
 */
export async function bareFlow(options: {
  brokers: readonly string[]
  topic: string
  groupId: string
  pool: BarePool
  decode: (payload: Buffer) => { key: string; version: number }
  done: (key: string, version: number) => void
}): Promise<BareFlow> {
  const { topic, pool, decode, done } = options
  const kafka = new kafkajs.Kafka({
    clientId: 'bare',
    brokers: [...options.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  const consumer = kafka.consumer({ groupId: options.groupId, maxWaitTimeInMs: 500 })
  await Promise.all([producer.connect(), consumer.connect()])
  await consumer.subscribe({ topic })
  const joined = new Promise<void>(resolve => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
  await consumer.run({
    autoCommitInterval: 200,
    partitionsConsumedConcurrently: 8,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, heartbeat }) => {
      for (const message of batch.messages) {
        const { key, version } = decode(message.value ?? Buffer.alloc(0))
        await transaction(pool, async client => {
          const id = message.headers?.['event_id']?.toString()
          const fresh = await client.query(
            'insert into contract.bare_inbox (event_id) values ($1) on conflict do nothing',
            [id],
          )
          if (fresh.rowCount === 1)
            await client.query('insert into contract.bare_effects (key, version) values ($1, $2)', [key, version])
        })
        done(key, version)
        resolveOffset(message.offset)
        await commitOffsetsIfNecessary()
        await heartbeat()
      }
    },
  })
  await joined

  let stopped = false
  const relay = (async () => {
    while (!stopped) {
      const sent = await transaction(pool, async client => {
        const { rows } = await client.query(
          'delete from contract.bare_outbox where id in (select id from contract.bare_outbox order by id limit 500 for update) returning id, event_id, key, payload',
        )
        if (rows.length === 0) return 0
        const ordered = rows.sort((a, b) => Number(a['id']) - Number(b['id']))
        await producer.send({
          topic,
          acks: -1,
          messages: ordered.map(row => ({
            key: String(row['key']),
            value: row['payload'] as Buffer,
            headers: { event_id: String(row['event_id']) },
          })),
        })
        return rows.length
      })
      if (sent === 0) await sleep(5)
    }
  })()

  return {
    publish: (key, _version, payload) =>
      transaction(pool, async client => {
        await client.query('insert into contract.bare_outbox (key, payload) values ($1, $2)', [key, payload])
      }),
    close: async () => {
      stopped = true
      await relay
      await Promise.all([producer.disconnect(), consumer.disconnect()])
    },
  }
}
