import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { sql, type Db, type Dedicated } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { beginBooks } from './event-books.js'
import type { Relay } from './event-log.js'
import { saying, type KafkaSender } from './kafka-client.js'
import { toMessage } from './kafka-message.js'
import type { KafkaNames } from './kafka-names.js'
import { outboxAge } from './metrics.js'
import { horizonOf, readOutbox, type OutboxRow } from './outbox-reader.js'
import type { AnyTopic } from './topic.js'
import { beginning, type Position } from './watermark.js'
import { within } from './within.js'

/** Knobs of the relay; the defaults fit, tests turn them. */
export interface RelayTuning {
  /** Asks the outbox without being told, ms. Default 1,000. */
  pollMs?: number
  /** Keeps its place, ms: after a crash so much is sent twice. Default 200. */
  keepPlaceMs?: number
  /** Events of one partition of a topic in one batch. Default 256. */
  batch?: number
  random?: () => number
}

/** What a relay carries, and where. */
export interface RelayOptions {
  /** The service whose process this is; one process per owner works at a time. */
  readonly owner: string
  /** Its topics. */
  readonly topics: readonly AnyTopic[]
  readonly names: KafkaNames
  readonly sender: Pick<KafkaSender, 'send' | 'close'>
}

/** Partitions of a topic and how far they are on Kafka. */
interface Place {
  readonly topic: AnyTopic
  readonly partition: number
  /** On Kafka up to here. */
  read: Position
  /** What the cursors table says. */
  kept: Position
}

/** A batch under way may take so long at close, ms. */
const goodbyeMs = 5_000
const leaderLock = 2_000_000
/** A leader that was stopped (SIGSTOP, a frozen machine) loses its lock after so long: the server ends its idle session. */
const leaseMs = 15_000

/**
 * Carries the events of one owner from the outbox to Kafka: in commit order, in batches, each acknowledged before its place is kept. The
 * leader holds a session lock. Whatever happens between an acknowledgement and the kept place is sent again by the next leader, never skipped; the inbox of
 * the groups sorts the second copies out.
 */
export class OutboxRelay implements Relay {
  readonly #db: Db
  readonly #options: RelayOptions
  readonly #tuning: Required<RelayTuning>
  readonly #log: ReturnType<typeof logger>
  /** Its books are kept like those of a group. */
  readonly #group: string
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #wake: (() => void) | undefined
  #woken = false
  /** When the oldest event that is not on Kafka was published, as far as known. */
  #oldest: number | undefined
  #leads = false
  #failures = 0
  #stopMeasuring: () => void = () => undefined

  constructor(db: Db, options: RelayOptions, tuning: RelayTuning = {}) {
    this.#db = db
    this.#options = options
    this.#tuning = { pollMs: 1_000, keepPlaceMs: 200, batch: 256, random: Math.random, ...tuning }
    this.#group = `${options.owner}.relay`
    this.#log = logger(db.name).child({ relay: options.owner })
  }

  /** Whether this process is the one that works. */
  get leads(): boolean {
    return this.#leads
  }

