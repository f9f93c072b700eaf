import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Db } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import type { Consumer as KafkaJsConsumer, EachBatchPayload } from 'kafkajs'
import { BooksLink } from './books-link.js'
import { beginBooks } from './event-books.js'
import type { Consumer, ConsumerOptions, StoredEvent, Subscription } from './event-log.js'
import { UndecodableError, type Cause } from './failure.js'
import { disturbed, Intake, type ParkedEvent } from './intake.js'
import { sharedNumbers } from './kafka-assigner.js'
import { KafkaSender, missingTopics, patience, saying, type KafkaCluster } from './kafka-client.js'
import { fromMessage, toDead, toRetry, type KafkaRecord } from './kafka-message.js'
import { consumerLag, deadLetters, parkedEvents } from './metrics.js'
import { beginning, isBefore, Watermark, type Position } from './watermark.js'
import { within } from './within.js'

/** Knobs of the Kafka adapter; the defaults fit, tests turn them. */
export interface KafkaTuning {
  /** Looks for parked events that are due, ms. Default 1,000. */
  pollMs?: number
  /** Keeps its place, ms. Default 200. */
  keepPlaceMs?: number
  /** Events of one partition of a topic that are held in memory before reading pauses. Default 1,024. */
  window?: number
  /** Parked events of one partition that are held in memory, one of their payloads being some hundred bytes. Default 8,192. */
  parkedWindow?: number
  /** A member that says nothing for so long is taken for dead, ms. Default 30,000. */
  sessionTimeoutMs?: number
  /** Says that it lives, ms. Default 2,000. */
  heartbeatMs?: number
  /** A broker waits so long for news before it answers, ms. Default 500. */
  waitMs?: number
  /** A parked event whose message has not come so long after it was due is sent again from the books, ms. Default 30,000. */
  resendMs?: number
  /** On purpose: deliver some events twice and shuffle events of different keys. For tests. */
  disturb?: { random: () => number; duplicate: number; reorder: boolean }
  /** A planted bug: an event counts as done when it is taken over, a second before its effect. For tests of the fault runs. */
  commitBeforeEffect?: boolean
  random?: () => number
}

/** Where a reader is: the next offset, and how far that is in the outbox. */
interface Place {
  readonly next: number
  readonly at: Position
}

/** One partition of one Kafka topic that this process reads. */
interface Reader {
  readonly kafkaTopic: string
  readonly partition: number
  /** Nothing for the group's retry topic. */
  readonly subscription: Subscription | undefined
  readonly abort: AbortController
  readonly scope: { readonly signal: AbortSignal }
  mark: Watermark<Place>
  /** The last offset taken in. */
  read: number
  /** The next offset as Kafka knows it from us. */
  kept: number
  /** How far the outbox's cursor is. */
  keptAt: Position
  /** The end of the partition when it was last seen. */
  end: number
  resume: (() => void) | undefined
}

/** A parked event whose message lies here. */
interface Held {
  readonly event: StoredEvent
  readonly partition: number
  readonly finish: (() => void)[]
}

/** Leaving the group may take so long, ms. */
const goodbyeMs = 5_000

const nowhere: Place = { next: -1, at: beginning }

/**
 * Takes events in for one group from Kafka. Reading and handling are apart: batches go into lanes (per-key order, families take turns) and the group's
 * heartbeat goes on however long a handler takes. An offset is committed when everything below it is done, and that is after the effects are.
 */
export class KafkaConsumer implements Consumer {
  readonly #cluster: KafkaCluster
  readonly #group: string
  readonly #subscriptions: readonly Subscription[]
  readonly #tuning: Required<Omit<KafkaTuning, 'disturb'>> & Pick<KafkaTuning, 'disturb'>
  readonly #log: ReturnType<typeof logger>
  readonly #intake: Intake
  readonly #books: BooksLink
  readonly #sender: KafkaSender
  readonly #retryTopic: string
  readonly #readers = new Map<string, Reader>()
  /** By partition number: when its waiting lanes are known. */
  readonly #learned = new Map<number, Promise<void>>()
  readonly #held = new Map<string, Held>()
  readonly #stop = new AbortController()
  #consumer: KafkaJsConsumer | undefined
  #member = ''
  /** From the first joining on, until this life of the consumer ends; partitions that move change nothing. */
  #joined = false
  #loops: Promise<unknown>[] = []
  #stopMeasuring: (() => void)[] = []

