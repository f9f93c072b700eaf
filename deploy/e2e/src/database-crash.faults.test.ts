import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Album } from './album.js'
import { allMedia, importInto, settled } from './album-client.js'
import type { Family } from './api-types.js'
import { pictureFolder } from './pictures.js'

const count = 24
let album: Album
beforeAll(async () => {
  album = await Album.start()
}, 200_000)
afterAll(() => album?.remove())

test('kill -9 of the database, twice during an import: it is started again and every item ends ready, once', async () => {
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  const folder = path.join(album.home, 'pictures')
  await pictureFolder(folder, count)
  const importing = importInto(album, api, family, folder, { wait: false })
  const restarts = async () =>
    (JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as { postgres: { restarts: number } })
      .postgres.restarts
  const inAlbum = () =>
    allMedia(api, family).then(
      items => items.length,
      () => 0,
    )
  for (const [kill, after] of [4, 12].entries()) {
    await until(async () => (await inAlbum()) >= after, { deadlineMs: 60_000, everyMs: 100 })
    const pidFile = await readFile(path.join(album.home, 'postgres/data/postmaster.pid'), 'utf8')
    process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL')
    await until(async () => (await restarts()) === kill + 1, { deadlineMs: 60_000 })
  }
  expect((await importing).failures).toEqual([])
  await settled(api, family, 120_000)
  const items = await allMedia(api, family)
  expect(items.map(item => item.state)).toEqual(Array(count).fill('ready'))
  expect(new Set(items.map(item => item.fileName)).size).toBe(count)
}, 240_000)
