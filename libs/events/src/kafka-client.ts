import kafkajs, { type Kafka, type Message, type Producer, type RecordMetadata, type TopicMessages } from 'kafkajs'
import type { logger } from '@keepsake/telemetry'
import { kafkaLog } from './kafka-logging.js'
import { KafkaNames } from './kafka-names.js'

/** Where Kafka is. */
export interface KafkaAddress {
  /** host:port, any of the cluster's. */
  readonly brokers: readonly string[]
  /** Begins the name of every topic and group. */
  readonly prefix?: string | undefined
}

/** A cluster as one service sees it. */
export interface KafkaCluster {
  readonly kafka: Kafka
  /**
   * The same, for whoever stays in a group: it waits some minutes for a cluster that is away. A member that lives on is in its group again at once, a new one
   * waits until the old one counts as dead.
   */
  readonly patient: Kafka
  readonly names: KafkaNames
}

/** @param clientId who asks, for the brokers' logs and quotas */
export function kafkaCluster(address: KafkaAddress, clientId: string, log: ReturnType<typeof logger>): KafkaCluster {
  const config = {
    clientId: `keepsake-${clientId}`,
    brokers: [...address.brokers],
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: kafkaLog(log),
  }
  return {
    names: new KafkaNames(address.prefix),
    kafka: new kafkajs.Kafka(config),
    patient: new kafkajs.Kafka({ ...config, retry: patience }),
  }
}

/** Some minutes, with pauses of at most 2 s. Kafkajs counts the tries of its layers apart, and takes an inner giving up for final. */
export const patience = { retries: 120, initialRetryTime: 100, maxRetryTime: 2_000 }

/** The topic is not there, and nothing makes topics by accident. */
export function missingTopics(missing: readonly string[]): Error {
  return new Error(
    `Kafka has no topic ${missing.join(', ')}. Topics are made by a command, never by use: run \`keepsake-admin topics\`.`,
  )
}

/** An error for the log: what Kafka's absence says has no use for a stack. */
export function saying(error: unknown): { reason: string } | { err: unknown } {
  return error instanceof Error && error.name.startsWith('KafkaJS') ? { reason: error.message } : { err: error }
}

/**
 * Partitions that were written to and not acknowledged. kafkajs 2.2.4 takes a batch for sent when every broker that it asked has answered: where a partition's
 * leader moves, in the middle of a batch, to a broker that has answered for its own partitions already, nobody is asked for the one that moved.
 */
export function unacknowledged(
  sent: readonly TopicMessages[],
  answers: readonly Pick<RecordMetadata, 'topicName' | 'partition' | 'errorCode'>[],
): string[] {
  const acknowledged = new Set(answers.filter(a => a.errorCode === 0).map(a => `${a.topicName}/${a.partition}`))
  const wanted = sent.flatMap(({ topic, messages }) => messages.map(message => `${topic}/${message.partition}`))
  return [...new Set(wanted)].filter(each => !acknowledged.has(each))
}

/**
 * Writes to Kafka: acknowledged by all in-sync replicas, each batch once within the life of a producer. What failed leaves the producer in
 * doubt, so the next call begins with a new one; the caller sends again, which may send twice.
 */
export class KafkaSender {
  readonly #cluster: KafkaCluster
  #producer: Promise<Producer> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
  }

  /** Every message names its partition. Calls go out one after another. */
  send(messages: readonly { topic: string; messages: Message[] }[]): Promise<void> {
    const sent = this.#last.then(() => this.#send(messages))
    this.#last = sent.catch(() => undefined)
    return sent
  }

  async close(): Promise<void> {
    this.#closed = true
    const producer = await this.#producer?.catch(() => undefined)
    await producer?.disconnect().catch(() => undefined)
  }

  async #send(topicMessages: readonly TopicMessages[]): Promise<void> {
    if (this.#closed) throw new Error('the sender is closed')
    this.#producer ??= this.#open()
    const opening = this.#producer
    try {
      const producer = await opening
      const answers = await producer.sendBatch({ acks: -1, timeout: 10_000, topicMessages: [...topicMessages] })
      const missing = unacknowledged(topicMessages, answers)
      if (missing.length > 0) throw new Error(`Kafka acknowledged nothing for ${missing.join(', ')}`)
    } catch (error) {
      if (this.#producer === opening) this.#producer = undefined
      void opening.then(producer => producer.disconnect()).catch(() => undefined)
      throw error
    }
  }

  async #open(): Promise<Producer> {
    const producer = this.#cluster.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      // Bounded, unlike kafkajs' default for idempotent producers: the caller goes on trying, with a new producer.
      retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 2_000 },
    })
    await producer.connect()
    return producer
  }
}
