import { sql, type Db, type Sql } from '@keepsake/db'
import type { DeadLetter, EventFilter } from './event-log.js'
import type { AnyTopic } from './topic.js'

// The books of a group are in Postgres for both adapters: how far it has come in the outbox, what it took in, what waits and what was given up.

/** Events of a family that a group has not taken in, waiting ones included, given-up ones not. */
export async function pendingOf(
  db: Db,
  group: string,
  familyId: string,
  topics: readonly AnyTopic[] | undefined,
): Promise<number> {
  const of =
    topics === undefined
      ? sql`select distinct topic from events.cursors where grp = ${group}`
      : sql`select unnest(${topics.map(topic => topic.name)}::text[])`
  const { count } = await db.family(familyId, tx =>
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

/** What a group gave up. */
export async function deadLettersOf(db: Db, group: string, filter: EventFilter): Promise<DeadLetter[]> {
  const rows = await db.system(`list dead letters of ${group}`, tx =>
    tx.many<DeadLetter & { headers: Record<string, string>; origin: DeadLetter['origin'] | null }>(sql`
      select grp as group, event_id, topic, key, family_id, attempts, cause, created_at, dead_at, headers, origin
      from events.dead_letters where grp = ${group} and ${matches(filter, true)} order by dead_at, event_id`),
  )
  return rows.map(({ headers, origin, ...letter }) => ({
    ...letter,
    ...(origin === null ? {} : { origin }),
    traceId: headers['traceparent']?.split('-')[1],
  }))
}

/** Removes what every group has passed and is older than `keepMs`. */
export async function pruneBooks(db: Db, keepMs: number): Promise<{ events: number; inbox: number }> {
  return db.system('prune delivered events', tx =>
    tx.one<{ events: number; inbox: number }>(sql`
      select outbox_rows as events, inbox_rows as inbox from events.prune(make_interval(secs => ${keepMs / 1000}))`),
  )
}

/** A group is known by its cursors, from its first moment on: `pending` and `prune` count by them. */
export function beginBooks(group: string, topics: readonly AnyTopic[]): Sql {
  const places = topics.flatMap(topic =>
    Array.from({ length: topic.partitions }, (_, partition) => ({ topic: topic.name, partition })),
  )
  return sql`
    insert into events.cursors (grp, topic, partition, txid, position)
    select ${group}, *, '0', 0 from unnest(${places.map(p => p.topic)}::text[], ${places.map(p => p.partition)}::int[])
    on conflict do nothing`
}

/** Rows that a filter means, of the outbox or (`dead`) of the dead letters. */
export function matches(filter: EventFilter, dead: boolean): Sql {
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
