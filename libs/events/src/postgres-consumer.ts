import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { sql, type Db, type Dedicated, type FamilyTx } from '@keepsake/db'
import { logger, setFamily, withTrace } from '@keepsake/telemetry'
import {
  defaultRetry,
  type Consumer,
  type ConsumerOptions,
  type RetryPolicy,
  type StoredEvent,
  type Subscription,
} from './event-log.js'
import { failureOf, inPlacePause, parkedPause, type Cause } from './failure.js'
import { Lanes } from './lanes.js'
import { consumerLag, deadLetters, eventsDelay, eventsHandled, outboxAge, parkedEvents } from './metrics.js'
import { beginning, Watermark, type Position } from './watermark.js'

/** Knobs of the Postgres adapter; the defaults fit, tests turn them. */
export interface PostgresTuning {
  /** Asks the log without being told, ms. Default 1,000. */
  pollMs?: number
  /** Looks for partitions to take or to give up, ms. Default 2,000. */
  rebalanceMs?: number
  /** Keeps its place in the log, ms. Default 200. */
  keepPlaceMs?: number
  /** Events of one partition of a topic that are held in memory at most: back pressure, and how far families can take turns. Default 1,024. */
  window?: number
  /** On purpose: deliver some events twice and shuffle events of different keys. For tests. */
  disturb?: { random: () => number; duplicate: number; reorder: boolean }
  random?: () => number
}

/** One partition of one topic that is being read. */
interface Reader {
  readonly subscription: Subscription
  readonly partition: number
  readonly mark: Watermark
  /** Read up to here; the mark follows when handlers are done. */
  read: Position
  /** What the cursors table says. */
  kept: Position
}

/** What waits in the partitions held here. */
interface Backlog {
  readonly topics: readonly { topic: string; events: number; oldest: Date | null }[]
  readonly dead: number
  readonly parked: number
}

/** A hold on partitions: ends with the connection whose session locks it stands on. */
interface Hold {
  readonly connection: Dedicated
  readonly abort: AbortController
  /** By partition: its readers, one per topic. */
  readonly partitions: Map<number, { readers: Reader[]; abort: AbortController }>
}

interface LogRow extends Omit<StoredEvent, 'payload'> {
  payload: Buffer
  visible: boolean
}

const memberLock = 1_000_000 // every process of a group holds this one, shared: that is how they count each other
const fetchLimit = 256
/** Waiting events of one partition of a topic are counted up to here. */
const backlogCounted = 1250
/** One answer serves all metrics of a look, ms. */
const backlogKeptMs = 1000
const sharedPool = ''

/** Takes events in for one group: reads its partitions, runs handlers in lanes, parks what fails, keeps its place. */
export class PostgresConsumer implements Consumer {
  readonly #db: Db
  readonly #group: string
  readonly #subscriptions: readonly Subscription[]
  readonly #retry: RetryPolicy
  readonly #tuning: Required<Omit<PostgresTuning, 'disturb'>> & Pick<PostgresTuning, 'disturb'>
  readonly #log: ReturnType<typeof logger>
  readonly #lanes: Lanes
  readonly #lockClass: number
  readonly #partitions: number
  /** Lanes with an event in the parked table: what follows waits behind it. */
  readonly #parkedLanes = new Set<string>()
  /** Every transaction of this database before this one is over. */
  #horizon = '0'
  #hold: Hold | undefined
  #stopping = false
  #wake: (() => void) | undefined
  #woken = false
  #loop: Promise<void> = Promise.resolve()
  #stopMeasuring: (() => void)[] = []

