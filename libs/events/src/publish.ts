import { sql, type FamilyTx } from '@keepsake/db'
import { injectTrace } from '@keepsake/telemetry'
import { partitionOf, type Topic } from './topic.js'

/**
 * Says that something happened, in the transaction that made it so: if that rolls back, nothing was said. The trace we are in travels along.
 * @returns the event's id
 */
export async function publish<T>(tx: FamilyTx, topic: Topic<T>, message: T): Promise<string> {
  const key = topic.key(message, tx.familyId)
  const headers = { ...injectTrace(), schema: topic.schema }
  const payload = Buffer.from(topic.codec.encode(message).finish())
  const { eventId } = await tx.one<{ eventId: string }>(sql`
    insert into events.outbox (topic, partition, key, family_id, headers, payload)
    values (${topic.name}, ${partitionOf(key, topic.partitions)}, ${key}, ${tx.familyId}, ${sql.json(headers)}, ${payload})
    returning event_id`)
  return eventId
}
