import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin } from 'kafkajs'
import { KafkaNames, retryPartitions } from './kafka-names.js'
import { consumerGroups, topics as declaredTopics } from './topics.js'
import type { AnyTopic } from './topic.js'

/** What is to be there. */
export interface WantedTopics {
  /** Begins every name. */
  readonly prefix?: string | undefined
  /** Copies of each partition. Default: 3, or as many as there are brokers. */
  readonly replication?: number | undefined
  /** Default: every topic of topics.ts. */
  readonly topics?: readonly AnyTopic[] | undefined
  /** Groups that get a retry and a dead-letter topic. Default: every group of topics.ts. */
  readonly groups?: readonly string[] | undefined
}

/** A topic as Kafka is to have it. */
export interface TopicPlan {
  readonly topic: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

const day = 86_400_000
/** Longer than the longest way of an event through its pauses, with a weekend on top. */
const retryRetentionMs = 7 * day

/** Every topic with its settings. Pure. */
export function planTopics(wanted: WantedTopics, replication: number): TopicPlan[] {
  const { topics = declaredTopics, groups = consumerGroups } = wanted
  const names = new KafkaNames(wanted.prefix)
  // Acknowledged by two: a write survives the loss of any one broker.
  const safe = { 'min.insync.replicas': String(Math.min(2, replication)) }
  const kept = (ms: number) => ({ ...safe, 'cleanup.policy': 'delete', 'retention.ms': String(ms) })
  return [
    ...topics.map(topic => ({
      topic: names.topic(topic),
      partitions: topic.partitions,
      config: kept(topic.retentionMs),
    })),
    ...groups.flatMap(group => [
      { topic: names.retry(group), partitions: retryPartitions(topics), config: kept(retryRetentionMs) },
      // One letter per event, kept until it is replayed: an empty message removes it.
      { topic: names.dead(group), partitions: 1, config: { ...safe, 'cleanup.policy': 'compact' } },
    ]),
  ]
}

/**
 * Makes the topics that are missing; what is there stays as it is.
 * @throws where a topic has fewer partitions than declared: adding some would change which partition a key belongs to
 */
export async function ensureTopics(
  admin: Admin,
  wanted: WantedTopics = {},
): Promise<{ created: string[]; present: string[] }> {
  const replication = wanted.replication ?? Math.min(3, (await admin.describeCluster()).brokers.length)
  const plan = planTopics(wanted, replication)
  const there = new Set(await admin.listTopics())
  const present = plan.filter(each => there.has(each.topic))
  if (present.length > 0) {
    const { topics } = await admin.fetchTopicMetadata({ topics: present.map(each => each.topic) })
    for (const { name, partitions } of topics) {
      const declared = plan.find(each => each.topic === name)?.partitions ?? 0
      if (partitions.length < declared)
        throw new Error(
          `The topic ${name} has ${partitions.length} partitions where ${declared} are declared. Adding some would move keys: drain it, remove it and run this again.`,
        )
    }
  }
  const missing = plan.filter(each => !there.has(each.topic))
  if (missing.length > 0) {
    await admin.createTopics({
      waitForLeaders: false, // kafkajs takes a broker that has not heard of the topic yet for an error: `led` waits
      timeout: 30_000,
      topics: missing.map(({ topic, partitions, config }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      })),
    })
    await led(
      admin,
      missing.map(each => each.topic),
    )
  }
  return { created: missing.map(each => each.topic), present: present.map(each => each.topic) }
}

/** How long fresh topics may take until every partition has a leader, ms; on an idle cluster it is under a second. */
const ledWithinMs = 60_000

/** Waits until brokers know the topics and each partition has a leader: the word that a topic was made runs ahead of both. */
async function led(admin: Admin, names: string[]): Promise<void> {
  const deadline = Date.now() + ledWithinMs
  for (;;) {
    try {
      // Asking for a topic by name would wait ever longer inside kafkajs; the list says when the name is known.
      const known = new Set(await admin.listTopics())
      const { topics } = names.every(name => known.has(name))
        ? await admin.fetchTopicMetadata({ topics: names })
        : { topics: [] }
      if (
        topics.length > 0 &&
        topics.every(topic => topic.partitions.length > 0 && topic.partitions.every(each => each.leader >= 0))
      )
        return
    } catch (error) {
      if (!isEarly(error) || Date.now() > deadline) throw error
    }
    if (Date.now() > deadline)
      throw new Error(`No leader for some partition of ${names.join(', ')} after ${ledWithinMs} ms.`)
    await sleep(250)
  }
}

/** What a broker answers that has not heard of a topic or its leader yet; kafkajs wraps it once its own tries are used up. */
function isEarly(error: unknown): boolean {
  if (!(error instanceof kafkajs.KafkaJSError)) return false
  return (
    error.retriable || /^(UNKNOWN_TOPIC_OR_PARTITION|LEADER_NOT_AVAILABLE)$/.test(typeOf(error)) || isEarly(error.cause)
  )
}

const typeOf = (error: Error) => (error instanceof kafkajs.KafkaJSProtocolError ? error.type : '')
