import { loadConfig, optionalText, text, type Env } from '@keepsake/config'
import type { Db } from '@keepsake/db'
import { z } from 'zod'
import type { EventLog } from './event-log.js'
import type { KafkaAddress } from './kafka-client.js'
import type { KafkaTuning } from './kafka-consumer.js'
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
  KEEPSAKE_TEST_EVENTS: text({
    default: '',
    pattern: /^((disturb=\d+|commit-before-effect)(,(?!$)|$))*$/,
    help: 'For tests, and refused unless NODE_ENV is `test`: `disturb=SEED` delivers twice and shuffles, `commit-before-effect` plants a bug.',
  }),
  NODE_ENV: text({ default: 'production', help: 'What the process is for: `production`, or `test`.' }),
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
 * What fault tests switch on.
 * @throws ConfigError, and an Error where the process is not one of a test: what is switched here loses events
 */
export function testTuning(env: Env): KafkaTuning {
  const { KEEPSAKE_TEST_EVENTS: text, NODE_ENV: mode } = loadConfig(eventsConfig, env)
  if (text === '') return {}
  if (mode !== 'test') throw new Error('KEEPSAKE_TEST_EVENTS is for tests: it is refused unless NODE_ENV is test.')
  const seed = /disturb=(\d+)/.exec(text)?.[1]
  return {
    ...(seed === undefined ? {} : { disturb: { random: seeded(Number(seed)), duplicate: 0.2, reorder: true } }),
    ...(text.includes('commit-before-effect') ? { commitBeforeEffect: true } : {}),
  }
}

/** Mulberry32: reproducible and plenty for choosing what to disturb. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * The event log that the environment names. Services do not ask which.
 * @param db a pool of the role of the service that owns the groups
 * @throws ConfigError
 */
export function openEventLog(env: Env, db: Db): EventLog {
  const address = kafkaAddress(env)
  const tuning = testTuning(env)
  const { disturb } = tuning
  return address === undefined
    ? new PostgresLog(db, disturb === undefined ? {} : { disturb })
    : new KafkaLog(db, address, tuning)
}
