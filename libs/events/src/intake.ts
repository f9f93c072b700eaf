import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Db, type FamilyTx, type Sql } from '@keepsake/db'
import { setFamily, withTrace, type logger } from '@keepsake/telemetry'
import {
  defaultRetry,
  type ConsumerOptions,
  type RetryPolicy,
  type StoredEvent,
  type Subscription,
} from './event-log.js'
import { failureOf, inPlacePause, parkedPause, type Cause } from './failure.js'
import { Lanes } from './lanes.js'
import { eventsDelay, eventsHandled } from './metrics.js'

/** What events were taken under: a partition held by this process. Its signal is aborted when that ends. */
export interface Scope {
  readonly signal: AbortSignal
}

/** An event of the parked table. */
export interface ParkedEvent extends StoredEvent {
  /** Tries so far. */
  readonly attempts: number
  /** How long it could have been tried already, ms; 0 for one that waited behind another. */
  readonly overdueMs: number
}

/** Where an adapter takes part. What a hook throws is tried again until the scope ends: nothing else happens to the lane until it worked. */
export interface IntakeHooks {
  /** An event was written down as parked; `pauseMs` is undefined for one that waits behind another of its key. */
  parked?(event: StoredEvent, attempts: number, pauseMs: number | undefined, cause: Cause | undefined): Promise<void>
  /** An event is about to be written down as given up. */
  dying?(event: StoredEvent, attempts: number, cause: Cause): Promise<void>
  /** The parked event as it is to be handled, or undefined when it is not here yet. */
  recall?(row: ParkedEvent): Promise<StoredEvent | undefined>
  /** A parked event needs no further delivery. */
  settled?(event: StoredEvent): void
}

/** What an intake is made of. */
export interface IntakeOptions {
  readonly db: Db
  readonly consumer: ConsumerOptions
  readonly random: () => number
  readonly log: ReturnType<typeof logger>
  /** Reads the group's books across families. */
  readonly books: <R>(query: Sql) => Promise<R[]>
  readonly hooks?: IntakeHooks
}

interface IntakeTask {
  readonly lane: string
  readonly family: string
  readonly pool: string
  readonly scope: Scope
  run(): Promise<void>
}

const sharedPool = ''

/** Names a lane: what keeps its order. */
export const laneOf = (topic: string, key: string) => `${topic}\0${key}`

/**
 * Takes the events of a group in, wherever they are read from: handlers run in lanes, what fails is tried again in place, then parked (later events of its
 * key wait behind it), then given up. The group's books are in Postgres: they say which lanes wait, in which order and until when.
 */
