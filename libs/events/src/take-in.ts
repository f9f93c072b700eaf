import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { setFamily, span, withTrace } from '@keepsake/telemetry'
import { boundedSignal } from './bounded-signal.js'
import type { StoredEvent } from './event-log.js'
import { UndecodableError } from './failure.js'
import type { Topic } from './topic.js'

/** What a handler is told beside the message. */
export interface EventContext {
  readonly eventId: string
  readonly familyId: string
  /** From 1. */
  readonly attempt: number
  /** Aborted when nobody may work on this event here any more, or its time is over. */
  readonly signal: AbortSignal
}

/** A short handler: its effect commits together with the note that the event was taken in. */
export type EventHandler<T> = (message: T, tx: FamilyTx, context: EventContext) => Promise<void>

/** A long handler: works outside any transaction and answers the effect, which commits with the note. */
export type EventWorkHandler<T> = (
  message: T,
  context: EventContext,
) => Promise<((tx: FamilyTx) => Promise<void>) | undefined | void>

/** How a handler is run. */
export type Handling<T> = { deadlineMs: number } & (
  { mode: 'effect'; handler: EventHandler<T> } | { mode: 'work'; handler: EventWorkHandler<T> }
)

/** Takes one delivery in: decodes it, joins its trace, runs the handler unless the group has had the event before. */
export async function takeIn<T>(
  db: Db,
  group: string,
  topic: Topic<T>,
  handling: Handling<T>,
  event: StoredEvent,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const message = decode(topic, event)
  const bounded = boundedSignal(signal, handling.deadlineMs)
  const context: EventContext = { eventId: event.eventId, familyId: event.familyId, attempt, signal: bounded.signal }
  const fresh = (tx: FamilyTx) =>
    tx.changed(sql`
      insert into events.inbox (grp, event_id, family_id) values (${group}, ${event.eventId}, ${event.familyId})
      on conflict do nothing`)
  const options = { signal: context.signal }
  const run = async () => {
    if (handling.mode === 'effect') {
      await db.family(
        event.familyId,
        async tx => {
          if ((await fresh(tx)) === 1) await handling.handler(message, tx, context)
        },
        options,
      )
      return
    }
    const known = await db.familyRows(
      event.familyId,
      () => sql`select 1 from events.inbox where grp = ${group} and event_id = ${event.eventId}`,
      options,
    )
    if (known.length > 0) return
    const effect = await handling.handler(message, context)
    await db.family(
      event.familyId,
      async tx => {
        if ((await fresh(tx)) === 1) await effect?.(tx)
      },
      options,
    )
  }
  const attributes = { 'messaging.destination': event.topic, 'messaging.message_id': event.eventId, group, attempt }
  try {
    await withTrace(event.headers, () => {
      setFamily(event.familyId)
      return span(`event ${event.topic}`, run, attributes, 'consumer')
    })
  } catch (error) {
    bounded.abort(error)
    throw error
  } finally {
    bounded.release()
  }
}

function decode<T>(topic: Topic<T>, event: StoredEvent): T {
  if (event.headers['schema'] !== topic.schema)
    throw new UndecodableError(`the event says it is ${event.headers['schema'] ?? 'nothing'}, not ${topic.schema}`)
  try {
    return topic.codec.decode(event.payload)
  } catch (error) {
    throw new UndecodableError(`the bytes are no ${topic.schema}`, { cause: error })
  }
}