  start(): void {
    const group = this.#options.owner
    this.#stopMeasuring = outboxAge.observe(set => {
      if (this.#leads) set(this.#oldest === undefined ? 0 : Math.max(0, Date.now() - this.#oldest) / 1000, { group })
    })
    this.#loop = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#stopMeasuring()
    this.#wake?.()
    // What a cluster that is away leaves unsent, the next leader sends.
    await within(goodbyeMs, this.#loop)
    await this.#options.sender.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let connection: Dedicated | undefined
      try {
        connection = await this.#db.dedicated(`relay of ${this.#options.owner}`, { system: true, signal })
        const places = await this.#lead(connection)
        if (places !== undefined) await this.#carry(connection, places)
      } catch (error) {
        if (signal.aborted) break
        await this.#failed(error)
      } finally {
        this.#leads = false
        await connection?.close()
      }
    }
  }

  /** Waits a moment. Said once while it lasts: a broker or a database that is away is one event. */
  async #failed(error: unknown): Promise<void> {
    if (this.#failures++ === 0) this.#log.warn(saying(error), 'events wait in the outbox; trying again')
    const pause = Math.min(5_000, 100 * 2 ** Math.min(this.#failures, 6)) * (0.5 + this.#tuning.random() / 2)
    await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  /** Waits until this process is the leader and answers where the last one came to. */
  async #lead(connection: Dedicated): Promise<Place[] | undefined> {
    const { owner, topics } = this.#options
    const lock = crc32(`relay ${owner}`) | 0
    for (;;) {
      if (this.#stop.signal.aborted) return undefined
      const [row] = await connection.many<{ got: boolean }>(
        sql`select pg_try_advisory_lock(${lock}::int, ${leaderLock}::int) as got`,
      )
      if (row?.got === true) break
      const pause = this.#tuning.pollMs * (0.75 + this.#tuning.random() / 2)
      await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
    await connection.many(sql`select set_config('idle_session_timeout', ${String(leaseMs)}, false)`)
    connection.onLost(() => this.#notified())
    await connection.listen('keepsake_events', () => this.#notified())
    await connection.many(beginBooks(this.#group, topics))
    const cursors = await connection.many<{ topic: string; partition: number; txid: string; position: number }>(
      sql`select topic, partition, txid::text, position from events.cursors where grp = ${this.#group}`,
    )
    this.#leads = true
    this.#log.info('this process carries the outbox to Kafka')
    return topics.flatMap(topic =>
      Array.from({ length: topic.partitions }, (_, partition) => {
        const at = cursors.find(c => c.topic === topic.name && c.partition === partition)
        const read = at === undefined ? beginning : { txid: at.txid, position: at.position }
        return { topic, partition, read, kept: read }
      }),
    )
  }

  async #carry(connection: Dedicated, places: readonly Place[]): Promise<void> {
    const { signal } = this.#stop
    let horizon = '0'
    let nextPlace = 0
    while (!signal.aborted && !connection.lost) {
      this.#woken = false
      const rows = await readOutbox(
        connection,
        places.map(place => ({ topic: place.topic.name, partition: place.partition, read: place.read })),
        horizon,
        this.#tuning.batch,
      )
      const ready = rows.filter(row => row.visible)
      this.#oldest = rows.length === 0 ? undefined : Math.min(...rows.map(row => row.createdAt.getTime()))
      if (ready.length > 0) {
        try {
          await this.#send(ready)
        } catch (error) {
          await this.#failed(error)
          continue // the same events again
        }
        for (const row of ready) {
          const place = places[row.reader]
          if (place !== undefined) place.read = { txid: row.txid, position: row.position }
        }
        if (ready.length === rows.length) this.#oldest = undefined
      }
      this.#failures = 0
      if (performance.now() >= nextPlace) {
        await this.#keepPlace(connection, places)
        nextPlace = performance.now() + this.#tuning.keepPlaceMs
      }
      if (ready.length < rows.length) {
        // Older transactions are open: what they commit comes first.
        horizon = await horizonOf(connection)
        await sleep(10)
      } else if (!this.#fullPartition(ready)) await this.#pause(places.some(place => place.read !== place.kept))
    }
    if (!connection.lost) await this.#keepPlace(connection, places)
  }

  async #send(rows: readonly OutboxRow[]): Promise<void> {
    const byTopic = new Map<string, OutboxRow[]>()
    for (const row of rows) {
      const list = byTopic.get(row.topic)
      if (list === undefined) byTopic.set(row.topic, [row])
      else list.push(row)
    }
    await this.#options.sender.send(
      [...byTopic].map(([topic, list]) => ({ topic: this.#options.names.topic(topic), messages: list.map(toMessage) })),
    )
  }

  async #keepPlace(connection: Dedicated, places: readonly Place[]): Promise<void> {
    const moved = places.filter(place => place.read !== place.kept)
    if (moved.length === 0) return
    const reads = moved.map(place => place.read)
    await connection.many(sql`
      update events.cursors c set txid = n.txid, position = n.position, updated_at = now()
      from unnest(${moved.map(p => p.topic.name)}::text[], ${moved.map(p => p.partition)}::int[],
                  ${reads.map(r => r.txid)}::text[]::xid8[], ${reads.map(r => r.position)}::int8[]) as n (topic, partition, txid, position)
      where c.grp = ${this.#group} and c.topic = n.topic and c.partition = n.partition`)
    moved.forEach((place, i) => (place.kept = reads[i] ?? place.kept))
  }

  #fullPartition(rows: readonly OutboxRow[]): boolean {
    if (rows.length < this.#tuning.batch) return false
    const counts = new Map<number, number>()
    for (const { reader } of rows) counts.set(reader, (counts.get(reader) ?? 0) + 1)
    return Math.max(...counts.values()) >= this.#tuning.batch
  }

  #notified(): void {
    this.#woken = true
    this.#wake?.()
  }

  async #pause(behind: boolean): Promise<void> {
    if (this.#woken || this.#stop.signal.aborted) return
    const ended = new AbortController()
    const told = new Promise<void>(resolve => (this.#wake = resolve))
    const ms = behind ? Math.min(this.#tuning.keepPlaceMs, this.#tuning.pollMs) : this.#tuning.pollMs
    await Promise.race([told, sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined)])
    this.#wake = undefined
    ended.abort()
  }
}
