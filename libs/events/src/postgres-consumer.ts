import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { sql, type Db, type Dedicated } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import type { Consumer, ConsumerOptions, Subscription } from './event-log.js'
import { disturbed, Intake, type Scope } from './intake.js'
import { consumerLag, deadLetters, outboxAge, parkedEvents } from './metrics.js'
import { horizonOf, readOutbox, type OutboxRow } from './outbox-reader.js'
import { PlacesToRead, type PlaceToRead } from './places-to-read.js'
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
  readonly partitions: Map<number, { readers: Reader[]; abort: AbortController; scope: Scope }>
}

const memberLock = 1_000_000 // every process of a group holds this one, shared: that is how they count each other
const fetchLimit = 256
/** Waiting events of one partition of a topic are counted up to here. */
const backlogCounted = 1250
/** One answer serves all metrics of a look, ms. */
const backlogKeptMs = 1000

/** Takes events in for one group: reads its partitions, runs handlers in lanes, parks what fails, keeps its place. */
export class PostgresConsumer implements Consumer {
  readonly #db: Db
  readonly #group: string
  readonly #subscriptions: readonly Subscription[]
  readonly #tuning: Required<Omit<PostgresTuning, 'disturb'>> & Pick<PostgresTuning, 'disturb'>
  readonly #log: ReturnType<typeof logger>
  readonly #intake: Intake
  readonly #lockClass: number
  readonly #partitions: number
  /** Every transaction of this database before this one is over. */
  #horizon = '0'
  #hold: Hold | undefined
  #stopping = false
  #wake: (() => void) | undefined
  #woken = false
  readonly #toRead = new PlacesToRead()
  #loop: Promise<void> = Promise.resolve()
  #stopMeasuring: (() => void)[] = []

  constructor(db: Db, options: ConsumerOptions, tuning: PostgresTuning) {
    this.#db = db
    this.#group = options.group
    this.#subscriptions = options.subscriptions
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
    this.#intake = new Intake({
      db,
      consumer: options,
      random: this.#tuning.random,
      log: this.#log,
      books: async query => this.#hold?.connection.many(query) ?? [],
    })
  }

  /** Resolves when the group has joined; it then reads until it is closed. */
  async start(): Promise<void> {
    await this.#join()
    this.#measure()
    this.#loop = this.#run()
  }

  async readiness(): Promise<void> {
    if (this.#hold?.connection.lost !== false) throw new Error('the event log is not held just now')
  }

  async close(drainMs = 10_000): Promise<void> {
    this.#stopping = true
    for (const stop of this.#stopMeasuring) stop()
    this.#wake?.()
    await this.#loop
    this.#intake.stop()
    const late = new AbortController()
    const cut = sleep(drainMs, undefined, { signal: late.signal }).then(
      () => this.#hold?.abort.abort(new DOMException('The service is stopping.', 'AbortError')),
      () => undefined,
    )
    await this.#intake.settled()
    late.abort()
    await cut
    if (this.#hold !== undefined) await this.#keepPlace(this.#hold).catch(() => undefined)
    await this.#letGo()
  }

  async abandon(): Promise<void> {
    this.#stopping = true
    for (const stop of this.#stopMeasuring) stop()
    this.#intake.stop()
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
    let nextPoll = 0
    while (!this.#stopping) {
      try {
        const hold = this.#hold?.connection.lost === false ? this.#hold : await this.#join()
        const now = performance.now()
        if (now >= nextRebalance) {
          await this.#rebalance(hold)
          nextRebalance = now + this.#tuning.rebalanceMs * (0.75 + this.#tuning.random() / 2)
        }
        if (now >= nextPoll) {
          await this.#intake.retryDue(scopesOf(hold))
          this.#toRead.everywhere()
          nextPoll = now + this.#tuning.pollMs
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
        this.#toRead.everywhere()
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
      const mine = (place: PlaceToRead) =>
        hold.partitions.get(place.partition)?.readers.some(r => r.subscription.topic.name === place.topic) === true
      await connection.listen('keepsake_events', words => {
        if (this.#toRead.announced(words, mine)) this.#notified()
      })
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
    this.#intake.forgetAll()
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
    await this.#intake.learn(partition)
    const readers = this.#subscriptions
      .filter(s => partition < s.topic.partitions)
      .map(subscription => {
        const at = cursors.find(c => c.topic === subscription.topic.name)
        const start = at === undefined ? beginning : { txid: at.txid, position: at.position }
        return { subscription, partition, mark: new Watermark(start), read: start, kept: start }
      })
    const abort = new AbortController()
    hold.partitions.set(partition, {
      readers,
      abort,
      scope: { signal: AbortSignal.any([hold.abort.signal, abort.signal]) },
    })
    this.#toRead.everywhere()
  }

  /** Hands a partition on: what has not begun is forgotten, what runs is waited for a moment, then its place is kept. */
  async #giveUp(hold: Hold, partition: number): Promise<void> {
    const held = hold.partitions.get(partition)
    if (held === undefined) return
    hold.partitions.delete(partition)
    this.#intake.forget(held.scope)
    held.abort.abort(new DOMException('The partition moves to another process.', 'AbortError'))
    await this.#keep(hold, held.readers)
    await hold.connection.many(sql`select pg_advisory_unlock(${this.#lockClass}::int, ${partition}::int)`)
  }

  /** Reads on where there is room. Returns how soon to look again. */
  async #read(hold: Hold): Promise<'now' | 'soon' | 'later'> {
    const withRoom = [...hold.partitions.values()]
      .flatMap(held => held.readers)
      .filter(reader => reader.mark.outstanding + fetchLimit <= this.#tuning.window)
    if (withRoom.length === 0) return 'soon'
    this.#woken = false
    const readers = this.#toRead.take(withRoom, placeOf)
    if (readers.length === 0) return 'later'
    const rows = await readOutbox(
      hold.connection,
      readers.map(r => ({ ...placeOf(r), read: r.read })),
      this.#horizon,
      fetchLimit,
    )
    let blocked = false
    let full = false
    const counts = new Map<number, number>()
    const fresh: { reader: Reader; event: OutboxRow; finish: () => void }[] = []
    for (const row of rows) {
      const reader = readers[row.reader]
      if (reader === undefined) continue
      // Older transactions are still open: a later read finds this row again, after whatever they commit.
      if (!row.visible) {
        blocked = true
        this.#toRead.again(placeOf(reader))
        continue
      }
      const count = (counts.get(row.reader) ?? 0) + 1
      counts.set(row.reader, count)
      if (count === fetchLimit) {
        full = true
        this.#toRead.again(placeOf(reader))
      }
      reader.read = { txid: row.txid, position: row.position }
      // The mark learns them in the order of the log, whatever order they are handled in.
      fresh.push({ reader, event: row, finish: reader.mark.add(reader.read) })
    }
    for (const { reader, event, finish } of disturbed(fresh, this.#tuning.disturb)) {
      const held = hold.partitions.get(reader.partition)
      if (held !== undefined) this.#intake.add(held.scope, reader.subscription, event, finish)
    }
    if (blocked) this.#horizon = await horizonOf(hold.connection)
    return full ? 'now' : blocked ? 'soon' : 'later'
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

const placeOf = (reader: Reader): PlaceToRead => ({
  topic: reader.subscription.topic.name,
  partition: reader.partition,
})

const scopesOf = (hold: Hold) => new Map([...hold.partitions].map(([partition, held]) => [partition, held.scope]))
