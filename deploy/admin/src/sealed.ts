import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { combinedKey, type DataKey } from '@keepsake/media/key-store'
import { Trouble } from './trouble.js'

/** Which key something was sealed with: the name, and the id that tells it from an earlier key of that name. */
export interface KeyRef {
  readonly name: string
  readonly id: string
}

/** Finds a key as it was then; undefined when it is destroyed. */
export type FindKey = (familyId: string | undefined, ref: KeyRef) => Promise<DataKey | undefined>

/** Bytes of plain text in a frame of an object. */
const frameBytes = 1024 * 1024
const tagBytes = 16

interface ObjectHead {
  v: 1
  object: string
  familyId: string
  keys: KeyRef[]
  salt: string
  contentType: string
}

const refs = (keys: readonly DataKey[]): KeyRef[] => keys.map(({ name, id }) => ({ name, id }))

/** Length, JSON: how heads stand in a file. */
function head(magic: string, value: object): Buffer {
  const json = Buffer.from(JSON.stringify(value))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return Buffer.concat([Buffer.from(magic), length, json])
}

// The counter and a mark on the last frame: frames cannot be left out, doubled, reordered or cut off at the end.
function nonce(counter: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUIntBE(counter, 4, 6)
  bytes[11] = last ? 1 : 0
  return bytes
}

/** An object, sealed: KSO1, head, frames of up to 1 MiB with a tag each (AES-256-GCM). `seen` is called with the plain bytes as they pass. */
export async function* sealObject(
  about: { object: string; familyId: string; contentType: string },
  keys: readonly DataKey[],
  plain: AsyncIterable<Uint8Array>,
  seen: (bytes: Uint8Array) => void,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(16)
  const front = head('KSO1', { v: 1, ...about, keys: refs(keys), salt: salt.toString('base64') } satisfies ObjectHead)
  const bound = createHash('sha256').update(front).digest()
  const key = combinedKey(keys, salt, 'keepsake object 1')
  const seal = (bytes: Uint8Array, counter: number, last: boolean) => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce(counter, last)).setAAD(bound)
    return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }
  yield front
  let counter = 0
  let waiting = Buffer.alloc(0)
  for await (const chunk of plain) {
    seen(chunk)
    waiting = Buffer.concat([waiting, chunk])
    for (; waiting.length > frameBytes; waiting = waiting.subarray(frameBytes))
      yield seal(waiting.subarray(0, frameBytes), counter++, false)
  }
  yield seal(waiting, counter, true)
}

/** The plain bytes of a sealed object; its head is checked against `expected`. Throws a Trouble where anything was changed. */
export async function* openObject(
  sealed: AsyncIterable<Uint8Array>,
  expected: { object: string; familyId: string },
  find: FindKey,
): AsyncGenerator<Buffer> {
  const reader = new Reader(sealed)
  const { front, value } = await reader.head<ObjectHead>('KSO1')
  if (value.v !== 1 || value.object !== expected.object || value.familyId !== expected.familyId)
    throw new Trouble(`The backup of ${expected.object} is of something else.`)
  const keys: DataKey[] = []
  for (const ref of value.keys) {
    const key = await find(value.familyId, ref)
    if (key === undefined) throw new Trouble(`The key of ${expected.object} is destroyed.`)
    keys.push(key)
  }
  const bound = createHash('sha256').update(front).digest()
  const key = combinedKey(keys, Buffer.from(value.salt, 'base64'), 'keepsake object 1')
  for (let counter = 0; ; counter++) {
    const frame = await reader.upTo(frameBytes + tagBytes)
    const last = await reader.atEnd()
    if (frame.length < tagBytes) throw new Trouble(`The backup of ${expected.object} is cut off.`)
    const decipher = createDecipheriv('aes-256-gcm', key, nonce(counter, last))
      .setAAD(bound)
      .setAuthTag(frame.subarray(-tagBytes))
    try {
      yield Buffer.concat([decipher.update(frame.subarray(0, -tagBytes)), decipher.final()])
    } catch {
      throw new Trouble(`The backup of ${expected.object} is damaged.`)
    }
    if (last) return
  }
}

/** Rows of one table under one set of keys. */
export interface RowFrame {
  readonly table: string
  /** null: of no family. */
  readonly familyId: string | null
  readonly keys: readonly KeyRef[]
  /** JSON texts; undefined when a key is destroyed. */
  readonly rows: readonly string[] | undefined
  readonly count: number
}