  constructor(db: Db, options: ConsumerOptions, tuning: PostgresTuning) {
    this.#db = db
    this.#group = options.group
    this.#subscriptions = options.subscriptions
    this.#retry = { ...defaultRetry, ...options.retry }
    this.#tuning = {
      pollMs: 1_000,
      rebalanceMs: 2_000,
      keepPlaceMs: 200,
      window: 1_024,
      random: Math.random,
      ...tuning,
    }
    this.#log = logger(db.name).child({ group: options.group })
    this.#lockClass = crc32(`group ${options.group}`) | 0
    this.#partitions = Math.max(1, ...options.subscriptions.map(s => s.topic.partitions))
    const limits: Record<string, number> = { [sharedPool]: options.concurrency ?? 4 }
    for (const s of options.subscriptions) if (s.concurrency !== undefined) limits[s.topic.name] = s.concurrency
    this.#lanes = new Lanes(limits)
  }

  /** Resolves when the group has joined; it then reads until it is closed. */
  async start(): Promise<void> {
    await this.#join()
    this.#measure()
    this.#loop = this.#run()
  }

  async close(drainMs = 10_000): Promise<void> {
    this.#stopping = true
    for (const stop of this.#stopMeasuring) stop()
    this.#wake?.()
    await this.#loop
    this.#lanes.stop()
    const late = new AbortController()
    const cut = sleep(drainMs, undefined, { signal: late.signal }).then(
      () => this.#hold?.abort.abort(new DOMException('The service is stopping.', 'AbortError')),
      () => undefined,
    )
    await this.#lanes.settled()
    late.abort()
    await cut
    if (this.#hold !== undefined) await this.#keepPlace(this.#hold).catch(() => undefined)
    await this.#letGo()
  }

  async abandon(): Promise<void> {
    this.#stopping = true
    for (const stop of this.#stopMeasuring) stop()
    this.#lanes.stop()
    this.#wake?.()
    await this.#letGo()
    await this.#loop
  }

  /** What waits is counted when somebody asks, in the partitions held here: the sum over the processes is the group's. */
  #measure(): void {
    const group = this.#group
    let asked: { at: number; backlog: Promise<Backlog> } | undefined
    const backlog = () => {
      if (asked === undefined || Date.now() - asked.at > backlogKeptMs)
        asked = { at: Date.now(), backlog: this.#backlog() }
      return asked.backlog
    }
    this.#stopMeasuring = [
      consumerLag.observe(async set => {
        for (const { topic, events } of (await backlog()).topics) set(events, { group, topic })
      }),
      outboxAge.observe(async set => {
        const oldest = Math.min(...(await backlog()).topics.map(topic => topic.oldest?.getTime() ?? Infinity))
        set(Number.isFinite(oldest) ? Math.max(0, Date.now() - oldest) / 1000 : 0, { group })
      }),
      deadLetters.observe(async set => set((await backlog()).dead, { group })),
      parkedEvents.observe(async set => set((await backlog()).parked, { group })),
    ]
  }

  async #backlog(): Promise<Backlog> {
    const hold = this.#hold
    if (hold === undefined) throw new Error('the event log is not held just now')
    const readers = [...hold.partitions.values()].flatMap(held => held.readers)
    const marks = readers.map(reader => reader.mark.committed)
    const topics = await hold.connection.many<{ topic: string; events: number; oldest: Date | null }>(sql`
      select r.topic, count(o.created_at) as events, min(o.created_at) as oldest
      from unnest(${readers.map(r => r.subscription.topic.name)}::text[], ${readers.map(r => r.partition)}::int[],
                  ${marks.map(m => m.txid)}::text[]::xid8[], ${marks.map(m => m.position)}::int8[])
           as r (topic, partition, txid, position)
      left join lateral (
        select created_at from events.outbox o
        where o.topic = r.topic and o.partition = r.partition and (o.txid, o.position) > (r.txid, r.position)
        order by o.txid, o.position limit ${backlogCounted}
      ) o on true
      group by r.topic`)
    const partitions = [...hold.partitions.keys()]
    const [books] = await hold.connection.many<{ dead: number; parked: number }>(sql`
      select (select count(*) from events.dead_letters where grp = ${this.#group} and partition = any(${partitions}::int[])) as dead,
             (select count(*) from events.parked where grp = ${this.#group} and partition = any(${partitions}::int[])) as parked`)
    return { topics, dead: books?.dead ?? 0, parked: books?.parked ?? 0 }
  }

  async #run(): Promise<void> {
    let nextRebalance = 0
    let nextPlace = 0
    let nextParked = 0
    while (!this.#stopping) {
      try {
        const hold = this.#hold?.connection.lost === false ? this.#hold : await this.#join()
        const now = performance.now()
        if (now >= nextRebalance) {
          await this.#rebalance(hold)
          nextRebalance = now + this.#tuning.rebalanceMs * (0.75 + this.#tuning.random() / 2)
        }
        if (now >= nextParked) {
          await this.#wakeParked(hold)
          nextParked = now + this.#tuning.pollMs
        }
        const more = await this.#read(hold)
        if (performance.now() >= nextPlace) {
          await this.#keepPlace(hold)
          nextPlace = performance.now() + this.#tuning.keepPlaceMs
        }
        await this.#pause(more)
      } catch (error) {
        if (this.#stopping) return
        this.#log.warn({ err: error }, 'the event log cannot be read just now; trying again')
        if (this.#hold?.connection.lost !== false) await this.#letGo()
        await sleep(200 + this.#tuning.random() * 300)
      }
    }
  }

  /** Opens the connection that holds the locks and hears the notifications. */
  async #join(): Promise<Hold> {
    await this.#letGo()
    const connection = await this.#db.dedicated(`events for ${this.#group}`, { system: true })
    const hold: Hold = { connection, abort: new AbortController(), partitions: new Map() }
    try {
      connection.onLost(() => {
        hold.abort.abort(new DOMException('The event log was lost.', 'AbortError'))
        this.#notified()
      })
      await connection.listen('keepsake_events', () => this.#notified())
      await connection.many(sql`select pg_advisory_lock_shared(${this.#lockClass}::int, ${memberLock}::int)`)
      this.#hold = hold
      await this.#rebalance(hold)
      return hold
    } catch (error) {
      await this.#letGo()
      await connection.close()
      throw error
    }
  }

  async #letGo(): Promise<void> {
    const hold = this.#hold
    this.#hold = undefined
    if (hold === undefined) return
    hold.abort.abort(new DOMException('The event log was let go.', 'AbortError'))
    for (const held of hold.partitions.values()) held.abort.abort(hold.abort.signal.reason)
    this.#lanes.drop(() => true)
    this.#parkedLanes.clear()
    await hold.connection.close()
  }

  /** Takes or gives up partitions so that the processes of the group hold about the same number. */
  async #rebalance(hold: Hold): Promise<void> {
    const [count] = await hold.connection.many<{ members: number }>(sql`
      select count(*) as members from pg_locks
      where locktype = 'advisory' and granted and classid = ${this.#lockClass >>> 0}::int8::oid and objid = ${memberLock}::oid
        and database = (select oid from pg_database where datname = current_database())`)
    const fair = Math.ceil(this.#partitions / Math.max(1, count?.members ?? 1))
    for (const partition of [...hold.partitions.keys()].slice(fair)) await this.#giveUp(hold, partition)
    // Starting at a random one, processes that come at the same time do not all reach for the same.
    const first = Math.floor(this.#tuning.random() * this.#partitions)
    for (let i = 0; i < this.#partitions && hold.partitions.size < fair; i++) {
      const partition = (first + i) % this.#partitions
      if (!hold.partitions.has(partition)) await this.#take(hold, partition)
    }
  }

  async #take(hold: Hold, partition: number): Promise<void> {
    const [lock] = await hold.connection.many<{ got: boolean }>(
      sql`select pg_try_advisory_lock(${this.#lockClass}::int, ${partition}::int) as got`,
    )
    if (lock?.got !== true) return
    // A group is known by its cursors, from its first moment on: `pending` and `prune` count by them.
    await hold.connection.many(sql`
      insert into events.cursors (grp, topic, partition, txid, position)
      select ${this.#group}, unnest(${this.#subscriptions.map(s => s.topic.name)}::text[]), ${partition}, '0', 0 on conflict do nothing`)
    const cursors = await hold.connection.many<{ topic: string; txid: string; position: number }>(
      sql`select topic, txid::text, position from events.cursors where grp = ${this.#group} and partition = ${partition}`,
    )
    const parked = await hold.connection.many<{ topic: string; key: string }>(
      sql`select distinct topic, key from events.parked where grp = ${this.#group} and partition = ${partition}`,
    )
    for (const { topic, key } of parked) this.#parkedLanes.add(laneOf(topic, key))
    const readers = this.#subscriptions
      .filter(s => partition < s.topic.partitions)
      .map(subscription => {
        const at = cursors.find(c => c.topic === subscription.topic.name)
        const start = at === undefined ? beginning : { txid: at.txid, position: at.position }
        return { subscription, partition, mark: new Watermark(start), read: start, kept: start }
      })
    hold.partitions.set(partition, { readers, abort: new AbortController() })
  }

  /** Hands a partition on: what has not begun is forgotten, what runs is waited for a moment, then its place is kept. */
  async #giveUp(hold: Hold, partition: number): Promise<void> {
    const held = hold.partitions.get(partition)
    if (held === undefined) return
    hold.partitions.delete(partition)
    this.#lanes.drop(task => (task as EventTask).partition === partition && (task as EventTask).hold === hold)
    held.abort.abort(new DOMException('The partition moves to another process.', 'AbortError'))
    await this.#keep(hold, held.readers)
    await hold.connection.many(sql`select pg_advisory_unlock(${this.#lockClass}::int, ${partition}::int)`)
  }

  /** Reads on where there is room. Returns how soon to look again. */
  async #read(hold: Hold): Promise<'now' | 'soon' | 'later'> {
    const readers = [...hold.partitions.values()]
      .flatMap(held => held.readers)
      .filter(reader => reader.mark.outstanding + fetchLimit <= this.#tuning.window)
    if (readers.length === 0) return 'soon'
    this.#woken = false
    const rows = await hold.connection.many<LogRow & { reader: number }>(sql`
      select r.reader - 1 as reader, o.event_id, o.topic, o.partition, o.key, o.family_id, o.headers, o.payload, o.created_at,
             o.txid::text, o.position, o.txid < greatest(pg_snapshot_xmin(pg_current_snapshot()), ${this.#horizon}::text::xid8) as visible
      from unnest(${readers.map(r => r.subscription.topic.name)}::text[], ${readers.map(r => r.partition)}::int[],
                  ${readers.map(r => r.read.txid)}::text[]::xid8[], ${readers.map(r => r.read.position)}::int8[])
           with ordinality as r (topic, partition, txid, position, reader)
      cross join lateral (
        select * from events.outbox o
        where o.topic = r.topic and o.partition = r.partition and (o.txid, o.position) > (r.txid, r.position)
        order by o.txid, o.position limit ${fetchLimit}
      ) o
      order by r.reader, o.txid, o.position`)
    let blocked = false
    let full = false
    const counts = new Map<number, number>()
    const fresh: { reader: Reader; row: LogRow }[] = []
    for (const row of rows) {
      const reader = readers[row.reader]
      if (reader === undefined) continue
      // Older transactions are still open: a later read finds this row again, after whatever they commit.
      if (!row.visible) {
        blocked = true
        continue
      }
      const count = (counts.get(row.reader) ?? 0) + 1
      counts.set(row.reader, count)
      if (count === fetchLimit) full = true
      reader.read = { txid: row.txid, position: row.position }
      fresh.push({ reader, row })
    }
    for (const { reader, row } of this.#disturbed(fresh)) this.#submit(hold, reader, row)
    if (blocked) await this.#lookPastOtherDatabases(hold)
    return full ? 'now' : blocked ? 'soon' : 'later'
  }

  /**
   * The oldest open transaction of the whole server holds readers back, although one of another database can never write here. Finds the oldest of
   * this database: whatever is older is over, so the next read will see all of it. Asked only while something waits.
   */
  async #lookPastOtherDatabases(hold: Hold): Promise<void> {
    const [row] = await hold.connection.many<{ horizon: string }>(sql`
      select coalesce(min(x), pg_snapshot_xmax(pg_current_snapshot()))::text as horizon
      from pg_snapshot_xip(pg_current_snapshot()) as x
      where not exists (
        select 1 from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'transactionid' and l.granted and l.mode = 'ExclusiveLock'
          and l.transactionid::text::int8 = x::text::int8 & 4294967295
          and a.datid <> (select oid from pg_database where datname = current_database()))`)
    this.#horizon = row?.horizon ?? '0'
  }

  #disturbed(events: { reader: Reader; row: LogRow }[]): { reader: Reader; row: LogRow }[] {
    const disturb = this.#tuning.disturb
    if (disturb === undefined) return events
    const out = events.flatMap(event => (disturb.random() < disturb.duplicate ? [event, event] : [event]))
    if (!disturb.reorder) return out
    // Keys change places, order within a key stays.
    const byKey = new Map<string, typeof out>()
    for (const event of out) {
      const lane = laneOf(event.row.topic, event.row.key)
      byKey.set(lane, [...(byKey.get(lane) ?? []), event])
    }
    const queues = [...byKey.values()]
    const shuffled: typeof out = []
    while (queues.length > 0) {
      const i = Math.floor(disturb.random() * queues.length)
      const queue = queues[i]
      const event = queue?.shift()
      if (event !== undefined) shuffled.push(event)
      if (queue?.length === 0) queues.splice(i, 1)
    }
    return shuffled
  }

  #submit(hold: Hold, reader: Reader, row: LogRow): void {
    const { subscription, partition } = reader
    const finish = reader.mark.add({ txid: row.txid, position: row.position })
    const lane = laneOf(row.topic, row.key)
    this.#lanes.add({
      lane,
      family: row.familyId,
      pool: this.#poolOf(subscription),
      partition,
      hold,
      run: async () => {
        const signal = this.#signalOf(hold, partition)
        if (signal.aborted) return
        const deliver = () => {
          setFamily(row.familyId)
          return this.#deliver(subscription, row, lane, signal)
        }
        if (await withTrace(row.headers, deliver)) finish()
      },
    } satisfies EventTask as EventTask)
  }

  #poolOf(subscription: Subscription): string {
    return subscription.concurrency === undefined ? sharedPool : subscription.topic.name
  }

  #signalOf(hold: Hold, partition: number): AbortSignal {
    const held = hold.partitions.get(partition)
    return held === undefined ? AbortSignal.abort() : AbortSignal.any([hold.abort.signal, held.abort.signal])
  }

  /** True when the event needs no further delivery: handled, parked or given up. */
  async #deliver(subscription: Subscription, event: StoredEvent, lane: string, signal: AbortSignal): Promise<boolean> {
    if (this.#parkedLanes.has(lane)) return this.#park(event, 0, undefined, undefined, signal)
    for (let attempt = 1; ; attempt++) {
      try {
        await subscription.handle(event, attempt, signal)
        this.#count(event, 'done')
        return true
      } catch (error) {
        if (signal.aborted) return false
        const { hopeless, cause } = failureOf(error)
        if (hopeless) {
          this.#log.error({ err: error, topic: event.topic, event_id: event.eventId }, 'an event was given up')
          return this.#bury(event, attempt, cause, signal)
        }
        if (attempt >= this.#retry.inPlace) {
          const pause = parkedPause(1, this.#retry, this.#tuning.random)
          this.#log.warn({ err: error, topic: event.topic, event_id: event.eventId, pause }, 'an event was parked')
          if (pause === undefined) return this.#bury(event, attempt, cause, signal)
          this.#parkedLanes.add(lane)
          return this.#park(event, attempt, pause, cause, signal)
        }
        this.#count(event, 'retried')
        await sleep(inPlacePause(attempt, this.#retry, this.#tuning.random))
        if (signal.aborted) return false
      }
    }
  }

  /** Tries the parked events of a lane, oldest first, until one fails again or none is left. */
  async #retryLane(subscription: Subscription, topic: string, key: string, signal: AbortSignal): Promise<void> {
    const lane = laneOf(topic, key)
    while (!signal.aborted) {
      const [row] = await this.#system<StoredEvent & { attempts: number; due: boolean }>(sql`
        select event_id, topic, partition, key, family_id, headers, payload, created_at, txid::text, position, attempts,
               next_at <= now() or next_at = 'infinity' as due
        from events.parked where grp = ${this.#group} and topic = ${topic} and key = ${key} order by seq limit 1`)
      if (row === undefined) {
        this.#parkedLanes.delete(lane)
        return
      }
      if (!row.due) return
      try {
        await subscription.handle(row, row.attempts + 1, signal)
        this.#count(row, 'done')
        await this.#books(row.familyId, signal, tx => tx.changed(this.#unpark(row)))
      } catch (error) {
        if (signal.aborted) return
        const { hopeless, cause } = failureOf(error)
        const attempts = row.attempts + 1
        // An event that waited behind another is on its first tries: it gets the same pauses as any other.
        const parkings = Math.max(1, attempts - this.#retry.inPlace + 1)
        const pause = hopeless ? undefined : parkedPause(parkings, this.#retry, this.#tuning.random)
        if (pause === undefined) {
          this.#log.error({ err: error, topic, event_id: row.eventId, attempts }, 'an event was given up')
          if (!(await this.#bury(row, attempts, cause, signal))) return
          continue
        }
        this.#count(row, 'parked')
        await this.#books(row.familyId, signal, tx =>
          tx.changed(sql`
            update events.parked set attempts = ${attempts}, cause = ${sql.json(cause)},
              next_at = now() + make_interval(secs => ${pause / 1000})
            where grp = ${this.#group} and event_id = ${row.eventId}`),
        )
        return
      }
    }
  }

  /** Sets off retries of lanes whose oldest parked event is due. */
  async #wakeParked(hold: Hold): Promise<void> {
    const partitions = [...hold.partitions.keys()]
    if (partitions.length === 0) return
    const due = await hold.connection.many<{ topic: string; key: string; partition: number; familyId: string }>(sql`
      select topic, key, partition, family_id from (
        select distinct on (topic, key) topic, key, partition, family_id, next_at from events.parked
        where grp = ${this.#group} and partition = any(${partitions}::int[]) order by topic, key, seq
      ) heads where next_at <= now() or next_at = 'infinity' limit 500`)
    for (const { topic, key, partition, familyId } of due) {
      const subscription = this.#subscriptions.find(s => s.topic.name === topic)
      if (subscription === undefined) continue
      const lane = laneOf(topic, key)
      this.#parkedLanes.add(lane)
      this.#lanes.add({
        lane,
        family: familyId,
        pool: this.#poolOf(subscription),
        partition,
        hold,
        run: async () => {
          const signal = this.#signalOf(hold, partition)
          await this.#retryLane(subscription, topic, key, signal).catch((error: unknown) => {
            if (!signal.aborted) this.#log.warn({ err: error, topic }, 'parked events cannot be read just now')
          })
        },
      } satisfies EventTask as EventTask)
    }
  }

  #park(
    event: StoredEvent,
    attempts: number,
    pause: number | undefined,
    cause: Cause | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#count(event, 'parked')
    const next = pause === undefined ? sql`'infinity'` : sql`now() + make_interval(secs => ${pause / 1000})`
    return this.#books(event.familyId, signal, tx =>
      tx.changed(sql`
        insert into events.parked (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at,
                                   attempts, next_at, cause)
        values (${this.#group}, ${event.eventId}, ${event.topic}, ${event.partition}, ${event.key}, ${event.familyId},
                ${sql.json(event.headers)}, ${event.payload}, ${event.txid}::xid8, ${event.position}, ${event.createdAt},
                ${attempts}, ${next}, ${cause === undefined ? null : sql.json(cause)})
        on conflict do nothing`),
    )
  }

  #bury(event: StoredEvent, attempts: number, cause: Cause, signal: AbortSignal): Promise<boolean> {
    this.#count(event, 'dead')
    return this.#books(event.familyId, signal, async tx => {
      await tx.changed(this.#unpark(event))
      await tx.changed(sql`
        insert into events.dead_letters (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at,
                                         attempts, cause)
        values (${this.#group}, ${event.eventId}, ${event.topic}, ${event.partition}, ${event.key}, ${event.familyId},
                ${sql.json(event.headers)}, ${event.payload}, ${event.txid}::xid8, ${event.position}, ${event.createdAt},
                ${attempts}, ${sql.json(cause)})
        on conflict do nothing`)
    })
  }

  #unpark(event: StoredEvent) {
    return sql`delete from events.parked where grp = ${this.#group} and event_id = ${event.eventId}`
  }

  /** Writes the group's books; nothing else may happen to the lane until that worked, so it tries until the partition is gone. */
  async #books(familyId: string, signal: AbortSignal, write: (tx: FamilyTx) => Promise<unknown>): Promise<boolean> {
    for (;;) {
      if (signal.aborted) return false
      try {
        await this.#db.family(familyId, write)
        return true
      } catch (error) {
        this.#log.error({ err: error }, 'the event log cannot be written just now; trying again')
        await sleep(500 + this.#tuning.random() * 500)
      }
    }
  }

  async #system<R>(query: ReturnType<typeof sql>): Promise<R[]> {
    const hold = this.#hold
    if (hold === undefined) return []
    return hold.connection.many<R>(query)
  }

  async #keepPlace(hold: Hold): Promise<void> {
    await this.#keep(
      hold,
      [...hold.partitions.values()].flatMap(held => held.readers),
    )
  }

  async #keep(hold: Hold, readers: readonly Reader[]): Promise<void> {
    const moved = readers.filter(r => r.mark.committed !== r.kept)
    if (moved.length === 0) return
    const places = moved.map(r => r.mark.committed)
    await hold.connection.many(sql`
      insert into events.cursors (grp, topic, partition, txid, position)
      select ${this.#group}, * from unnest(${moved.map(r => r.subscription.topic.name)}::text[], ${moved.map(r => r.partition)}::int[],
        ${places.map(p => p.txid)}::text[]::xid8[], ${places.map(p => p.position)}::int8[])
      on conflict (grp, topic, partition) do update
        set txid = excluded.txid, position = excluded.position, updated_at = now()`)
    moved.forEach((reader, i) => (reader.kept = places[i] ?? reader.kept))
  }

  #count(event: StoredEvent, outcome: 'done' | 'retried' | 'parked' | 'dead'): void {
    eventsHandled.add(1, { group: this.#group, topic: event.topic, outcome })
    if (outcome === 'done')
      eventsDelay.record((Date.now() - event.createdAt.getTime()) / 1000, { group: this.#group, topic: event.topic })
  }

  #notified(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** Waits until something may have happened: at once, in a moment (older transactions are still open), or at the next poll. */
  async #pause(how: 'now' | 'soon' | 'later'): Promise<void> {
    if (how === 'now' || this.#stopping) return
    if (how === 'soon') {
      await sleep(10)
      return
    }
    if (this.#woken) return
    const ended = new AbortController()
    const told = new Promise<void>(resolve => (this.#wake = resolve))
    // A place that is behind is kept soon, so that a restart repeats little.
    await Promise.race([
      told,
      sleep(Math.min(this.#tuning.pollMs, this.#tuning.keepPlaceMs * 2), undefined, { signal: ended.signal }).catch(
        () => undefined,
      ),
    ])
    this.#wake = undefined
    ended.abort()
  }
}

/** A task of a lane that knows which hold and partition it stands on. */
interface EventTask {
  readonly lane: string
  readonly family: string
  readonly pool: string
  readonly partition: number
  readonly hold: Hold
  run(): Promise<void>
}

const laneOf = (topic: string, key: string) => `${topic}\0${key}`
