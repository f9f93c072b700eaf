import { randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, type Db } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import type { Admin } from 'kafkajs'
import { kafkaCluster, type KafkaAddress, type KafkaCluster } from '../kafka-client.js'
import type { KafkaTuning } from '../kafka-consumer.js'
import { KafkaLog } from '../kafka-log.js'
import { ensureTopics } from '../kafka-topics.js'
import type { RelayTuning } from '../outbox-relay.js'
import { FacesDetected, MediaIngested, MediaRemoved } from '../topics.js'
import { partitionOf, type AnyTopic, type Topic } from '../topic.js'
import { contractSchema } from './event-log-contract.js'

/** The Kafka that stack tests may use (KEEPSAKE_TEST_KAFKA: host:port,…), or undefined. */
export function testKafka(): string[] | undefined {
  return process.env['KEEPSAKE_TEST_KAFKA']?.split(',')
}

/** What the contract publishes. */
export const contractTopics: readonly AnyTopic[] = [MediaIngested, FacesDetected, MediaRemoved] as AnyTopic[]

/** A database and a corner of a real Kafka of their own. */
export interface KafkaCorner {
  readonly database: TestDatabase
  readonly db: Db
  readonly address: KafkaAddress
  readonly cluster: KafkaCluster
  readonly admin: Admin
  log(tuning?: KafkaTuning & RelayTuning): KafkaLog
  /** One more topic under the prefix; answers its name. */
  extraTopic(name: string, partitions: number): Promise<string>
  /** Puts bytes into the outbox as they are. */
  publishRaw(familyId: string, topic: Topic<unknown>, key: string, payload: Buffer): Promise<void>
  close(): Promise<void>
}

/** Quick enough for tests: a dead member is noticed after 6 s, the least that brokers allow. */
export const quick: KafkaTuning & RelayTuning = { pollMs: 50, sessionTimeoutMs: 6_000, heartbeatMs: 200, waitMs: 100 }

/** Makes topics with a prefix of their own and a fresh database with the contract's schema. */
export async function kafkaCorner(
  brokers: readonly string[],
  only = contractTopics,
  tuned: KafkaTuning & RelayTuning = quick,
): Promise<KafkaCorner> {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-kafka-'))
  await writeFile(join(dir, '0001_contract.sql'), contractSchema)
  const database = await testDatabase([{ name: 'contract', dir }])
  const db = database.db('contract')
  const address: KafkaAddress = { brokers, prefix: `t${randomBytes(4).toString('hex')}.` }
  const cluster = kafkaCluster(address, 'test', logger('test'))
  const admin = cluster.kafka.admin()
  await admin.connect()
  const wanted = { prefix: address.prefix, topics: only, groups: ['contract'] }
  const { created } = await ensureTopics(admin, wanted)
  return {
    database,
    db,
    address,
    cluster,
    admin,
    log: (tuning = {}) => new KafkaLog(db, address, { ...tuned, ...tuning }),
    extraTopic: async (name, numPartitions) => {
      const topic = cluster.names.topic(name)
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1 }] })
      created.push(topic)
      return topic
    },
    publishRaw: async (familyId, topic, key, payload) => {
      await db.family(familyId, tx =>
        tx.changed(sql`
          insert into events.outbox (topic, partition, key, family_id, headers, payload)
          values (${topic.name}, ${partitionOf(key, topic.partitions)}, ${key}, ${familyId}, ${sql.json({ schema: topic.schema })}, ${payload})`),
      )
    },
    close: async () => {
      await database.close()
      await admin.deleteTopics({ topics: created }).catch(() => undefined)
      await admin.disconnect()
    },
  }
}