/** The beginning of a file of rows. */
export const rowsHead = (snapshot: string): Buffer => head('KSR1', { v: 1, snapshot })

/** One sealed frame of rows; `number` counts frames from 0. */
export function sealRows(
  snapshot: string,
  number: number,
  table: string,
  familyId: string | null,
  keys: readonly DataKey[],
  rows: readonly string[],
): Buffer {
  const salt = randomBytes(16)
  const front = head('F', { t: table, f: familyId, k: refs(keys), s: salt.toString('base64'), c: rows.length })
  // The key is of this frame alone (its salt is fresh), so the nonce may be the same in all.
  const cipher = createCipheriv('aes-256-gcm', combinedKey(keys, salt, 'keepsake rows 1'), nonce(0, true))
  cipher.setAAD(Buffer.concat([Buffer.from(`${snapshot}\n${number}\n`), front]))
  const body = Buffer.concat([cipher.update(rows.join('\n')), cipher.final(), cipher.getAuthTag()])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([front, length, body])
}

/** Reads the frames of a file of rows. Throws a Trouble where anything was changed. */
export async function* openRows(
  sealed: AsyncIterable<Uint8Array>,
  snapshot: string,
  find: FindKey,
): AsyncGenerator<RowFrame> {
  const reader = new Reader(sealed)
  const { value } = await reader.head<{ v: number; snapshot: string }>('KSR1')
  if (value.v !== 1 || value.snapshot !== snapshot) throw new Trouble('The rows belong to another backup.')
  for (let number = 0; !(await reader.atEnd()); number++) {
    const { front, value: meta } = await reader.head<{
      t: string
      f: string | null
      k: KeyRef[]
      s: string
      c: number
    }>('F')
    const body = await reader.exactly((await reader.exactly(4)).readUInt32BE())
    const found: DataKey[] = []
    for (const ref of meta.k) {
      const key = await find(meta.f ?? undefined, ref)
      if (key !== undefined) found.push(key)
    }
    const frame = { table: meta.t, familyId: meta.f, keys: meta.k, count: meta.c }
    if (found.length < meta.k.length) {
      yield { ...frame, rows: undefined }
      continue
    }
    const key = combinedKey(found, Buffer.from(meta.s, 'base64'), 'keepsake rows 1')
    const decipher = createDecipheriv('aes-256-gcm', key, nonce(0, true))
      .setAAD(Buffer.concat([Buffer.from(`${snapshot}\n${number}\n`), front]))
      .setAuthTag(body.subarray(-tagBytes))
    let text: string
    try {
      text = Buffer.concat([decipher.update(body.subarray(0, -tagBytes)), decipher.final()]).toString()
    } catch {
      throw new Trouble('The rows of the backup are damaged.')
    }
    yield { ...frame, rows: text.split('\n') }
  }
}

/** Takes a stream apart by lengths. */
class Reader {
  private readonly source: AsyncIterator<Uint8Array>
  private waiting = Buffer.alloc(0)
  private done = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  async head<T>(magic: string): Promise<{ front: Buffer; value: T }> {
    const start = await this.exactly(magic.length + 4)
    if (start.subarray(0, magic.length).toString() !== magic) throw new Trouble('This is no file of a Keepsake backup.')
    const json = await this.exactly(start.readUInt32BE(magic.length))
    return { front: Buffer.concat([start, json]), value: JSON.parse(json.toString()) as T }
  }

  async exactly(bytes: number): Promise<Buffer> {
    const part = await this.upTo(bytes)
    if (part.length < bytes) throw new Trouble('A file of the backup is cut off.')
    return part
  }

  async upTo(bytes: number): Promise<Buffer> {
    await this.fill(bytes)
    const part = this.waiting.subarray(0, bytes)
    this.waiting = this.waiting.subarray(part.length)
    return part
  }

  async atEnd(): Promise<boolean> {
    await this.fill(1)
    return this.waiting.length === 0
  }

  private async fill(bytes: number): Promise<void> {
    if (this.waiting.length >= bytes || this.done) return
    const parts = [this.waiting]
    let length = this.waiting.length
    while (length < bytes) {
      const next = await this.source.next()
      if (next.done) {
        this.done = true
        break
      }
      parts.push(Buffer.from(next.value))
      length += next.value.length
    }
    this.waiting = Buffer.concat(parts)
  }
}
