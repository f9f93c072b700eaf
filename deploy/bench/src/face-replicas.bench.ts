import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { barePool } from '@keepsake/db/testing/bare-pool'
import { Album } from '@keepsake/e2e/album'
import { importInto } from '@keepsake/e2e/album-client'
import type { Family, Processing } from '@keepsake/e2e/api-types'
import { processTree, until } from '@keepsake/testing'
import { median } from './figures.js'
import { numberOf } from './options.js'
import { reEncoded } from './re-encoded.js'

/** What this bench is called on the command line. */
export const name = 'face-replicas'

const rounds = 3
const least = 1.7

/**
 * Photos a second of one and of two face processes, each pinned to a core of its own, on a backlog (`--photos=200`) that ingest has finished: from the
 * first to the last `faces.detected`, every service but those that face asks held still. Rounds alternate; medians; two must do at least 1.7 times one.
 */
export async function run(options: readonly string[] = []): Promise<boolean> {
  const photos = numberOf(options, 'photos', 200)
  const speeds = { one: [] as number[], two: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    speeds.one.push(await photosPerSecond(photos, 1))
    speeds.two.push(await photosPerSecond(photos, 2))
  }
  const ratio = median(speeds.two.map((two, round) => two / (speeds.one[round] ?? NaN)))
  console.log(
    `   ${photos} photos: one process ${said(speeds.one)} a second, two ${said(speeds.two)}, ratio ${ratio.toFixed(2)} (at least ${least})`,
  )
  return ratio >= least
}

async function photosPerSecond(photos: number, processes: number): Promise<number> {
  const album = await Album.start({ args: ['--processes', '--replicas', `face=${processes}`] })
  const pool = barePool(album.databaseUrl, 1)
  const held = new Set<number>()
  try {
    const pids = () => {
      const { services } = JSON.parse(readFileSync(path.join(album.home, 'run.json'), 'utf8')) as {
        services: Record<string, { pid: number }>
      }
      return Object.entries(services).map(([process, { pid }]) => ({ service: process.replace(/-\d+$/, ''), pid }))
    }
    const workers = pids().filter(({ service }) => service === 'face')
    for (const [core, { pid }] of workers.entries())
      for (const each of processTree(pid)) execFileSync('taskset', ['-acp', String(core), String(each)])

    const api = await album.signIn()
    const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'bench' } })
    const hold = (wanted: (service: string) => boolean) => {
      for (const { service, pid } of pids())
        if (wanted(service)) {
          process.kill(pid, 'SIGSTOP')
          held.add(pid)
        }
    }
    hold(service => service === 'face')
    const folder = path.join(album.home, 'pictures')
    await reEncoded(folder, photos)
    await importInto(album, api, family, folder, { wait: false })
    const ingested = async () => (await api.get<Processing>(`/v1/families/${family}/processing`)).items.ready === photos
    await until(ingested, { deadlineMs: 600_000, everyMs: 250 })
    hold(service => !['face', 'ingest', 'family'].includes(service))

    for (const { pid } of workers) {
      process.kill(pid, 'SIGCONT')
      held.delete(pid)
    }
    const client = await pool.connect()
    const detected = async () => {
      const { rows } = await client.query(
        `select count(distinct key)::int as items, extract(epoch from max(created_at) - min(created_at))::float8 as seconds
         from events.outbox where topic = 'faces.detected'`,
      )
      return rows[0] as { items: number; seconds: number }
    }
    await until(async () => (await detected()).items === photos, { deadlineMs: 600_000, everyMs: 250 })
    const { seconds } = await detected()
    client.release()
    // The first one begins the count.
    return (photos - 1) / seconds
  } finally {
    for (const pid of held) process.kill(pid, 'SIGCONT')
    await pool.end()
    await album.remove()
  }
}

const said = (figures: readonly number[]) =>
  `${median(figures).toFixed(2)} (${figures.map(figure => figure.toFixed(2)).join(', ')})`