export class Intake {
  readonly retry: RetryPolicy
  readonly #options: IntakeOptions
  readonly #group: string
  readonly #lanes: Lanes
  /** Lanes with an event in the parked table: what follows waits behind it. */
  readonly #parkedLanes = new Set<string>()

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#group = options.consumer.group
    this.retry = { ...defaultRetry, ...options.consumer.retry }
    const limits: Record<string, number> = { [sharedPool]: options.consumer.concurrency ?? 4 }
    for (const s of options.consumer.subscriptions)
      if (s.concurrency !== undefined) limits[s.topic.name] = s.concurrency
    this.#lanes = new Lanes(limits)
  }

  /** Puts an event into its lane; `finish` is called once it needs no further delivery: handled, parked or given up. */
  add(scope: Scope, subscription: Subscription, event: StoredEvent, finish: () => void): void {
    const lane = laneOf(event.topic, event.key)
    this.#submit({
      lane,
      family: event.familyId,
      pool: poolOf(subscription),
      scope,
      run: async () => {
        if (scope.signal.aborted) return
        const deliver = () => {
          setFamily(event.familyId)
          return this.#deliver(subscription, event, lane, scope.signal)
        }
        if (await withTrace(event.headers, deliver)) finish()
      },
    })
  }

  /** Learns which lanes of a partition wait, before anything of it is taken in. */
  async learn(partition: number): Promise<void> {
    const parked = await this.#options.books<{ topic: string; key: string }>(
      sql`select distinct topic, key from events.parked where grp = ${this.#group} and partition = ${partition}`,
    )
    for (const { topic, key } of parked) this.#parkedLanes.add(laneOf(topic, key))
  }

  /** Sets off retries of the lanes whose oldest parked event is due, in the partitions held. */
  async retryDue(scopes: ReadonlyMap<number, Scope>): Promise<void> {
    if (scopes.size === 0) return
    const due = await this.#options.books<{ topic: string; key: string; partition: number; familyId: string }>(sql`
      select topic, key, partition, family_id from (
        select distinct on (topic, key) topic, key, partition, family_id, next_at from events.parked
        where grp = ${this.#group} and partition = any(${[...scopes.keys()]}::int[]) order by topic, key, seq
      ) heads where next_at <= now() or next_at = 'infinity' limit 500`)
    for (const { topic, key, partition, familyId } of due) {
      const subscription = this.#options.consumer.subscriptions.find(s => s.topic.name === topic)
      const scope = scopes.get(partition)
      if (subscription === undefined || scope === undefined || scope.signal.aborted) continue
      const lane = laneOf(topic, key)
      this.#parkedLanes.add(lane)
      this.#submit({
        lane,
        family: familyId,
        pool: poolOf(subscription),
        scope,
        run: async () => {
          await this.#retryLane(subscription, topic, key, scope.signal).catch((error: unknown) => {
            if (!scope.signal.aborted)
              this.#options.log.warn({ err: error, topic }, 'parked events cannot be read just now')
          })
        },
      })
    }
  }

  /** Forgets what was taken under a scope and has not begun. */
  forget(scope: Scope): void {
    this.#lanes.drop(task => (task as IntakeTask).scope === scope)
  }

  /** Forgets whatever has not begun, and which lanes wait. */
  forgetAll(): void {
    this.#lanes.drop(() => true)
    this.#parkedLanes.clear()
  }

  /** Begins nothing more. */
  stop(): void {
    this.#lanes.stop()
  }

  /** Resolves when no handler runs. */
  settled(): Promise<void> {
    return this.#lanes.settled()
  }

  #submit(task: IntakeTask): void {
    this.#lanes.add(task)
  }

  /** True when the event needs no further delivery. */
  async #deliver(subscription: Subscription, event: StoredEvent, lane: string, signal: AbortSignal): Promise<boolean> {
    const { random, log } = this.#options
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
          log.error({ err: error, topic: event.topic, event_id: event.eventId }, 'an event was given up')
          return this.#bury(event, attempt, cause, signal)
        }
        if (attempt >= this.retry.inPlace) {
          const pause = parkedPause(1, this.retry, random)
          log.warn({ err: error, topic: event.topic, event_id: event.eventId, pause }, 'an event was parked')
          if (pause === undefined) return this.#bury(event, attempt, cause, signal)
          this.#parkedLanes.add(lane)
          return this.#park(event, attempt, pause, cause, signal)
        }
        this.#count(event, 'retried')
        await sleep(inPlacePause(attempt, this.retry, random))
        if (signal.aborted) return false
      }
    }
  }

  /** Tries the parked events of a lane, oldest first, until one fails again or none is left. */
  async #retryLane(subscription: Subscription, topic: string, key: string, signal: AbortSignal): Promise<void> {
    const { hooks, random, log, books } = this.#options
    while (!signal.aborted) {
      const [row] = await books<ParkedEvent & { due: boolean }>(sql`
        select event_id, topic, partition, key, family_id, headers, payload, created_at, txid::text, position, origin, attempts,
               next_at <= now() or next_at = 'infinity' as due,
               case when next_at = 'infinity' then 0 else extract(epoch from now() - next_at) * 1000 end::float8 as overdue_ms
        from events.parked where grp = ${this.#group} and topic = ${topic} and key = ${key} order by seq limit 1`)
      if (row === undefined) {
        this.#parkedLanes.delete(laneOf(topic, key))
        return
      }
      if (!row.due) return
      const event = hooks?.recall === undefined ? row : await hooks.recall(row)
      if (event === undefined) return
      const attempts = row.attempts + 1
      try {
        await withTrace(event.headers, () => {
          setFamily(event.familyId)
          return subscription.handle(event, attempts, signal)
        })
      } catch (error) {
        if (signal.aborted) return
        const { hopeless, cause } = failureOf(error)
        // An event that waited behind another is on its first tries: it gets the same pauses as any other.
        const parkings = Math.max(1, attempts - this.retry.inPlace + 1)
        const pause = hopeless ? undefined : parkedPause(parkings, this.retry, random)
        if (pause === undefined) {
          log.error({ err: error, topic, event_id: row.eventId, attempts }, 'an event was given up')
          if (!(await this.#bury(event, attempts, cause, signal))) return
          hooks?.settled?.(event)
          continue
        }
        this.#count(row, 'parked')
        await this.#keep(row.familyId, signal, tx =>
          tx.changed(sql`
            update events.parked set attempts = ${attempts}, cause = ${sql.json(cause)},
              next_at = now() + make_interval(secs => ${pause / 1000})
            where grp = ${this.#group} and event_id = ${row.eventId}`),
        )
        return
      }
      this.#count(row, 'done')
      if (await this.#keep(row.familyId, signal, tx => tx.changed(this.#unpark(row)))) hooks?.settled?.(event)
    }
  }

  async #park(
    event: StoredEvent,
    attempts: number,
    pause: number | undefined,
    cause: Cause | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#count(event, 'parked')
    const next = pause === undefined ? sql`'infinity'` : sql`now() + make_interval(secs => ${pause / 1000})`
    const written = await this.#keep(event.familyId, signal, tx =>
      tx.changed(sql`
        insert into events.parked (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at,
                                   attempts, next_at, cause, origin)
        values (${this.#group}, ${event.eventId}, ${event.topic}, ${event.partition}, ${event.key}, ${event.familyId},
                ${sql.json(event.headers)}, ${event.payload}, ${event.txid}::xid8, ${event.position}, ${event.createdAt},
                ${attempts}, ${next}, ${orNull(cause)}, ${orNull(event.origin)})
        on conflict do nothing`),
    )
    return written && this.#insist(signal, async () => this.#options.hooks?.parked?.(event, attempts, pause, cause))
  }

  async #bury(event: StoredEvent, attempts: number, cause: Cause, signal: AbortSignal): Promise<boolean> {
    this.#count(event, 'dead')
    if (!(await this.#insist(signal, async () => this.#options.hooks?.dying?.(event, attempts, cause)))) return false
    return this.#keep(event.familyId, signal, async tx => {
      await tx.changed(this.#unpark(event))
      await tx.changed(sql`
        insert into events.dead_letters (grp, event_id, topic, partition, key, family_id, headers, payload, txid, position, created_at,
                                         attempts, cause, origin)
        values (${this.#group}, ${event.eventId}, ${event.topic}, ${event.partition}, ${event.key}, ${event.familyId},
                ${sql.json(event.headers)}, ${event.payload}, ${event.txid}::xid8, ${event.position}, ${event.createdAt},
                ${attempts}, ${sql.json(cause)}, ${orNull(event.origin)})
        on conflict do nothing`)
    })
  }

  #unpark(event: StoredEvent) {
    return sql`delete from events.parked where grp = ${this.#group} and event_id = ${event.eventId}`
  }

  /** Writes the group's books. */
  #keep(familyId: string, signal: AbortSignal, write: (tx: FamilyTx) => Promise<unknown>): Promise<boolean> {
    return this.#insist(signal, () => this.#options.db.family(familyId, write))
  }

  /** Nothing else may happen to the lane until `what` worked, so it is tried until the partition is gone; then false. */
  async #insist(signal: AbortSignal, what: () => Promise<unknown>): Promise<boolean> {
    for (;;) {
      if (signal.aborted) return false
      try {
        await what()
        return true
      } catch (error) {
        this.#options.log.error({ err: error }, 'the event log cannot be written just now; trying again')
        await sleep(500 + this.#options.random() * 500)
      }
    }
  }

  #count(event: StoredEvent, outcome: 'done' | 'retried' | 'parked' | 'dead'): void {
    eventsHandled.add(1, { group: this.#group, topic: event.topic, outcome })
    if (outcome === 'done')
      eventsDelay.record((Date.now() - event.createdAt.getTime()) / 1000, { group: this.#group, topic: event.topic })
  }
}

const poolOf = (subscription: Subscription) =>
  subscription.concurrency === undefined ? sharedPool : subscription.topic.name

const orNull = (value: unknown) => (value === undefined ? null : sql.json(value))

/** On purpose: some events twice, and events of different keys in another order. For tests. */
export function disturbed<E extends { readonly event: StoredEvent }>(
  events: readonly E[],
  disturb: { random: () => number; duplicate: number; reorder: boolean } | undefined,
): readonly E[] {
  if (disturb === undefined) return events
  const out = events.flatMap(event => (disturb.random() < disturb.duplicate ? [event, event] : [event]))
  if (!disturb.reorder) return out
  // Keys change places, order within a key stays.
  const byKey = new Map<string, E[]>()
  for (const each of out) {
    const lane = laneOf(each.event.topic, each.event.key)
    byKey.set(lane, [...(byKey.get(lane) ?? []), each])
  }
  const queues = [...byKey.values()]
  const shuffled: E[] = []
  while (queues.length > 0) {
    const i = Math.floor(disturb.random() * queues.length)
    const queue = queues[i]
    const event = queue?.shift()
    if (event !== undefined) shuffled.push(event)
    if (queue?.length === 0) queues.splice(i, 1)
  }
  return shuffled
}
