export {
  erasureKindOf,
  reportErasure,
  startErasure,
  type ErasureBegun,
  type ErasureKind,
  type Removed,
} from './erasure.js'
export { EventConsumer, eventConsumer, eventMigrations, type EventConsumerOptions } from './event-consumer.js'
export {
  defaultRetry,
  LAST_TRY,
  type Consumer,
  type ConsumerOptions,
  type DeadLetter,
  type EventFilter,
  type EventLog,
  type Origin,
  type Relay,
  type RetryPolicy,
  type StoredEvent,
  type Subscription,
} from './event-log.js'
export { failureOf, UndecodableError } from './failure.js'
export type { KafkaAddress } from './kafka-client.js'
export type { KafkaTuning } from './kafka-consumer.js'
export { KafkaLog } from './kafka-log.js'
export { KafkaNames } from './kafka-names.js'
export { ensureTopics, planTopics, type TopicPlan, type WantedTopics } from './kafka-topics.js'
export { makeTopics } from './make-topics.js'
export { eventTransport, OnEvent, OnEventWork, type WorkOptions } from './on-event.js'
export { eventsConfig, kafkaAddress, openEventLog } from './open-event-log.js'
export type { RelayTuning } from './outbox-relay.js'
export { PostgresLog } from './postgres-log.js'
export type { PostgresTuning } from './postgres-consumer.js'
export { publish } from './publish.js'
export { requestResync, requestResyncOf, type Resync } from './resync.js'
export { takeIn, type EventContext, type EventHandler, type EventWorkHandler, type Handling } from './take-in.js'
export { bury, goneOf, isAnyGone, isGone } from './tombstones.js'
export { partitionOf, type AnyTopic, type MessageCodec, type Topic } from './topic.js'
export * from './topics.js'
