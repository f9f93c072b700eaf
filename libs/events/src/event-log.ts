import type { AnyTopic } from './topic.js'

/** Where an event stands on Kafka. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** An event as the log keeps it. */
export interface StoredEvent {
  readonly eventId: string
  readonly topic: string
  readonly partition: number
  readonly key: string
  readonly familyId: string
  /** traceparent, schema */
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Buffer
  readonly createdAt: Date
  /** Where in the log it stands, for dead letters: transaction and position. */
  readonly txid: string
  readonly position: number
  /** Where it came from on Kafka; nothing where the outbox itself is the log. */
  readonly origin?: Origin | null | undefined
}

/** One topic that a group takes in. */
export interface Subscription {
  readonly topic: AnyTopic
  /** Events handled at the same time. Default: shared with the group's other topics. */
  readonly concurrency?: number | undefined
  /**
   * Takes an event in; what it throws decides what happens next (see `failureOf`). Called again for the same event after a crash.
   * @param attempt from 1
   * @param signal aborted when the partition was lost or the drain is over
   */
  handle(event: StoredEvent, attempt: number, signal: AbortSignal): Promise<void>
}

/** How a group takes events in. */
export interface ConsumerOptions {
  /** The group: the service's name, or `service.part`. */
  readonly group: string
  readonly subscriptions: readonly Subscription[]
  /** Events of topics without a concurrency of their own that are handled at the same time. Default 4. */
  readonly concurrency?: number | undefined
  readonly retry?: Partial<RetryPolicy> | undefined
}

/** When a failing event is tried again. */
export interface RetryPolicy {
  /** Tries in place before the event is parked. */
  readonly inPlace: number
  /** Full jitter in place: each pause is random in 0..min(cap, base * 2^n), ms. */
  readonly baseMs: number
  readonly capMs: number
  /** Pauses of a parked event, ms, each with full jitter over its upper half; after the last one it is a dead letter. */
  readonly parkedMs: readonly number[]
}

/** 3 tries at once, then after about 5 s, 30 s, 2 min, 10 min, 1 h; then given up. */
export const defaultRetry: RetryPolicy = {
  inPlace: 3,
  baseMs: 100,
  capMs: 2_000,
  parkedMs: [5_000, 30_000, 120_000, 600_000, 3_600_000],
}

/**
 * The number of an event's last try under `defaultRetry`, half an hour to a good hour after the first. A handler that ends in a failed item then, instead of throwing, leaves a state
 * that people see in place of a dead letter.
 */
export const LAST_TRY = defaultRetry.inPlace + defaultRetry.parkedMs.length

/** A group at work. */
export interface Consumer {
  /** Rejects while the process is no member of its group, and so takes nothing in. */
  readiness(): Promise<void>
  /** Takes nothing new in, waits for what is under way (at most `drainMs`, default 10,000) and keeps its place. */
  close(drainMs?: number): Promise<void>
  /** Lets everything go without keeping its place, as kill -9 would. For fault tests. */
  abandon(): Promise<void>
}

/** An event that was given up. */
export interface DeadLetter {
  group: string
  eventId: string
  topic: string
  key: string
  familyId: string
  attempts: number
  cause: { code: string; reason: string; message: string }
  createdAt: Date
  deadAt: Date
  /** Where it came from on Kafka. */
  origin?: Origin | undefined
  /** The trace of who published it. */
  traceId?: string | undefined
}

/** Which events an operator means. Every field narrows. */
export interface EventFilter {
  readonly topic?: string | undefined
  readonly familyId?: string | undefined
  readonly keys?: readonly string[] | undefined
  readonly eventIds?: readonly string[] | undefined
  readonly reason?: string | undefined
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

/** A service's events on their way from its outbox to the readers. */
export interface Relay {
  /** Stops after what is under way; another process of the service goes on. */
  close(): Promise<void>
}

/**
 * The port: a log of events that delivers after commit, at least once, in order per topic and key. Adapters pass `eventLogContract`.
 */
export interface EventLog {
  /** Begins to take events in for a group. Several processes may do so for the same group: they share the partitions. */
  subscribe(options: ConsumerOptions): Promise<Consumer>
  /** Carries the topics that `owner` publishes from the outbox to where readers find them. Every process of the owner does; one at a time works. */
  carry(owner: string): Promise<Relay>
  /** Events of a family that a group has not yet taken in, waiting ones included, given-up ones not. */
  pending(group: string, familyId: string, topics?: readonly AnyTopic[]): Promise<number>
  deadLetters(group: string, filter?: EventFilter): Promise<DeadLetter[]>
  /** Drives dead letters (or, from `log`, events that are still kept) through a group again. Returns how many. */
  replay(group: string, filter: EventFilter & { from?: 'dead' | 'log' }): Promise<number>
  /** Removes what every group has taken in and is older than `keepMs`. */
  prune(keepMs: number): Promise<{ events: number; inbox: number }>
}
