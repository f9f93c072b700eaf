import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Album } from '@keepsake/e2e/album'
import { allMedia, importInto, settled } from '@keepsake/e2e/album-client'
import type { Family } from '@keepsake/e2e/api-types'
import { pictureFolder } from '@keepsake/e2e/pictures'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

const itemCount = 60
/** What Kubernetes gives before it kills, less a margin: see `runMain`. */
const graceMs = 26_000
const services = ['gateway', 'family', 'album', 'ingest', 'face', 'cluster', 'rating', 'render']

let album: Album
beforeAll(async () => {
  album = await Album.start({ args: ['--processes'] })
}, 300_000)
afterAll(() => album?.remove())

test('SIGTERM to each service at work: it ends within its grace time, and what it had in hand is done all the same', async () => {
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'drain' } })
  const folder = path.join(album.home, 'pictures')
  await pictureFolder(folder, itemCount)
  const importing = importInto(album, api, family, folder, { wait: false })
  const state = async (name: string) =>
    (
      JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as {
        services: Record<string, { pid: number; restarts: number; internalUrl: string }>
      }
    ).services[name]
  await until(async () => (await allMedia(api, family).catch(() => [])).length > 2, { deadlineMs: 120_000 })

  const took: Record<string, number> = {}
  for (const name of services) {
    const before = await state(name)
    const began = performance.now()
    process.kill(before?.pid ?? 0, 'SIGTERM')
    await until(async () => (await state(name))?.restarts === (before?.restarts ?? 0) + 1, {
      deadlineMs: graceMs,
      everyMs: 20,
      what: `the end of ${name}`,
    })
    took[name] = Math.round(performance.now() - began)
    await until(
      async () =>
        fetch(`${before?.internalUrl}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
          answer => answer.ok,
          () => false,
        ),
      { deadlineMs: 60_000 },
    )
  }
  console.log(`ms from SIGTERM to the end: ${JSON.stringify(took)}`)
  expect((await importing).failures).toEqual([])
  await settled(api, family, 300_000)
  const items = await allMedia(api, family)
  expect(items.map(item => item.state)).toEqual(Array(itemCount).fill('ready'))
  expect(new Set(items.map(item => item.fileName)).size).toBe(itemCount)
}, 600_000)
