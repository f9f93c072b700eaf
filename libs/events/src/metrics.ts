import { metrics } from '@keepsake/telemetry'

// What bounds the labels.
const groups = 'the services that consume'
const topics = 'the topics of topics.ts'

/** Events taken in, by outcome. */
export const eventsHandled = metrics.declare({
  name: 'events_handled_total',
  owner: 'events',
  kind: 'counter',
  unit: '{event}',
  labels: { group: groups, topic: topics, outcome: ['done', 'retried', 'parked', 'dead'] },
  help: 'Events taken in, by outcome.',
})

/** Time from the commit of an event to the end of its handling. */
export const eventsDelay = metrics.declare({
  name: 'events_delay_seconds',
  owner: 'events',
  kind: 'histogram',
  unit: 's',
  labels: { group: groups, topic: topics },
  help: 'Time from the commit of an event to the end of its handling.',
})

/** Time that one delivery took in its handler, with the effect it committed. */
export const handlerSeconds = metrics.declare({
  name: 'events_handler_seconds',
  owner: 'events',
  kind: 'histogram',
  unit: 's',
  labels: { group: groups, topic: topics },
  help: 'Time that one delivery took in its handler, with the effect it committed.',
})

/** Events in the partitions that this process reads which its group has not taken in yet, at most 10,000 for a topic. */
export const consumerLag = metrics.declare({
  name: 'events_consumer_lag',
  owner: 'events',
  kind: 'gauge',
  unit: '{event}',
  labels: { group: groups, topic: topics },
  help: 'Events in the partitions that this process reads which its group has not taken in yet, at most 10,000 for a topic.',
})

/** Age of the oldest event that waits: in the Postgres log for this group, with Kafka for the relay. */
export const outboxAge = metrics.declare({
  name: 'events_outbox_age_seconds',
  owner: 'events',
  kind: 'gauge',
  unit: 's',
  labels: { group: groups },
  help: 'Age of the oldest event that waits: in the Postgres log for this group, with Kafka for the relay.',
})

/** Events that the group gave up and nobody has replayed. */
export const deadLetters = metrics.declare({
  name: 'events_dead_letters',
  owner: 'events',
  kind: 'gauge',
  unit: '{event}',
  labels: { group: groups },
  help: 'Events that the group gave up and nobody has replayed.',
})

/** Events that failed and wait for their next try, with those that wait behind them. */
export const parkedEvents = metrics.declare({
  name: 'events_parked',
  owner: 'events',
  kind: 'gauge',
  unit: '{event}',
  labels: { group: groups },
  help: 'Events that failed and wait for their next try, with those that wait behind them.',
})
