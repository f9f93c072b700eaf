import { randomUUID } from 'node:crypto'
import type { Env } from '@keepsake/config'
import { logger } from '@keepsake/telemetry'
import { kafkaCluster } from '../kafka-client.js'
import { fromMessage } from '../kafka-message.js'
import { kafkaAddress } from '../open-event-log.js'

/** Everything must have been read within so long, ms. */
const readWithinMs = 120_000

/** What lies on Kafka: ids of events by topic, and ids of the letters on each group's dead-letter topic that were not taken back. */
export interface OnKafka {
  events: Map<string, Set<string>>
  dead: Map<string, Set<string>>
}

/**
 * Reads topics from their beginning to their present end, past every group.
 * @param wanted names as in topics.ts, and groups whose dead letters are read
 */
export async function readTopics(
  env: Env,
  wanted: { topics: readonly string[]; groups: readonly string[] },
): Promise<OnKafka> {
  const address = kafkaAddress(env)
  if (address === undefined) throw new Error('KEEPSAKE_EVENTS names no Kafka')
  const { kafka, names } = kafkaCluster(address, 'audit', logger('audit'))
  const events = new Map(wanted.topics.map(topic => [topic, new Set<string>()]))
  const dead = new Map(wanted.groups.map(group => [group, new Set<string>()]))
  const eventTopics = new Map(wanted.topics.map(topic => [names.topic(topic), topic]))
  const deadTopics = new Map(wanted.groups.map(group => [names.dead(group), group]))
  const topics = [...eventTopics.keys(), ...deadTopics.keys()]

  const admin = kafka.admin()
  await admin.connect()
  const groupId = `${names.group('audit')}.${randomUUID()}`
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 200 })
  const left = new Map<string, number>()
  try {
    for (const topic of topics)
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
        if (high !== low) left.set(`${topic}/${partition}`, Number(high))
    if (left.size === 0) return { events, dead }
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not read in time: ${[...left.keys()].join(', ')}`)), readWithinMs)
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      // Compaction leaves gaps: the end is reached when a batch's last offset says so.
      consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
        const at = `${payload.topic}/${payload.partition}`
        if (Number(payload.lastOffset) + 1 >= (left.get(at) ?? Infinity)) left.delete(at)
        if (left.size > 0) return
        clearTimeout(late)
        resolve()
      })
      consumer
        .run({
          autoCommit: false,
          partitionsConsumedConcurrently: 4,
          eachMessage: async ({ topic, partition, message }) => {
            const group = deadTopics.get(topic)
            if (group !== undefined) {
              const id = message.key?.toString() ?? ''
              if (message.value === null) dead.get(group)?.delete(id)
              else dead.get(group)?.add(id)
              return
            }
            const { event } = fromMessage(message, { kafkaTopic: topic, partition })
            events.get(eventTopics.get(topic) ?? '')?.add(event.eventId)
          },
        })
        .catch(reject)
    })
    return { events, dead }
  } finally {
    await consumer.disconnect().catch(() => undefined)
    await admin.deleteGroups([groupId]).catch(() => undefined)
    await admin.disconnect().catch(() => undefined)
  }
}

/** The place of the broker that leads a partition of a topic, from 0 in the order of the cluster's ids. */
export async function leaderOf(env: Env, topic: string, partition = 0): Promise<number> {
  const address = kafkaAddress(env)
  if (address === undefined) throw new Error('KEEPSAKE_EVENTS names no Kafka')
  const { kafka, names } = kafkaCluster(address, 'audit', logger('audit'))
  const admin = kafka.admin({ retry: { retries: 3 } })
  try {
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: [names.topic(topic)] })
    const leader = topics[0]?.partitions.find(each => each.partitionId === partition)?.leader ?? 1
    return leader - 1
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
