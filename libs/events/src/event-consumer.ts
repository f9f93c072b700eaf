import { migrationsApplied, type Db, type FamilyTx } from '@keepsake/db'
import type { ReadinessChecks, ReportsReadiness } from '@keepsake/rpc'
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices'
import { isObservable, lastValueFrom } from 'rxjs'
import { logger } from '@keepsake/telemetry'
import type { Consumer, EventLog, Relay, RetryPolicy, Subscription } from './event-log.js'
import { Delivery, eventTransport, type EventExtras } from './on-event.js'
import { handlerSeconds } from './metrics.js'
import { ResyncWatch, type Resync } from './resync.js'
import { takeIn, type EventContext, type Handling } from './take-in.js'
import type { AnyTopic } from './topic.js'

/** What a service's consumer is made of. */
export interface EventConsumerOptions {
  /** The service's name, or `service.part`. */
  group: string
  log: EventLog
  /** The service's pool. */
  db: Db
  /** Short handlers at the same time. Default 4. */
  concurrency?: number
  retry?: Partial<RetryPolicy>
  /** How this service publishes its present state again. */
  resync?: readonly Resync[]
  /** Events that every group has taken in are removed after so many days. Default 7. */
  keepDays?: number
  /** Time that handlers under way get to finish at close, ms. Default 10,000. */
  drainMs?: number
}

/** The folder of migrations of the schema `events`. */
export const eventMigrations = new URL('../migrations/', import.meta.url)

const pruneEveryMs = 3_600_000

/** Nest's transport for the event log: the methods marked with `@OnEvent` and `@OnEventWork` take its events in. Passed to `runService.strategies`. */
export class EventConsumer extends Server implements CustomTransportStrategy, ReportsReadiness {
  override readonly transportId = eventTransport
  override readonly propagatesEventHandlerErrors = true
  /** Ready when the log's tables are as this build expects and the group has taken this process in. */
  readonly readiness: ReadinessChecks
  readonly #options: EventConsumerOptions
  readonly #subscriptions: Subscription[] = []
  #consumer: Consumer | undefined
  #relay: Relay | undefined
  #resync: ResyncWatch | undefined
  #pruning: NodeJS.Timeout | undefined

  constructor(options: EventConsumerOptions) {
    super()
    this.#options = options
    const tables = migrationsApplied(options.db, 'events', eventMigrations)
    this.readiness = {
      events: async () => {
        if (this.#relay === undefined) throw new Error('the event log is not joined yet')
        await tables()
        await this.#consumer?.readiness()
      },
    }
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: object = {}): void {
    if (!('keepsakeEvent' in extras)) return // another transport's
    const { topic } = (extras as EventExtras).keepsakeEvent
    if (this.messageHandlers.has(topic.name))
      throw new Error(`two handlers of ${topic.name} in the group ${this.#options.group}`)
    super.addHandler(topic.name, callback, isEventHandler, extras as Record<string, unknown>)
    this.#subscriptions.push(this.#subscription((extras as EventExtras).keepsakeEvent, callback))
  }

  override listen(done: (error?: unknown) => void): void {
    this.#start().then(() => done(), done)
  }

  async #start(): Promise<void> {
    const { group, log, db, concurrency, retry, resync } = this.#options
    // A group is named after its service, `service` or `service.part`: what the service publishes is carried by each of its processes.
    this.#relay = await log.carry(group.split('.')[0] ?? group)
    if (this.#subscriptions.length > 0)
      this.#consumer = await log.subscribe({ group, subscriptions: this.#subscriptions, concurrency, retry })
    if (resync !== undefined && resync.length > 0) {
      this.#resync = new ResyncWatch(db, resync)
      this.#resync.start()
    }
    this.#pruning = setInterval(() => this.#prune(), pruneEveryMs).unref()
  }

  /** Every service prunes now and then: whoever comes first does the work. */
  #prune(): void {
    const { log, keepDays = 7, db } = this.#options
    log
      .prune(keepDays * 86_400_000)
      .catch((error: unknown) => logger(db.name).warn({ err: error }, 'delivered events could not be pruned'))
  }

  override async close(): Promise<void> {
    clearInterval(this.#pruning)
    await Promise.all([this.#consumer?.close(this.#options.drainMs), this.#resync?.close()])
    await this.#relay?.close()
  }

  /** Events of a family that this group has not yet taken in. */
  pending(familyId: string, topics?: readonly AnyTopic[]): Promise<number> {
    return this.#options.log.pending(this.#options.group, familyId, topics ?? this.#subscriptions.map(s => s.topic))
  }

  override on(): void {
    // There are no transport events to listen to.
  }

  override unwrap<T>(): T {
    return this.#consumer as T
  }

  #subscription(extras: EventExtras['keepsakeEvent'], callback: MessageHandler): Subscription {
    const { topic, mode, concurrency, deadlineMs } = extras
    const { db, group } = this.#options
    const through = async (delivery: Delivery): Promise<unknown> => {
      const answer: unknown = await callback(delivery)
      if (isObservable(answer)) await lastValueFrom(answer, { defaultValue: undefined })
      const { outcome } = delivery
      if (outcome === undefined) throw new Error(`the handler of ${topic.name} did not run`)
      if ('error' in outcome) throw outcome.error
      return outcome.value
    }
    const handling: Handling<unknown> =
      mode === 'effect'
        ? {
            mode,
            deadlineMs,
            handler: async (message: unknown, tx: FamilyTx, context: EventContext) => {
              await through(new Delivery(message, context, tx))
            },
          }
        : {
            mode,
            deadlineMs,
            handler: async (message: unknown, context: EventContext) =>
              (await through(new Delivery(message, context))) as ((tx: FamilyTx) => Promise<void>) | undefined,
          }
    return {
      topic,
      concurrency,
      handle: async (event, attempt, signal) => {
        const began = performance.now()
        await takeIn(db, group, topic, handling, event, attempt, signal)
        handlerSeconds.record((performance.now() - began) / 1000, { group, topic: topic.name })
      },
    }
  }
}

/** Makes the consumer of a group, to be passed to `runService.strategies`. */
export function eventConsumer(options: EventConsumerOptions): EventConsumer {
  return new EventConsumer(options)
}
