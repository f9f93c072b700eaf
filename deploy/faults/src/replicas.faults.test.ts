import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, stat, utimes } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { Album, repository } from '@keepsake/e2e/album'
import { allMedia, importInto, settled } from '@keepsake/e2e/album-client'
import type { Family } from '@keepsake/e2e/api-types'
import { pictureFolder } from '@keepsake/e2e/pictures'
import { sharedData, until } from '@keepsake/testing'
import type { Api } from 'keepsake'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { snapshot, type Snapshot } from './snapshot.js'

const itemCount = 40
const mostFaces = 20

let folder: string
let alone: Snapshot
const albums: Album[] = []

beforeAll(async () => {
  const album = await Album.start({ args: ['--processes'] })
  albums.push(album)
  folder = path.join(album.home, 'pictures')
  await fillFolder(folder)
  alone = await run(album, () => Promise.resolve())
  await album.stop()
}, 600_000)
afterAll(async () => {
  for (const album of albums) await album.remove()
})

test('two processes of every service, face workers added and removed during the import: the same album as with one of each', async () => {
  const album = await Album.start({ args: ['--processes', '--replicas', 'all=2'] })
  albums.push(album)
  const state = async () =>
    (
      JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as {
        services: Record<string, { pid: number; restarts: number; http?: string }>
      }
    ).services
  expect(Object.keys(await state()).length).toBe(16)
  const second = `http://${(await state())['gateway-2']?.http ?? ''}`

  const together = await run(album, async (api, family) => {
    const inAlbum = () =>
      allMedia(api, family).then(
        items => items.length,
        () => 0,
      )
    await until(async () => (await inAlbum()) > 3, { deadlineMs: 120_000 })
    await scale(album.home, 'face=3')
    await until(async () => (await inAlbum()) > itemCount / 2, { deadlineMs: 240_000 })
    await scale(album.home, 'face=1')
  })
  expect(Object.keys(together.items).length).toBe(itemCount)
  expect(together.items).toEqual(alone.items)
  expect(together.people).toEqual(alone.people)
  expect(together.selection).toEqual(alone.selection)
  const processes = await state()
  expect(Object.keys(processes).filter(name => name.startsWith('face'))).toEqual(['face'])
  expect(Object.values(processes).filter(each => each.restarts > 0)).toEqual([])

  // An upload begun through one gateway goes on through the other.
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  const [file = ''] = await pictureFolder(path.join(album.home, 'one-more'), 1, 5_000)
  const { size } = await stat(file)
  const headers = { Authorization: (await api.authorization()) ?? '', 'Tus-Resumable': '1.0.0' }
  const created = await fetch(new URL(`/v1/families/${family}/uploads`, api.base), {
    method: 'POST',
    headers: {
      ...headers,
      'Upload-Length': String(size),
      'Upload-Metadata': `filename ${Buffer.from('one-more.jpg').toString('base64')}`,
    },
  })
  const where = new URL(created.headers.get('location') ?? '', second)
  const bytes = await readFile(file)
  const half = Math.floor(size / 2)
  const patch = (base: URL | string, from: number, to: number) =>
    fetch(new URL(where.pathname, base), {
      method: 'PATCH',
      headers: { ...headers, 'Upload-Offset': String(from), 'Content-Type': 'application/offset+octet-stream' },
      body: bytes.subarray(from, to),
    })
  expect((await patch(api.base, 0, half)).status).toBe(204)
  const finished = await patch(second, half, size)
  expect(finished.status).toBe(204)
  expect(finished.headers.get('keepsake-media-id')).toBeTruthy()
  await settled(api, family, 120_000)
  expect((await allMedia(api, family)).length).toBe(itemCount + 1)
}, 900_000)

/** What an operator types. */
const scale = (home: string, wish: string) =>
  promisify(execFile)(process.execPath, ['deploy/scale.mjs', wish, '--home', home], { cwd: repository })

/** Imports the folder while something happens, and reads the settled album. */
async function run(album: Album, meanwhile: (api: Api, family: string) => Promise<void>): Promise<Snapshot> {
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'replicas' } })
  const importing = importInto(album, api, family, folder, { wait: false })
  const [result] = await Promise.all([importing, meanwhile(api, family)])
  expect(result.failures).toEqual([])
  await settled(api, family, 400_000)
  return snapshot(api, family)
}

/** Real faces where the shared photos are there, drawn pictures to fill up. */
async function fillFolder(target: string): Promise<void> {
  await mkdir(target, { recursive: true })
  const from = sharedData('deepface')
  const faces = from
    ? (await readdir(from))
        .filter(name => /\.jpe?g$/i.test(name))
        .sort()
        .slice(0, mostFaces)
    : []
  for (const [i, name] of faces.entries()) {
    const file = path.join(target, name)
    await copyFile(path.join(from ?? '', name), file)
    const day = new Date(Date.UTC(2023, 0, 1 + i))
    await utimes(file, day, day)
  }
  await pictureFolder(target, itemCount - faces.length)
}
