import type { Db } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { deadLettersOf, matches, pendingOf, pruneBooks } from './event-books.js'
import type { Consumer, ConsumerOptions, DeadLetter, EventFilter, EventLog, Relay } from './event-log.js'
import { PostgresConsumer, type PostgresTuning } from './postgres-consumer.js'
import type { AnyTopic } from './topic.js'

/**
 * The event log in Postgres: the outbox table is the log. Readers see an event after its transaction committed, in commit order and
 * without gaps; a partition is worked by one process at a time, held by a session lock that kill -9 frees.
 */
export class PostgresLog implements EventLog {
  readonly #db: Db
  readonly #tuning: PostgresTuning

  /** @param db a pool of the role of the service that owns the groups */
  constructor(db: Db, tuning: PostgresTuning = {}) {
    this.#db = db
    this.#tuning = tuning
  }

  async subscribe(options: ConsumerOptions): Promise<Consumer> {
    const consumer = new PostgresConsumer(this.#db, options, this.#tuning)
    await consumer.start()
    return consumer
  }

  /** The outbox itself is what readers read: there is nothing to carry. */
  async carry(): Promise<Relay> {
    return { close: async () => undefined }
  }

  pending(group: string, familyId: string, topics?: readonly AnyTopic[]): Promise<number> {
    return pendingOf(this.#db, group, familyId, topics)
  }

  deadLetters(group: string, filter: EventFilter = {}): Promise<DeadLetter[]> {
    return deadLettersOf(this.#db, group, filter)
  }

  async replay(group: string, filter: EventFilter & { from?: 'dead' | 'log' }): Promise<number> {
    const columns = sql`grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at, next_at`
    const picked = sql`event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at, now()`
    return this.#db.system(`replay events to ${group}`, async tx => {
      if (filter.from !== 'log')
        return tx.changed(sql`
          with again as (delete from events.dead_letters where grp = ${group} and ${matches(filter, true)} returning *)
          insert into events.parked (${columns}) select ${group}, ${picked} from again order by txid, position
          on conflict do nothing`)
      const chosen = sql`select * from events.outbox where ${matches(filter, false)}`
      await tx.changed(
        sql`delete from events.inbox where grp = ${group} and event_id in (select event_id from (${chosen}) o)`,
      )
      return tx.changed(sql`
        insert into events.parked (${columns}) select ${group}, ${picked} from (${chosen}) o order by txid, position
        on conflict do nothing`)
    })
  }

  prune(keepMs: number): Promise<{ events: number; inbox: number }> {
    return pruneBooks(this.#db, keepMs)
  }
}
