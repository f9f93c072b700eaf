import type { Db } from '@keepsake/db'
import { sql } from '@keepsake/db'
import type { Consumer, ConsumerOptions, DeadLetter, EventFilter, EventLog } from './event-log.js'
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

  async pending(group: string, familyId: string, topics?: readonly AnyTopic[]): Promise<number> {
    const names = topics?.map(topic => topic.name)
    const of =
      names === undefined
        ? sql`select distinct topic from events.cursors where grp = ${group}`
        : sql`select unnest(${names}::text[])`
    const { count } = await this.#db.family(familyId, tx =>
      tx.one<{ count: number }>(sql`
        select (
          select count(*) from (${of}) as t (topic)
          cross join generate_series(0, 63) as p (partition)
          left join events.cursors c on c.grp = ${group} and c.topic = t.topic and c.partition = p.partition
          join events.outbox o on o.topic = t.topic and o.partition = p.partition
            and (o.txid, o.position) > (coalesce(c.txid, '0'), coalesce(c.position, 0))
          where o.family_id = ${familyId}
            and not exists (select 1 from events.inbox i where i.grp = ${group} and i.event_id = o.event_id)
            and not exists (select 1 from events.parked k where k.grp = ${group} and k.event_id = o.event_id)
            and not exists (select 1 from events.dead_letters d where d.grp = ${group} and d.event_id = o.event_id)
        ) + (select count(*) from events.parked where grp = ${group} and family_id = ${familyId}) as count`),
    )
    return count
  }

  async deadLetters(group: string, filter: EventFilter = {}): Promise<DeadLetter[]> {
    return this.#db.system(`list dead letters of ${group}`, tx =>
      tx.many<DeadLetter>(sql`
        select grp as group, event_id, topic, key, family_id, attempts, cause, created_at, dead_at
        from events.dead_letters where grp = ${group} and ${matches(filter, true)} order by dead_at, event_id`),
    )
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

  async prune(keepMs: number): Promise<{ events: number; inbox: number }> {
    return this.#db.system('prune delivered events', tx =>
      tx.one<{ events: number; inbox: number }>(sql`
        select outbox_rows as events, inbox_rows as inbox from events.prune(make_interval(secs => ${keepMs / 1000}))`),
    )
  }
}

function matches(filter: EventFilter, dead: boolean) {
  const parts = [sql`true`]
  if (filter.topic !== undefined) parts.push(sql`topic = ${filter.topic}`)
  if (filter.familyId !== undefined) parts.push(sql`family_id = ${filter.familyId}`)
  if (filter.keys !== undefined) parts.push(sql`key = any(${filter.keys}::text[])`)
  if (filter.eventIds !== undefined) parts.push(sql`event_id = any(${filter.eventIds}::uuid[])`)
  if (filter.since !== undefined) parts.push(sql`created_at >= ${filter.since}`)
  if (filter.until !== undefined) parts.push(sql`created_at < ${filter.until}`)
  if (dead && filter.reason !== undefined) parts.push(sql`cause ->> 'reason' = ${filter.reason}`)
  return sql.join(parts, sql` and `)
}
