import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { crc32 } from 'node:zlib'

/** What ts-proto generates for a message. */
export interface MessageCodec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter
  decode(input: BinaryReader | Uint8Array, length?: number): T
}

/** A stream of facts of one kind. */
export interface Topic<T> {
  /** family.changed */
  readonly name: string
  /** The full name of the message, in the header `schema` of every event. */
  readonly schema: string
  readonly codec: MessageCodec<T>
  /** What keeps its order: events of one key are handled one after another. */
  key(message: T, familyId: string): string
  readonly partitions: number
  /** How long Kafka keeps an event, ms. The outbox keeps it until every group has it, and some days. */
  readonly retentionMs: number
  /** The service whose relay carries it. */
  readonly owner: string
}

/** A topic whose message type does not matter here. */
// Method parameters are bivariant on purpose: a list of topics holds topics of different messages.
export type AnyTopic = Topic<unknown>

/** The partition of a key: stable for ever, for any number of processes. */
export function partitionOf(key: string, partitions: number): number {
  return crc32(key) % partitions
}
