import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { FakeAlbum, familyId } from '@keepsake/gateway/testing/fake-album'
import { openObjectStore } from '@keepsake/media'
import { barePutObject } from '@keepsake/media/testing/bare-put'
import { minioProgram, testMinio } from '@keepsake/media/testing/minio'
import { testDatabase, treePssMiB, until } from '@keepsake/testing'
import { median } from './figures.js'
import { numberOf } from './options.js'

/** What this bench is called on the command line. */
export const name = 'uploads'

const rounds = 3
const least = 0.7
const mostGrowthMiB = 64
const mega = 1_000_000

/**
 * Uploads into a real MinIO through a gateway and an ingest of their own processes. Speed: one file over tus, until its item is named, against the
 * `minio` client's own putObject of the same bytes; rounds alternate, medians; at least 0.7. Memory: peak PSS of each process with 20 uploads at once against
 * 2; at most 64 MiB more. `--megabytes=500` (a file), `--uploads=20`.
 */
export async function run(options: readonly string[] = []): Promise<boolean> {
  const size = numberOf(options, 'megabytes', 500) * mega
  const many = numberOf(options, 'uploads', 20)
  const program = minioProgram()
  if (program === undefined) {
    console.log('   MinIO is not built; npm run stack -- up builds it')
    return false
  }
  const folder = await mkdtemp(join(tmpdir(), 'keepsake-bench-uploads-'))
  const minio = await testMinio(program, join(folder, 'minio'))
  const database = await testDatabase(['ingest'])
  const started: ChildProcess[] = []
  try {
    await minio.start()
    const album = new FakeAlbum(minio.env)
    album.memberId = randomUUID()
    album.accountId = randomUUID()
    await album.start()
    const ports = { grpc: 20_100 + (process.pid % 5000), http: 25_200 + (process.pid % 5000) }
    const serve = (service: string, env: Record<string, string>) => {
      const main = fileURLToPath(import.meta.resolve(`@keepsake/${service}/main`))
      const child = spawn(process.execPath, [main], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { PATH: process.env['PATH'] ?? '', ...album.env(service), KEEPSAKE_LOG_LEVEL: 'error', ...env },
      })
      started.push(child)
      return child.pid ?? 0
    }
    const ingest = serve('ingest', {
      KEEPSAKE_DATABASE_URL: database.url('ingest'),
      KEEPSAKE_GRPC_LISTEN: `127.0.0.1:${ports.grpc}`,
    })
    const gateway = serve('gateway', {
      KEEPSAKE_HTTP_LISTEN: `127.0.0.1:${ports.http}`,
      KEEPSAKE_INGEST_ADDRESS: `127.0.0.1:${ports.grpc}`,
      KEEPSAKE_RATE_PER_ADDRESS: '0',
      KEEPSAKE_RATE_PER_FAMILY: '0',
    })
    const url = `http://127.0.0.1:${ports.http}`
    const isUp = () =>
      fetch(`${url}/readyz`).then(
        answer => answer.ok,
        () => false,
      )
    await until(isUp, { deadlineMs: 60_000 })
    const store = openObjectStore(minio.env)
    const cleared = () => store.removePrefix('families/')
    await until(
      () =>
        tus(url, mega).then(
          () => true,
          () => false,
        ),
      { deadlineMs: 60_000 },
    )

    const speeds = { tus: [] as number[], put: [] as number[] }
    for (let round = -1; round < rounds; round++) {
      const put = await timed(() => barePutObject(minio.env, `families/bare-${round}`, content(size), size))
      await cleared()
      const uploaded = await timed(() => tus(url, size))
      await cleared()
      if (round < 0) continue // warm-up
      speeds.put.push(size / mega / put)
      speeds.tus.push(size / mega / uploaded)
    }
    const ratio = median(speeds.tus.map((speed, i) => speed / (speeds.put[i] ?? NaN)))
    console.log(
      `   ${size / mega} MB: tus ${median(speeds.tus).toFixed(0)} MB/s (${speeds.tus.map(s => s.toFixed(0)).join(', ')}), ` +
        `putObject ${median(speeds.put).toFixed(0)} MB/s (${speeds.put.map(s => s.toFixed(0)).join(', ')}), ratio ${ratio.toFixed(2)} (at least ${least})`,
    )

    const peaks: { gateway: number; ingest: number }[] = []
    for (const together of [2, many]) {
      const peak = { gateway: 0, ingest: 0 }
      const timer = setInterval(() => {
        peak.gateway = Math.max(peak.gateway, treePssMiB(gateway))
        peak.ingest = Math.max(peak.ingest, treePssMiB(ingest))
      }, 250)
      const seconds = await timed(() => Promise.all(Array.from({ length: together }, () => tus(url, size))))
      clearInterval(timer)
      await cleared()
      peaks.push(peak)
      console.log(
        `   ${together} uploads of ${size / mega} MB at once: ${seconds.toFixed(1)} s, ${((together * size) / mega / seconds).toFixed(0)} MB/s, ` +
          `peak PSS gateway ${peak.gateway.toFixed(0)} MiB, ingest ${peak.ingest.toFixed(0)} MiB`,
      )
    }
    const [few = { gateway: NaN, ingest: NaN }, more = few] = peaks
    const growth = { gateway: more.gateway - few.gateway, ingest: more.ingest - few.ingest }
    console.log(
      `   growth from 2 to ${many}: gateway ${growth.gateway.toFixed(0)} MiB, ingest ${growth.ingest.toFixed(0)} MiB (at most ${mostGrowthMiB} each)`,
    )
    for (const child of started) await ended(child)
    await album.close()
    return ratio >= least && growth.gateway <= mostGrowthMiB && growth.ingest <= mostGrowthMiB
  } finally {
    for (const child of started) await ended(child)
    await minio.kill()
    await database.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Uploads one file in one body, as a browser does, and waits until its item is named. */
async function tus(url: string, size: number): Promise<void> {
  const headers = { authorization: 'Bearer parent-token', 'tus-resumable': '1.0.0' }
  const opened = await fetch(`${url}/v1/families/${familyId}/uploads`, {
    method: 'POST',
    headers: { ...headers, 'upload-length': String(size), 'upload-metadata': `filename ${btoa('film.mp4')}` },
  })
  if (opened.status !== 201) throw new Error(`POST ${opened.status}: ${await opened.text()}`)
  const patch = request(url + (opened.headers.get('location') ?? ''), {
    method: 'PATCH',
    headers: {
      ...headers,
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
      'content-length': String(size),
    },
  })
  const answered = new Promise<void>((resolve, reject) => {
    patch.once('error', reject)
    patch.once('response', response => {
      response.resume()
      const ok = response.statusCode === 204 && response.headers['keepsake-media-id'] !== undefined
      if (ok) resolve()
      else reject(new Error(`PATCH ${response.statusCode}`))
    })
  })
  await Promise.all([pipeline(content(size), patch), answered])
}

const block = randomBytes(64 * 1024)

/** Bytes that no other upload has. */
function content(size: number): Readable {
  const first = randomBytes(64)
  function* chunks() {
    yield first
    for (let left = size - first.length; left > 0; left -= block.length)
      yield block.subarray(0, Math.min(left, block.length))
  }
  return Readable.from(chunks(), { objectMode: false })
}

async function timed(fn: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await fn()
  return (performance.now() - began) / 1000
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}
