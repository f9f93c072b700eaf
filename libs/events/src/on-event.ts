import type { FamilyTx } from '@keepsake/db'
import { EventPattern } from '@nestjs/microservices'
import type { EventContext, EventHandler, EventWorkHandler } from './take-in.js'
import type { Topic } from './topic.js'

/** Handlers of the event log carry this, so that gRPC's transport leaves them alone. */
export const eventTransport = Symbol('keepsake.events')

/** How a long handler runs. */
export interface WorkOptions {
  /** Events of the topic at the same time. Default 1. */
  concurrency?: number
  /** Its signal is aborted after so many ms, and the event is tried again. Default 600,000. */
  deadlineMs?: number
}

/** @internal What the decorators note for the consumer. */
export interface EventExtras {
  keepsakeEvent: { topic: Topic<unknown>; mode: 'effect' | 'work'; concurrency?: number; deadlineMs: number }
}

/** @internal One handler's run, as it passes through Nest: what it answers or throws is left here, whatever filters are installed. */
export class Delivery {
  outcome: { value: unknown } | { error: unknown } | undefined

  constructor(
    readonly message: unknown,
    readonly context: EventContext,
    readonly tx?: FamilyTx,
  ) {}
}

type Decorator<H> = <M extends H>(target: object, key: string, descriptor: TypedPropertyDescriptor<M>) => void

/**
 * Marks a controller's method as the short handler of a topic: `(message, tx, context)`. Its effect commits with the inbox row; it must not
 * wait for anything but the database.
 */
export function OnEvent<T>(topic: Topic<T>): Decorator<EventHandler<T>> {
  return mark<T, EventHandler<T>>(topic, { mode: 'effect', deadlineMs: 30_000 }, (self, handler, delivery) => {
    if (delivery.tx === undefined) throw new Error('a short handler needs its transaction')
    return handler.call(self, delivery.message as T, delivery.tx, delivery.context)
  })
}

/**
 * Marks a controller's method as the long handler of a topic: `(message, context)`. It works outside any transaction and answers the
 * effect, which is then committed with the inbox row. After a crash it runs again.
 */
export function OnEventWork<T>(topic: Topic<T>, options: WorkOptions = {}): Decorator<EventWorkHandler<T>> {
  const how = {
    mode: 'work' as const,
    concurrency: options.concurrency ?? 1,
    deadlineMs: options.deadlineMs ?? 600_000,
  }
  return mark<T, EventWorkHandler<T>>(topic, how, (self, handler, delivery) =>
    handler.call(self, delivery.message as T, delivery.context),
  )
}

function mark<T, H>(
  topic: Topic<T>,
  how: Omit<EventExtras['keepsakeEvent'], 'topic'>,
  invoke: (self: unknown, handler: H, delivery: Delivery) => Promise<unknown>,
): Decorator<H> {
  return <M extends H>(target: object, key: string, descriptor: TypedPropertyDescriptor<M>) => {
    const handler = descriptor.value
    if (handler === undefined) throw new TypeError(`${key} is not a method`)
    const wrapped = async function (this: unknown, delivery: Delivery): Promise<void> {
      try {
        delivery.outcome = { value: await invoke(this, handler, delivery) }
      } catch (error) {
        delivery.outcome = { error }
      }
    }
    descriptor.value = wrapped as unknown as M
    const extras: EventExtras = { keepsakeEvent: { ...how, topic } }
    const pattern = EventPattern(`event:${topic.name}`, eventTransport, extras) as (
      target: object,
      key: string,
      descriptor: PropertyDescriptor,
    ) => void
    pattern(target, key, descriptor)
  }
}
