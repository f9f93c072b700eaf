import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Db, sql } from '@keepsake/db'
import { Album } from '@keepsake/e2e/album'
import type { Family } from '@keepsake/e2e/api-types'
import type { Api } from 'keepsake'
import { quantile } from './figures.js'

/** What this bench is called on the command line. */
export const name = 'timeline'

const items = 100_000
const perSecond = 100
const seconds = 20
const within = 20
const pageSize = 50
/** Pages asked for first, one after the other: so long until the code is compiled for good. */
const warmUp = 3_000

/** Pages of a timeline of 100,000 items through the public API, at random places, at 100 requests a second: p99 under 20 ms. */
export async function run(): Promise<boolean> {
  const album = await Album.start({})
  try {
    const api = await album.signIn()
    const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await fillCatalogue(album, family)
    const cursors = await somePlaces(api, family)
    const { hostname, port } = new URL(api.base)
    const client = new QuietClient(hostname, Number(port), (await api.authorization()) ?? '')
    const ask = async (cursor: string) => {
      const began = performance.now()
      const { status, bytes } = await client.get(
        `/v1/families/${family}/media?limit=${pageSize}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
      )
      const took = performance.now() - began
      if (took > longestAnswerMs) throw new Error(`an answer took ${took.toFixed(0)} ms`)
      if (status !== 200 || bytes < pageSize * 200) throw new Error(`${status}, ${bytes} bytes`)
      return took
    }
    for (let i = 0; i < warmUp; i++) await ask(cursors[i % cursors.length] ?? '')

    // An open loop: requests go out when they are due, whether or not earlier ones were answered.
    const pending: Promise<number>[] = []
    const began = performance.now()
    for (let i = 0; i < perSecond * seconds; i++) {
      const due = began + (i * 1000) / perSecond
      if (due > performance.now()) await sleep(due - performance.now())
      pending.push(ask(cursors[i % cursors.length] ?? ''))
    }
    const times = await Promise.all(pending)
    client.close()
    const p99 = quantile(times, 0.99)
    console.log(
      `   ${times.length} pages of ${pageSize} from ${items} items at ${perSecond}/s: p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (under ${within})`,
    )
    return p99 < within
  } finally {
    await album.remove()
  }
}

/** A browser of each of ten parents opens six. */
const mostConnections = 64
const longestAnswerMs = 10_000

/** An answer that is being read. */
interface Reading {
  /** Status and headers as far as they have come; undefined once they are whole. */
  head: string | undefined
  status: number
  /** Of the body: as many as there are, and as many as have not come yet. */
  bytes: number
  left: number
  resolve: (answer: { status: number; bytes: number }) => void
  reject: (error: Error) => void
}

/**
 * An HTTP client that reads every answer into one buffer and keeps nothing of it: who measures must not stop for a collection of a megabyte a second of
 * buffers, as Node's own client does. Only for answers that say their length.
 */
class QuietClient {
  readonly #free: Connection[] = []
  readonly #waiting: ((connection: Connection) => void)[] = []
  #open = 0

  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly authorization: string,
  ) {}

  async get(path: string): Promise<{ status: number; bytes: number }> {
    const connection = await this.#connection()
    const answer = await connection.ask(
      `GET ${path} HTTP/1.1\r\nHost: ${this.host}:${this.port}\r\nAuthorization: ${this.authorization}\r\n\r\n`,
    )
    const next = this.#waiting.shift()
    if (next) next(connection)
    else this.#free.push(connection)
    return answer
  }

  /** One that is free, or a new one, or, where there are as many as may be, the next that becomes free. */
  #connection(): Connection | Promise<Connection> {
    const free = this.#free.pop()
    if (free) return free
    if (this.#open === mostConnections) return new Promise(resolve => this.#waiting.push(resolve))
    this.#open++
    return new Connection(this.host, this.port)
  }

  close(): void {
    for (const connection of this.#free) connection.close()
  }
}

class Connection {
  readonly #socket: Socket
  #reading: Reading | undefined

  constructor(host: string, port: number) {
    const callback = (bytes: number, buffer: Uint8Array) => {
      this.#take(buffer as Buffer, bytes)
      return true
    }
    this.#socket = connect({ host, port, noDelay: true, onread: { buffer: Buffer.alloc(256 * 1024), callback } })
    const over = (error?: Error) => this.#reading?.reject(error ?? new Error('the connection ended in an answer'))
    this.#socket.on('error', over)
    this.#socket.on('close', () => over())
    const silent = () => this.#reading && this.#socket.destroy(new Error('no byte for ten seconds'))
    this.#socket.setTimeout(longestAnswerMs, silent)
  }

  ask(request: string): Promise<{ status: number; bytes: number }> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error('the server closed a connection that was idle'))
      this.#reading = { head: '', status: 0, bytes: 0, left: 0, resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(buffer: Buffer, bytes: number): void {
    const reading = this.#reading
    if (!reading) return void this.#socket.destroy(new Error('bytes that nobody asked for'))
    if (reading.head === undefined) reading.left -= bytes
    else {
      const before = reading.head.length
      reading.head += buffer.toString('latin1', 0, Math.min(bytes, 4096))
      const end = reading.head.indexOf('\r\n\r\n')
      if (end < 0) return
      reading.status = Number(reading.head.slice(9, 12))
      reading.bytes = Number(/^content-length: (\d+)/im.exec(reading.head.slice(0, end))?.[1])
      if (!Number.isFinite(reading.bytes)) return void this.#socket.destroy(new Error('an answer without its length'))
      reading.left = reading.bytes - (bytes - (end + 4 - before))
      reading.head = undefined
    }
    if (reading.left > 0) return
    this.#reading = undefined
    reading.resolve({ status: reading.status, bytes: reading.bytes })
  }
}

/** Rows as an import would leave them, written straight into the catalogue: what is timed is reading. */
async function fillCatalogue(album: Album, family: string): Promise<void> {
  const db = new Db(album.databaseUrl, { statementTimeoutMs: 300_000 })
  try {
    await db.system('fill a catalogue for a bench', async tx => {
      await tx.changed(sql`
        insert into album.media (family_id, id, version, state, kind, file_name, content_type, size, taken_at, offset_minutes, taken_precision,
          taken_source, time_zone, local_day, month, city, width, height, blur_hash, audience_kind, uploaded_at, rating, ingest_version, ingested)
        select ${family}::uuid, gen_random_uuid(), n, 'ready', case when n % 10 = 0 then 'video' else 'photo' end, 'IMG_' || n || '.jpg', 'image/jpeg',
          3000000, at, 60, 'second', 'exif', 'Europe/Berlin', at::date, to_char(at, 'YYYY-MM'), 'Berlin', 4000, 3000,
          'LEHV6nWB2yk8pyo0adR*.7kCMdnj', case when n % 20 = 0 then 'parents' else 'everyone' end, at, n % 100, 1, '{}'
        from (select n, timestamptz '2005-01-01' + n * interval '105 minutes' as at from generate_series(1, ${items}) as n) as items`)
    })
    // As an album that has stood for a day: else the server cleans up behind a hundred thousand new rows while pages are timed.
    const connection = await db.dedicated('clean up for a bench')
    await connection.many(sql`vacuum analyze album.media`)
    await connection.close()
  } finally {
    await db.close()
  }
}

/** Cursors into the timeline, found by walking its first pages. */
async function somePlaces(api: Api, family: string): Promise<string[]> {
  const cursors = ['']
  while (cursors.length < 40) {
    const last = cursors.at(-1) ?? ''
    const page = await api.get<{ nextCursor?: string }>(
      `/v1/families/${family}/media?limit=500${last ? `&cursor=${encodeURIComponent(last)}` : ''}`,
    )
    if (!page.nextCursor) break
    cursors.push(page.nextCursor)
  }
  return cursors
}