  constructor(db: Db, cluster: KafkaCluster, options: ConsumerOptions, tuning: KafkaTuning) {
    this.#cluster = cluster
    this.#group = options.group
    this.#subscriptions = options.subscriptions
    this.#tuning = {
      pollMs: 1_000,
      keepPlaceMs: 200,
      window: 1_024,
      parkedWindow: 8_192,
      sessionTimeoutMs: 30_000,
      heartbeatMs: 2_000,
      waitMs: 500,
      resendMs: 30_000,
      commitBeforeEffect: false,
      random: Math.random,
      ...tuning,
    }
    this.#log = logger(db.name).child({ group: options.group })
    this.#books = new BooksLink(db, `books of ${options.group}`)
    this.#sender = new KafkaSender(cluster)
    this.#retryTopic = cluster.names.retry(options.group)
    this.#intake = new Intake({
      db,
      consumer: options,
      random: this.#tuning.random,
      log: this.#log,
      books: query => this.#books.many(query),
      hooks: {
        parked: (event, attempts, pauseMs, cause) => this.#sendRetry(event, attempts, pauseMs, cause),
        dying: (event, attempts, cause) => this.#sendDead(event, attempts, cause),
        recall: row => this.#recall(row),
        settled: event => this.#release(event.eventId),
      },
    })
  }

  /**
   * Resolves when the group has taken this process in; tries until then.
   * @throws when a topic is missing
   */
  async start(): Promise<void> {
    await this.#patiently('Kafka does not answer yet', () => this.#checkTopics())
    await this.#patiently('the books cannot be opened yet', () =>
      this.#books.many(
        beginBooks(
          this.#group,
          this.#subscriptions.map(s => s.topic),
        ),
      ),
    )
    this.#measure()
    await new Promise<void>(resolve => {
      this.#loops = [
        this.#live(resolve).finally(resolve),
        this.#every(this.#tuning.keepPlaceMs, 'the place cannot be kept just now', () => this.#keepPlace()),
        this.#every(this.#tuning.pollMs, 'parked events cannot be read just now', () => this.#retryDue()),
      ]
    })
  }

  async readiness(): Promise<void> {
    // Once it is let go it is gone, though kafkajs may report one more joining on its way out.
    if (!this.#joined || this.#stop.signal.aborted) throw new Error(`not a member of the group ${this.#group} just now`)
  }

  async close(drainMs = 10_000): Promise<void> {
    this.#stopReading()
    this.#intake.stop()
    const late = new AbortController()
    const cut = sleep(drainMs, undefined, { signal: late.signal }).then(
      () => this.#abortAll('The service is stopping.'),
      () => undefined,
    )
    await this.#intake.settled()
    late.abort()
    await cut
    await within(goodbyeMs, this.#keepPlace())
    await this.#end()
  }

  async abandon(): Promise<void> {
    this.#stopReading()
    this.#intake.stop()
    this.#abortAll('The event log was let go.')
    await this.#end()
  }

  #stopReading(): void {
    this.#stop.abort()
    for (const stop of this.#stopMeasuring) stop()
    const assigned = [...this.#readers.values()].map(r => ({ topic: r.kafkaTopic, partitions: [r.partition] }))
    try {
      this.#consumer?.pause(assigned)
    } catch {
      // It has not joined yet, so it reads nothing.
    }
  }

  async #end(): Promise<void> {
    // With the cluster away there is nobody to say goodbye to.
    await within(goodbyeMs, Promise.all([this.#consumer?.disconnect(), ...this.#loops]))
    this.#abortAll('The event log was let go.')
    await Promise.all([this.#sender.close(), this.#books.close()])
  }

  #abortAll(reason: string): void {
    for (const reader of this.#readers.values()) reader.abort.abort(new DOMException(reason, 'AbortError'))
  }

  /** Tries until it works or the consumer is closed; a missing topic is told at once. */
  async #patiently(sentence: string, what: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; !this.#stop.signal.aborted; tries++) {
      try {
        await what()
        return
      } catch (error) {
        if (error instanceof MissingTopics) throw missingTopics(error.topics)
        if (tries === 0) this.#log.warn(saying(error), `${sentence}; trying again`)
        await this.#rest(tries)
      }
    }
  }

  #rest(tries: number): Promise<unknown> {
    const ms = Math.min(15_000, 250 * 2 ** Math.min(tries, 6)) * (0.5 + this.#tuning.random() / 2)
    return sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  async #checkTopics(): Promise<void> {
    const admin = this.#cluster.kafka.admin({ retry: { retries: 1 } })
    try {
      await admin.connect()
      const there = new Set(await admin.listTopics())
      const missing = this.#topics().filter(topic => !there.has(topic))
      if (missing.length > 0) throw new MissingTopics(missing)
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }

  #topics(): string[] {
    const { names } = this.#cluster
    return [...this.#subscriptions.map(s => names.topic(s.topic)), this.#retryTopic, names.dead(this.#group)]
  }

  /** One life of kafkajs' consumer after another: when one ends by a crash, the next begins after a moment. */
  async #live(joined: () => void): Promise<void> {
    const { signal } = this.#stop
    for (let tries = 0; !signal.aborted; tries++) {
      let said: unknown
      try {
        said = await this.#liveOnce(() => {
          tries = 0
          this.#joined = true
          joined()
        })
      } catch (error) {
        said = error
      }
      this.#joined = false
      if (signal.aborted) return
      // Said once while it lasts: a cluster that is away is one event.
      this.#log[tries === 0 ? 'warn' : 'debug'](saying(said), 'reading from Kafka ended; beginning again')
      this.#assigned({})
      await this.#rest(tries)
    }
  }

  /** Resolves with the reason when this life is over. */
  async #liveOnce(joined: () => void): Promise<unknown> {
    const { sessionTimeoutMs, heartbeatMs, waitMs } = this.#tuning
    const consumer = this.#cluster.patient.consumer({
      groupId: this.#cluster.names.group(this.#group),
      partitionAssigners: [sharedNumbers(() => [...new Set([...this.#readers.values()].map(r => r.partition))])],
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(sessionTimeoutMs, 10_000),
      heartbeatInterval: heartbeatMs,
      maxWaitTimeInMs: waitMs,
      maxBytesPerPartition: 128 * 1024,
      allowAutoTopicCreation: false,
      retry: { ...patience, restartOnFailure: async () => false },
    })
    this.#consumer = consumer
    try {
      const crashed = new Promise<unknown>(resolve => {
        consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error))
        this.#stop.signal.addEventListener('abort', () => resolve(undefined), { once: true })
      })
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        // Taken for dead meanwhile (a frozen machine): others had the partitions, so nothing that is known here holds.
        if (payload.memberId !== this.#member) this.#assigned({})
        this.#member = payload.memberId
        this.#assigned(payload.memberAssignment)
        joined()
      })
      return await Promise.race([crashed, this.#read(consumer)])
    } finally {
      // A close keeps it for its last commit and disconnects it then.
      if (!this.#stop.signal.aborted) await consumer.disconnect().catch(() => undefined)
    }
  }

  /** Joins and reads; ends by an error only. */
  async #read(consumer: KafkaJsConsumer): Promise<never> {
    await consumer.connect()
    await consumer.subscribe({
      topics: [...this.#subscriptions.map(s => this.#cluster.names.topic(s.topic)), this.#retryTopic],
      fromBeginning: true,
    })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      partitionsConsumedConcurrently: 8,
      eachBatch: payload => this.#take(payload),
    })
    return new Promise<never>(() => undefined)
  }

  /** Takes up the partitions that are ours now and lets go of those that are not. */
  #assigned(assignment: Readonly<Record<string, number[]>>): void {
    const now = new Set(
      Object.entries(assignment).flatMap(([topic, partitions]) => partitions.map(p => readerOf(topic, p))),
    )
    for (const [id, reader] of this.#readers) {
      if (now.has(id)) continue
      this.#readers.delete(id)
      reader.abort.abort(new DOMException('The partition moves to another process.', 'AbortError'))
      this.#intake.forget(reader.scope)
      if (reader.subscription === undefined)
        for (const [eventId, held] of this.#held) if (held.partition === reader.partition) this.#held.delete(eventId)
    }
    const before = new Set([...this.#readers.values()].map(reader => reader.partition))
    for (const number of this.#learned.keys()) if (!before.has(number)) this.#learned.delete(number)
    for (const [kafkaTopic, partitions] of Object.entries(assignment)) {
      const subscription = this.#subscriptions.find(s => this.#cluster.names.topic(s.topic) === kafkaTopic)
      for (const partition of partitions) {
        if (!this.#learned.has(partition)) this.#learned.set(partition, this.#learn(partition))
        const id = readerOf(kafkaTopic, partition)
        if (this.#readers.has(id)) continue
        const abort = new AbortController()
        this.#readers.set(id, {
          kafkaTopic,
          partition,
          subscription,
          abort,
          scope: { signal: abort.signal },
          mark: new Watermark(nowhere),
          read: -1,
          kept: -1,
          keptAt: beginning,
          end: 0,
          resume: undefined,
        })
        // It may have been paused when it was ours before.
        this.#consumer?.resume([{ topic: kafkaTopic, partitions: [partition] }])
      }
    }
    if (this.#stop.signal.aborted) this.#stopReading()
  }

  async #learn(partition: number): Promise<void> {
    await this.#patiently('the books cannot be read yet', () => this.#intake.learn(partition))
  }

  /** Takes a batch over into memory. Handlers run aside, so this returns soon and the heartbeat goes on. */
  async #take({ batch, heartbeat, pause }: EachBatchPayload): Promise<void> {
    const reader = this.#readers.get(readerOf(batch.topic, batch.partition))
    const learned = this.#learned.get(batch.partition)
    if (reader === undefined || learned === undefined) return
    for (let ready = false; !ready;) {
      const waited = new AbortController()
      ready = await Promise.race([
        learned.then(() => true),
        sleep(1_000, false, { signal: waited.signal }).catch(() => false),
      ])
      waited.abort()
      if (!ready) await heartbeat()
    }
    reader.end = Number(batch.highWatermark)
    const fresh: KafkaRecord[] = []
    for (const message of batch.messages) {
      const offset = Number(message.offset)
      if (offset < reader.kept) this.#restart(reader)
      // After a rebalance Kafka begins again at the committed offset; what lies in memory since is not taken twice.
      if (offset <= reader.read) continue
      reader.read = offset
      fresh.push(message)
    }
    if (reader.subscription === undefined) await this.#hold(reader, fresh)
    else this.#submit(reader, reader.subscription, fresh)
    const limit = reader.subscription === undefined ? this.#tuning.parkedWindow : this.#tuning.window
    if (reader.mark.outstanding >= limit) reader.resume ??= pause()
  }

  /** The partition begins again before what was committed: its log was lost or made anew. */
  #restart(reader: Reader): void {
    this.#log.warn({ topic: reader.kafkaTopic, partition: reader.partition }, 'the partition begins anew')
    reader.mark = new Watermark(nowhere)
    reader.read = -1
    reader.kept = -1
  }

  #submit(reader: Reader, subscription: Subscription, records: readonly KafkaRecord[]): void {
    // The mark learns them in the order of the log, whatever order they are handled in.
    const events = records.map(record => {
      const { event, stranger } = fromMessage(record, {
        kafkaTopic: reader.kafkaTopic,
        topic: subscription.topic.name,
        partition: reader.partition,
      })
      const at = { txid: event.txid, position: event.position }
      return {
        event,
        stranger,
        finish: this.#finisher(reader, reader.mark.add({ next: Number(record.offset) + 1, at })),
      }
    })
    const { commitBeforeEffect, disturb } = this.#tuning
    for (const { event, stranger, finish } of disturbed(events, disturb)) {
      const handling = stranger ? refusing(subscription) : subscription
      if (commitBeforeEffect) {
        finish()
        this.#intake.add(reader.scope, afterAMoment(handling), event, () => undefined)
      } else this.#intake.add(reader.scope, handling, event, finish)
    }
  }

  /** Parked events lie in memory until they are due; those that the books no longer know are done. */
  async #hold(reader: Reader, records: readonly KafkaRecord[]): Promise<void> {
    const fresh: [string, () => void][] = []
    for (const record of records) {
      const { event } = fromMessage(record, { kafkaTopic: reader.kafkaTopic, partition: reader.partition })
      const finish = this.#finisher(reader, reader.mark.add({ next: Number(record.offset) + 1, at: beginning }))
      const held = this.#held.get(event.eventId)
      if (held === undefined) this.#held.set(event.eventId, { event, partition: reader.partition, finish: [finish] })
      else held.finish.push(finish)
      fresh.push([event.eventId, finish])
    }
    if (fresh.length === 0) return
    // An event is written into the books before its message is sent: whoever is not in them is done.
    await this.#patiently('the books cannot be read yet', async () => {
      const ids = fresh.map(([id]) => id)
      const rows = await this.#books.many<{ eventId: string }>(
        sql`select event_id from events.parked where grp = ${this.#group} and event_id = any(${ids}::uuid[])`,
      )
      const waiting = new Set(rows.map(row => row.eventId))
      for (const [id] of fresh) if (!waiting.has(id)) this.#release(id)
    })
  }

  #release(eventId: string): void {
    const held = this.#held.get(eventId)
    this.#held.delete(eventId)
    for (const finish of held?.finish ?? []) finish()
  }

  #finisher(reader: Reader, finish: () => void): () => void {
    const mark = reader.mark
    return () => {
      finish()
      const limit = reader.subscription === undefined ? this.#tuning.parkedWindow : this.#tuning.window
      if (reader.resume !== undefined && mark.outstanding <= limit / 2 && !this.#stop.signal.aborted) {
        reader.resume()
        reader.resume = undefined
      }
    }
  }

  async #recall(row: ParkedEvent): Promise<StoredEvent | undefined> {
    const held = this.#held.get(row.eventId)
    if (held !== undefined) return held.event
    // Its message was lost with a crash between book and topic, or with the topic itself.
    if (row.overdueMs > this.#tuning.resendMs) await this.#sendRetry(row, row.attempts, 0, undefined)
    return undefined
  }

  async #sendRetry(
    event: StoredEvent,
    attempts: number,
    pauseMs: number | undefined,
    cause: Cause | undefined,
  ): Promise<void> {
    const due = pauseMs === undefined ? undefined : new Date(Date.now() + pauseMs)
    await this.#sender.send([{ topic: this.#retryTopic, messages: [toRetry(event, { attempts, cause, due })] }])
  }

  async #sendDead(event: StoredEvent, attempts: number, cause: Cause): Promise<void> {
    const topic = this.#cluster.names.dead(this.#group)
    await this.#sender.send([{ topic, messages: [toDead(event, { attempts, cause })] }])
  }

  async #retryDue(): Promise<void> {
    const scopes = new Map(
      [...this.#readers.values()]
        .filter(reader => reader.subscription === undefined)
        .map(reader => [reader.partition, reader.scope] as const),
    )
    await this.#intake.retryDue(scopes)
  }

  /** Commits offsets, then moves the cursors: so the books never run ahead of Kafka. */
  async #keepPlace(): Promise<void> {
    const moved = [...this.#readers.values()]
      .map(reader => ({ reader, place: reader.mark.committed }))
      .filter(({ reader, place }) => place.next > reader.kept)
    if (moved.length === 0) return
    await this.#consumer?.commitOffsets(
      moved.map(({ reader, place }) => ({
        topic: reader.kafkaTopic,
        partition: reader.partition,
        offset: String(place.next),
      })),
    )
    for (const { reader, place } of moved) reader.kept = place.next
    const cursors = moved.flatMap(({ reader, place }) =>
      reader.subscription !== undefined && isBefore(reader.keptAt, place.at)
        ? [{ reader, at: place.at, topic: reader.subscription.topic.name }]
        : [],
    )
    if (cursors.length === 0) return
    // What was sent twice stands behind what is known: cursors only go forward.
    await this.#books.many(sql`
      update events.cursors c set txid = n.txid, position = n.position, updated_at = now()
      from unnest(${cursors.map(c => c.topic)}::text[], ${cursors.map(c => c.reader.partition)}::int[],
                  ${cursors.map(c => c.at.txid)}::text[]::xid8[], ${cursors.map(c => c.at.position)}::int8[]) as n (topic, partition, txid, position)
      where c.grp = ${this.#group} and c.topic = n.topic and c.partition = n.partition and (c.txid, c.position) < (n.txid, n.position)`)
    for (const { reader, at } of cursors) reader.keptAt = at
  }

  async #every(ms: number, sentence: string, what: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted;) {
      try {
        await what()
        failures = 0
      } catch (error) {
        // A rebalance or an absent broker lasts some rounds: one line, and what was not kept comes again.
        if (failures++ === 1) this.#log.warn(saying(error), sentence)
      }
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
  }

  #measure(): void {
    const group = this.#group
    const numbers = () => [...this.#readers.values()].filter(r => r.subscription === undefined).map(r => r.partition)
    const count = async (table: 'parked' | 'dead_letters') => {
      const from = table === 'parked' ? sql`events.parked` : sql`events.dead_letters`
      const [row] = await this.#books.many<{ count: number }>(
        sql`select count(*) as count from ${from} where grp = ${group} and partition = any(${numbers()}::int[])`,
      )
      return row?.count ?? 0
    }
    this.#stopMeasuring = [
      consumerLag.observe(set => {
        const lags = new Map(this.#subscriptions.map(s => [s.topic.name, 0]))
        for (const { subscription, mark, end, kept } of this.#readers.values())
          if (subscription !== undefined) {
            const next = Math.max(mark.committed.next, kept, 0)
            lags.set(subscription.topic.name, (lags.get(subscription.topic.name) ?? 0) + Math.max(0, end - next))
          }
        for (const [topic, lag] of lags) set(lag, { group, topic })
      }),
      deadLetters.observe(async set => set(await count('dead_letters'), { group })),
      parkedEvents.observe(async set => set(await count('parked'), { group })),
    ]
  }
}

class MissingTopics extends Error {
  constructor(readonly topics: readonly string[]) {
    super('topics are missing')
  }
}

const readerOf = (topic: string, partition: number) => `${topic}/${partition}`

/** The planted bug's pause: whenever a process is killed, it has something in hand. */
const afterAMoment = (subscription: Subscription): Subscription => ({
  ...subscription,
  handle: async (event, attempt, signal) => {
    await sleep(1_000, undefined, { signal })
    return subscription.handle(event, attempt, signal)
  },
})

/** A message without an event's id or family is none of ours. */
const refusing = (subscription: Subscription): Subscription => ({
  ...subscription,
  handle: async () => {
    throw new UndecodableError('the message names no event and no family')
  },
})
