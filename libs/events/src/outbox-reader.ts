import { sql, type Dedicated } from '@keepsake/db'
import type { StoredEvent } from './event-log.js'
import type { Position } from './watermark.js'

/** One partition of a topic and how far it was read. */
export interface OutboxPlace {
  readonly topic: string
  readonly partition: number
  readonly read: Position
}

/** An event of the outbox as it was read. */
export interface OutboxRow extends StoredEvent {
  /** Which of the asked places it belongs to. */
  readonly reader: number
  /** Every transaction before its own is over: nothing can come before it any more. */
  readonly visible: boolean
}

/**
 * The next events after each place, in commit order: (transaction, position). A row that is not `visible` must be read again later, since an older
 * transaction is still open and may yet commit something before it.
 * @param horizon what `horizonOf` said last, or '0'
 */
export async function readOutbox(
  connection: Dedicated,
  places: readonly OutboxPlace[],
  horizon: string,
  limit: number,
): Promise<OutboxRow[]> {
  return connection.many<OutboxRow>(sql`
    select r.reader - 1 as reader, o.event_id, o.topic, o.partition, o.key, o.family_id, o.headers, o.payload, o.created_at,
           o.txid::text, o.position, o.txid < greatest(pg_snapshot_xmin(pg_current_snapshot()), ${horizon}::text::xid8) as visible
    from unnest(${places.map(p => p.topic)}::text[], ${places.map(p => p.partition)}::int[],
                ${places.map(p => p.read.txid)}::text[]::xid8[], ${places.map(p => p.read.position)}::int8[])
         with ordinality as r (topic, partition, txid, position, reader)
    cross join lateral (
      select * from events.outbox o
      where o.topic = r.topic and o.partition = r.partition and (o.txid, o.position) > (r.txid, r.position)
      order by o.txid, o.position limit ${limit}
    ) o
    order by r.reader, o.txid, o.position`)
}

/**
 * The oldest open transaction of the whole server holds readers back, although one of another database can never write here. Finds the oldest of
 * this database: whatever is older is over, so the next read will see all of it. Asked only while something waits.
 */
export async function horizonOf(connection: Dedicated): Promise<string> {
  const [row] = await connection.many<{ horizon: string }>(sql`
    select coalesce(min(x), pg_snapshot_xmax(pg_current_snapshot()))::text as horizon
    from pg_snapshot_xip(pg_current_snapshot()) as x
    where not exists (
      select 1 from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'transactionid' and l.granted and l.mode = 'ExclusiveLock'
        and l.transactionid::text::int8 = x::text::int8 & 4294967295
        and a.datid <> (select oid from pg_database where datname = current_database()))`)
  return row?.horizon ?? '0'
}
