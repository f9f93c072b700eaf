import type { AnyTopic } from './topic.js'

/** Partitions of a group's retry topic: as many as any topic has, since an event keeps its partition's number there. */
export function retryPartitions(topics: readonly AnyTopic[]): number {
  return Math.max(1, ...topics.map(topic => topic.partitions))
}

/** What things are called on Kafka. A prefix keeps environments apart that share a cluster. */
export class KafkaNames {
  constructor(readonly prefix = '') {
    if (!/^[a-zA-Z0-9._-]{0,40}$/.test(prefix))
      throw new Error(`${prefix} cannot begin the name of a topic: letters, digits, dot, dash and underscore can`)
  }

  /** keepsake.media.ingested.v1 */
  topic(topic: AnyTopic | string): string {
    return `${this.prefix}keepsake.${typeof topic === 'string' ? topic : topic.name}.v1`
  }

  /** Where events of a group wait for their next try. */
  retry(group: string): string {
    return `${this.prefix}keepsake.retry.${group}.v1`
  }

  /** Where events that a group gave up are kept. */
  dead(group: string): string {
    return `${this.prefix}keepsake.dead.${group}.v1`
  }

  /** Kafka's name of a consumer group. */
  group(group: string): string {
    return `${this.prefix}${group}`
  }
}
