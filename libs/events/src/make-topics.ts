import kafkajs from 'kafkajs'
import type { Env } from '@keepsake/config'
import { logger } from '@keepsake/telemetry'
import { kafkaCluster } from './kafka-client.js'
import { ensureTopics, type WantedTopics } from './kafka-topics.js'
import { kafkaAddress } from './open-event-log.js'

/**
 * The command behind `keepsake-admin topics`: makes the topics that are missing on the Kafka that the environment names. Does nothing where
 * events stay in Postgres.
 */
export async function makeTopics(
  env: Env,
  wanted: Omit<WantedTopics, 'prefix'> = {},
): Promise<{ created: string[]; present: string[] }> {
  const address = kafkaAddress(env)
  if (address === undefined) return { created: [], present: [] }
  const { kafka } = kafkaCluster(address, 'topics', logger('topics'))
  const admin = kafka.admin({ retry: { retries: 8, initialRetryTime: 200 } })
  await admin.connect()
  try {
    return await ensureTopics(admin, { ...wanted, prefix: address.prefix })
  } catch (error) {
    const said = error instanceof kafkajs.KafkaJSError ? error.message : undefined
    throw said === undefined ? error : new Error(`The topics could not be made: ${said}`, { cause: error })
  } finally {
    await admin.disconnect()
  }
}
