import { Agent, get } from 'node:http'
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
    const authorization = (await api.authorization()) ?? ''
    const agent = new Agent({ keepAlive: true, maxSockets: 64 })
    const ask = async (cursor: string) => {
      const url = new URL(
        `/v1/families/${family}/media?limit=${pageSize}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
        api.base,
      )
      const began = performance.now()
      const { status, bytes } = await read(url, agent, authorization)
      const took = performance.now() - began
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
    const p99 = quantile(times, 0.99)
    console.log(
      `   ${times.length} pages of ${pageSize} from ${items} items at ${perSecond}/s: p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (under ${within})`,
    )
    return p99 < within
  } finally {
    await album.remove()
  }
}

/** One request, its answer counted and thrown away: who measures must not be busier than who is measured. */
async function read(url: URL, agent: Agent, authorization: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const asking = get(url, { agent, headers: { authorization }, timeout: 10_000 }, answer => {
      let bytes = 0
      answer.on('data', (chunk: Buffer) => (bytes += chunk.length))
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, bytes }))
      answer.once('error', reject)
    })
    asking.once('timeout', () => asking.destroy(new Error('no byte for ten seconds')))
    asking.once('error', reject)
  })
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
