import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ApiError, type Api } from 'keepsake'
import sharp from 'sharp'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Album } from './album.js'
import { allMedia, importFolders, settled, upload } from './album-client.js'
import type { Family, Media, Movie } from './api-types.js'
import { pictureFolder } from './pictures.js'

describe('the life of an item', () => {
  let album: Album
  let api: Api
  let base: string
  let family: string
  let files: string[]
  let ids: string[]

  beforeAll(async () => {
    album = await Album.start()
    api = await album.signIn()
    family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    base = `/v1/families/${family}`
    files = await pictureFolder(path.join(album.home, 'pictures'), 12)
    ids = []
    for (const file of files) ids.push(await upload(api, family, file))
    await settled(api, family)
  })
  afterAll(() => album?.remove())

  const get = (index: number) => api.get<Media>(`${base}/media/${ids[index]}`)

  test('the same bytes twice are one item', async () => {
    expect(await upload(api, family, files[0] ?? '')).toBe(ids[0])
    expect((await allMedia(api, family)).length).toBe(12)
  })

  test('the original comes back byte for byte, and a rendition carries no metadata', async () => {
    const copy = path.join(album.home, 'original.jpg')
    await api.download(`${base}/media/${ids[0]}/original`, copy)
    expect((await readFile(copy)).equals(await readFile(files[0] ?? ''))).toBe(true)
    const thumbnail = path.join(album.home, 'thumbnail.webp')
    await api.download(`${base}/media/${ids[0]}/renditions/thumbnail`, thumbnail)
    const facts = await sharp(thumbnail).metadata()
    expect(facts.format).toBe('webp')
    expect(facts.exif).toBeUndefined()
  })

  test('a favourite and a comment raise the rating, and taking the favourite away lowers it', async () => {
    const before = (await get(1)).rating?.value ?? 0
    await api.put(`${base}/media/${ids[1]}/favourite`, {})
    await api.post(`${base}/media/${ids[1]}/comments`, { text: 'So happy that day' })
    const raised = await until(async () => ((await get(1)).rating?.value ?? 0) > before && get(1), {
      deadlineMs: 20_000,
      everyMs: 100,
    })
    expect(raised.favourite).toBe(true)
    expect(raised.commentCount).toBe(1)
    const value = raised.rating?.value ?? 0
    await fetchDelete(`${base}/media/${ids[1]}/favourite`)
    await until(async () => ((await get(1)).rating?.value ?? 100) < value, { deadlineMs: 20_000, everyMs: 100 })
  })

  test('a corrected date moves the item, and taking it back puts it where the camera said', async () => {
    const camera = (await get(2)).takenAt
    await api.patch(`${base}/media/${ids[2]}`, { takenAt: '1999-12-31T23:00:00' })
    const moved = await get(2)
    expect(moved.takenAt).toMatch(/^1999-12-31T23:00:00/)
    expect(moved.takenAtSource).toBe('person')
    expect((await allMedia(api, family)).at(-1)?.id).toBe(ids[2])
    await api.patch(`${base}/media/${ids[2]}`, { takenAt: null })
    expect((await get(2)).takenAt).toBe(camera)
  })

  test('a wrong camera clock is shifted for many items at once', async () => {
    const before = [await get(3), await get(4)].map(item => Date.parse(item.takenAt ?? ''))
    await api.post(`${base}/media:edit`, { ids: [ids[3], ids[4]], shift: { seconds: 3600 } })
    const after = [await get(3), await get(4)].map(item => Date.parse(item.takenAt ?? ''))
    expect(after.map((time, i) => time - (before[i] ?? 0))).toEqual([3_600_000, 3_600_000])
  })

  test('a turned picture is turned in its renditions', async () => {
    const before = await get(5)
    await api.patch(`${base}/media/${ids[5]}`, { rotation: 90 })
    await until(async () => (await get(5)).width === before.height, { deadlineMs: 30_000, everyMs: 100 })
    const file = path.join(album.home, 'turned.webp')
    await until(
      async () => {
        await api.download(`${base}/media/${ids[5]}/renditions/preview`, file)
        const { width = 0, height = 0 } = await sharp(await readFile(file)).metadata()
        return height > width
      },
      { deadlineMs: 30_000, everyMs: 200 },
    )
  })

  test('the trash hides an item everywhere and gives it back with its comment', async () => {
    await api.post(`${base}/media/${ids[6]}/comments`, { text: 'Keep me' })
    await fetchDelete(`${base}/media/${ids[6]}`)
    expect((await allMedia(api, family)).map(item => item.id)).not.toContain(ids[6])
    expect((await allMedia(api, family, '&trash=true')).map(item => item.id)).toContain(ids[6])
    await api.post(`${base}/media/${ids[6]}/restore`, {})
    const back = await get(6)
    expect(back.commentCount).toBe(1)
    expect((await allMedia(api, family)).map(item => item.id)).toContain(ids[6])
  })

  test('fewer than 10 eligible items make no movie, and the reason is given', async () => {
    const movie = await api.post<Movie>(`${base}/movies`, {
      kind: 'one-second',
      period: { from: '2024-03-01T00:00:00Z', to: '2024-03-03T00:00:00Z' },
      length: 'short',
      aspect: '16:9',
    })
    const ended = await until(
      async () => {
        const now = await api.get<Movie>(`${base}/movies/${movie.id}`)
        return now.status === 'rejected' && now
      },
      { deadlineMs: 20_000, everyMs: 100 },
    )
    expect(ended.statusReason?.code).toBe('TOO_FEW_ITEMS')
  })

  test('erasing removes every byte of the item', async () => {
    const original = await readFile(files[7] ?? '')
    const needle = original.subarray(200, 1200)
    await settled(api, family)
    const store = album.objects
    expect(await filesWith(store, needle)).not.toEqual([])
    await fetchDelete(`${base}/media/${ids[7]}?now=true`)
    await expect(get(7)).rejects.toMatchObject({ status: 404 } satisfies Partial<ApiError>)
    await until(async () => (await filesWith(store, needle)).length === 0, {
      deadlineMs: 30_000,
      everyMs: 200,
      what: 'the bytes to go',
    })
    await until(async () => (await filesNamed(store, ids[7] ?? '')).length === 0, {
      deadlineMs: 30_000,
      everyMs: 200,
      what: 'the objects to go',
    })
  })

  test('a photo that was erased comes back when its folder is imported again', async () => {
    const again = () =>
      importFolders({
        api,
        familyId: family,
        roots: [path.join(album.home, 'pictures')],
        journalDir: path.join(album.home, 'journal'),
        wait: true,
      })
    const [first = '', ...others] = (await again()).mediaIds
    expect(others).toEqual([])
    await fetchDelete(`${base}/media/${first}?now=true`)
    await until(async () => (await filesNamed(album.objects, first)).length === 0, {
      deadlineMs: 30_000,
      everyMs: 200,
      what: 'the objects to go',
    })
    const second = await again()
    expect(second.failures).toEqual([])
    expect(second.mediaIds).toHaveLength(1)
    expect((await api.get<Media>(`${base}/media/${second.mediaIds[0]}`)).state).toBe('ready')
  })

  async function fetchDelete(where: string): Promise<void> {
    const answer = await fetch(new URL(where, api.base), {
      method: 'DELETE',
      headers: { authorization: (await api.authorization()) ?? '' },
      signal: AbortSignal.timeout(20_000),
    })
    if (!answer.ok) throw new Error(`DELETE ${where} answered ${answer.status}: ${await answer.text()}`)
  }
})

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name))
}

/** Files below a folder that hold some bytes. */
async function filesWith(folder: string, bytes: Buffer): Promise<string[]> {
  const found: string[] = []
  for (const file of await files(folder)) {
    const content = await readFile(file).catch(() => Buffer.alloc(0))
    if (content.includes(bytes)) found.push(file)
  }
  return found
}

async function filesNamed(folder: string, part: string): Promise<string[]> {
  return (await files(folder)).filter(file => file.includes(part))
}
