import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { barePool, type BarePool } from '@keepsake/db/testing/bare-pool'
import { Album } from '@keepsake/e2e/album'
import { importInto } from '@keepsake/e2e/album-client'
import type { Family, Processing } from '@keepsake/e2e/api-types'
import { cacheFolder, missingFor, startStack } from '@keepsake/stack'
import { treePssMiB } from '@keepsake/testing'
import { isSettled } from 'keepsake'
import { numberOf } from './options.js'
import { reEncoded } from './re-encoded.js'

/** What this bench is called on the command line. */
export const name = 'import'
/** So it is run by its name alone. */
export const takes = 'about an hour'

const rows = 12

/** One line of the table. */
interface Sample {
  seconds: number
  items: Processing['items']
  /** Events that each group has not taken in yet. */
  lag: Record<string, number>
  /** PSS by service, MiB. */
  memory: Record<string, number>
}

/**
 * An import on real Kafka, MinIO and Postgres, every service a process of its own: throughput, lag of the consumer groups and resident memory of each
 * service while it lasts, as a table. `--photos=10000`. There is no peer; it fails only where a photo does not become ready.
 */
export async function run(options: readonly string[] = []): Promise<boolean> {
  const photos = numberOf(options, 'photos', 10_000)
  const missing = [...missingFor('kafka', cacheFolder()), ...missingFor('minio', cacheFolder())]
  if (missing.length > 0) {
    console.log(`   skipped: no stack, ${missing.join(', ')}`)
    return true
  }
  const home = mkdtempSync(path.join(tmpdir(), 'keepsake-bench-import-'))
  const stack = await startStack({ home: path.join(home, 'stack') })
  const before = { ...process.env }
  try {
    Object.assign(process.env, { KEEPSAKE_TARGET: 'stack', KEEPSAKE_STACK: stack.file })
    const folder = path.join(home, 'pictures')
    await reEncoded(folder, photos)
    const album = await Album.start({})
    try {
      return await observed(album, folder, photos)
    } finally {
      await album.remove()
    }
  } finally {
    for (const name of ['KEEPSAKE_TARGET', 'KEEPSAKE_STACK'])
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = before[name]
    await stack.close('kill')
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function observed(album: Album, folder: string, photos: number): Promise<boolean> {
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'bench' } })
  const pool = barePool(album.databaseUrl, 1)
  const began = performance.now()
  const samples: Sample[] = []
  let uploading = true
  const importing = importInto(album, api, family, folder, { wait: false }).finally(() => (uploading = false))
  try {
    for (let settled = false; !settled;) {
      await Promise.race([sleep(10_000), uploading ? importing : new Promise(() => undefined)])
      const processing = await api.get<Processing>(`/v1/families/${family}/processing`)
      samples.push({
        seconds: (performance.now() - began) / 1000,
        items: processing.items,
        lag: await lagOf(pool),
        memory: memoryOf(album.home),
      })
      settled = !uploading && isSettled(processing as never)
    }
    await importing
  } finally {
    await pool.end()
  }
  const last = samples.at(-1)
  print(samples)
  console.log(
    `   ${photos} photos in ${last?.seconds.toFixed(0)} s, ${(photos / (last?.seconds ?? NaN)).toFixed(1)} a second, from the first byte sent until every stage was done`,
  )
  return last?.items.ready === photos
}

/** Events behind each group's cursor; what a group has never taken up counts whole. */
async function lagOf(pool: BarePool): Promise<Record<string, number>> {
  const client = await pool.connect()
  try {
    const { rows } = await client.query(`
      select c.grp, count(o.event_id)::int as events from events.cursors c
      left join events.outbox o on o.topic = c.topic and o.partition = c.partition and (o.txid, o.position) > (c.txid, c.position)
      group by c.grp`)
    return Object.fromEntries(rows.map(row => [String(row['grp']), Number(row['events'])]))
  } finally {
    client.release()
  }
}

function memoryOf(home: string): Record<string, number> {
  const { services } = JSON.parse(readFileSync(path.join(home, 'run.json'), 'utf8')) as {
    services: Record<string, { pid: number }>
  }
  return Object.fromEntries(Object.entries(services).map(([process, { pid }]) => [process, treePssMiB(pid)]))
}

/** As Markdown: so many lines, evenly taken, and the highest of each column. */
function print(samples: readonly Sample[]): void {
  const groups = [...new Set(samples.flatMap(sample => Object.keys(sample.lag)))].sort()
  const services = [...new Set(samples.flatMap(sample => Object.keys(sample.memory)))].sort()
  const line = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(' | ')} |`)
  const cells = (sample: Sample) => [
    sample.items.total,
    sample.items.ready,
    ...groups.map(group => sample.lag[group] ?? 0),
    ...services.map(service => Math.round(sample.memory[service] ?? 0)),
  ]
  line(['s', 'uploaded', 'ready', ...groups.map(group => `lag ${group}`), ...services.map(service => `${service} MiB`)])
  line(Array.from({ length: 3 + groups.length + services.length }, () => '---'))
  const every = Math.max(1, Math.ceil(samples.length / rows))
  for (const [i, sample] of samples.entries())
    if (i % every === 0 || i === samples.length - 1) line([sample.seconds.toFixed(0), ...cells(sample)])
  const all = samples.map(cells)
  line(['highest', ...(all[0] ?? []).map((_, column) => Math.max(...all.map(row => row[column] ?? 0)))])
}
