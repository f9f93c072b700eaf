import { loadConfig, optionalText, text, type Env } from '@keepsake/config'
import type { Db } from '@keepsake/db'
import { z } from 'zod'
import type { EventLog } from './event-log.js'
import type { KafkaAddress } from './kafka-client.js'
import { KafkaLog } from './kafka-log.js'
import { PostgresLog } from './postgres-log.js'

const where = /^(postgres|kafka:\/\/[^/,\s]+:\d+(,[^/,\s]+:\d+)*\/?)$/

/** How a service's events travel. */
export const eventsConfig = z.object({
  KEEPSAKE_EVENTS: text({
    default: 'postgres',
    pattern: where,
    help: 'How events travel: `postgres`, or `kafka://host:port[,host:port]`.',
  }),
  KEEPSAKE_EVENTS_PREFIX: optionalText({ help: 'Begins the name of every topic and group on Kafka.' }),
})

/**
 * The Kafka that the environment names, or undefined where events stay in Postgres.
 * @throws ConfigError
 */
export function kafkaAddress(env: Env): KafkaAddress | undefined {
  const { KEEPSAKE_EVENTS: log, KEEPSAKE_EVENTS_PREFIX: prefix } = loadConfig(eventsConfig, env)
  if (log === 'postgres') return undefined
  return {
    brokers: log
      .replace(/^kafka:\/\//, '')
      .replace(/\/$/, '')
      .split(','),
    prefix,
  }
}

/**
 * The event log that the environment names. Services do not ask which.
 * @param db a pool of the role of the service that owns the groups
 * @throws ConfigError
 */
export function openEventLog(env: Env, db: Db): EventLog {
  const address = kafkaAddress(env)
  return address === undefined ? new PostgresLog(db) : new KafkaLog(db, address)
}
