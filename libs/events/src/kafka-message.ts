import { createHash } from 'node:crypto'
import type { IHeaders, Message } from 'kafkajs'
import { isId } from '@keepsake/db'
import type { Origin, StoredEvent } from './event-log.js'
import type { Cause } from './failure.js'

/** A message as kafkajs reads it. */
export interface KafkaRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly offset: string
  readonly timestamp: string
  readonly headers?: IHeaders | undefined
}

/** What a retry or dead letter tells beside the event. */
export interface Failed {
  readonly attempts: number
  readonly cause?: Cause | undefined
  /** When it is to be tried again. */
  readonly due?: Date | undefined
}

/** The family of a message that names none. */
export const noFamily = '00000000-0000-0000-0000-000000000000'

/** Headers of ours; all others belong to the event (schema, traceparent). */
const own = 'event_id family_id created_at at topic partition key attempts code reason cause due origin'.split(' ')

/** The message of an event on its topic. */
export function toMessage(event: StoredEvent): Message {
  return {
    key: event.key,
    value: event.payload,
    partition: event.partition,
    headers: {
      ...event.headers,
      event_id: event.eventId,
      family_id: event.familyId,
      created_at: event.createdAt.toISOString(),
      at: `${event.txid}:${event.position}`,
    },
  }
}

/** The message of an event on the retry topic of a group: same key, same partition. */
export function toRetry(event: StoredEvent, failed: Failed): Message {
  const message = toMessage(event)
  return { ...message, headers: { ...message.headers, ...story(event, failed) } }
}

/** The message of an event on the dead-letter topic: keyed by event, so that the topic keeps one of each and a later empty one removes it. */
export function toDead(event: StoredEvent, failed: Failed): Message {
  const message = toMessage(event)
  return { ...message, key: event.eventId, partition: 0, headers: { ...message.headers, ...story(event, failed) } }
}

function story(event: StoredEvent, { attempts, cause, due }: Failed): Record<string, string> {
  return {
    topic: event.topic,
    partition: String(event.partition),
    key: event.key,
    attempts: String(attempts),
    ...(cause === undefined ? {} : { code: cause.code, reason: cause.reason, cause: cause.message }),
    ...(due === undefined ? {} : { due: due.toISOString() }),
    ...(event.origin == null ? {} : { origin: originText(event.origin) }),
  }
}

/** TOPIC/PARTITION/OFFSET */
export function originText({ topic, partition, offset }: Origin): string {
  return `${topic}/${partition}/${offset}`
}

function originOf(text: string | undefined): Origin | undefined {
  const [topic, partition, offset] = text?.split('/') ?? []
  return topic === undefined || partition === undefined || offset === undefined
    ? undefined
    : { topic, partition: Number(partition), offset: Number(offset) }
}

/** Postgres keeps no NUL in texts; an event of ours never has one. */
const clean = (text: string | undefined) => text?.replaceAll('\0', '') ?? ''

/**
 * The event of a message; `stranger` when it is none of ours (no id, no family), which then gets an id made of where it stands, so that it is
 * the same event each time it is read.
 * @param at the topic and partition it was read from, and the topic's name as publishers know it; without one the message itself says which event of
 *   which topic it repeats (retry and dead-letter topics)
 */
export function fromMessage(
  record: KafkaRecord,
  at: { kafkaTopic: string; topic?: string; partition: number },
): { event: StoredEvent; stranger: boolean } {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(record.headers ?? {}))
    if (value !== undefined) headers[clean(name)] = clean((Array.isArray(value) ? value[0] : value)?.toString())
  const offset = Number(record.offset)
  const here: Origin = { topic: at.kafkaTopic, partition: at.partition, offset }
  const told = { id: headers['event_id'] ?? '', family: headers['family_id'] ?? '' }
  const stranger = !isId(told.id) || !isId(told.family)
  const standing = /^(\d{1,18}):(\d{1,15})$/.exec(stranger ? '' : (headers['at'] ?? ''))
  const repeats = at.topic === undefined
  const created = new Date(headers['created_at'] ?? Number(record.timestamp))
  return {
    stranger,
    event: {
      eventId: isId(told.id) ? told.id : idOf(originText(here)),
      familyId: isId(told.family) ? told.family : noFamily,
      topic: at.topic ?? headers['topic'] ?? '',
      partition: repeats ? Number(headers['partition'] ?? at.partition) : at.partition,
      key: (repeats ? headers['key'] : undefined) ?? clean(record.key?.toString()),
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name))),
      payload: record.value ?? Buffer.alloc(0),
      createdAt: Number.isNaN(created.getTime()) ? new Date(0) : created,
      txid: standing?.[1] ?? '0',
      position: Number(standing?.[2] ?? 0),
      origin: (repeats ? originOf(headers['origin']) : undefined) ?? here,
    },
  }
}

/** A stable id of a text, in the form of a UUID (version 8: made by a rule of our own). */
function idOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
