import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sharedData, skipUnless, until } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album } from './album.js'
import { settled } from './album-client.js'
import type { Media, Person } from './api-types.js'
import {
  complete,
  erase,
  liveIn,
  names,
  photosOf,
  placesOf,
  words,
  type Erasure,
  type LivedIn,
} from './lived-in-album.js'
import { found, inside, pathsWith, text, type Needle } from './scan.js'

const photos = sharedData('deepface')
const { describe, test } = skipUnless(photos, '../shared/data/deepface is missing')

// Runs on one machine (suite data) and on Kafka, MinIO and Postgres (suite stack): the same promises, other places to look.
describe('what is erased is gone from every table, topic, object and log', () => {
  let folder: string
  let album: Album
  let lived: LivedIn

  const gone = (needles: readonly Needle[]) =>
    until(
      async () => {
        expect(await found(placesOf(album), needles)).toEqual([])
        return true
      },
      // Ratings and names that are derived follow within moments of the receipt.
      { deadlineMs: 90_000, everyMs: 500, what: 'that nothing is left' },
    )
  const objectsGone = (word: string) =>
    until(
      async () => {
        expect(await pathsWith(album.objects, word)).toEqual([])
        return true
      },
      { deadlineMs: 30_000, everyMs: 300, what: `that no object of ${word} is left` },
    )

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'keepsake-erasure-'))
    album = await Album.start({ deadlineMs: 400_000 })
    lived = await liveIn(album, await photosOf(photos ?? '', 'df01', 5), path.join(folder, 'pictures'))
  })
  afterAll(async () => {
    await album?.remove()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  test('the search finds what is there', async () => {
    const [first] = lived.portraits
    const needles = [
      first.file,
      first.vector,
      first.crop,
      ...[...Object.values(words), ...Object.values(names), first.fileName].map(value => text(value, value)),
    ]
    for (const { path: place } of placesOf(album).folders) expect(existsSync(place), place).toBe(true)
    const places = await found(placesOf(album), needles)
    for (const { what } of needles)
      expect(
        places.some(place => place.startsWith(`${what} in `)),
        what,
      ).toBe(true)
    expect(await pathsWith(album.objects, first.id)).not.toEqual([])
  })

  test('an item: its bytes, renditions, vectors, crops, comments and name', async () => {
    const { api, base, portraits } = lived
    const [item] = portraits
    const receipt = await complete(api, `${base}/erasures/${await erase(api, `${base}/media/${item.id}?now=true`)}`)
    expect(receipt.kind).toBe('item')
    const counts = Object.fromEntries(receipt.owners.map(owner => [owner.name, owner]))
    expect(Object.keys(counts).sort()).toEqual(['album', 'backups', 'cluster', 'face', 'ingest', 'rating', 'render'])
    expect(counts['ingest']?.objects).toBeGreaterThanOrEqual(3)
    expect(counts['face']?.rows).toBeGreaterThanOrEqual(2)
    await gone([
      text('the comment', words.erased),
      text('the file name', item.fileName),
      item.file,
      item.vector,
      item.crop,
    ])
    await objectsGone(item.id)
  })

  test('a face: its vector and its crop, and the photo stays', async () => {
    const { api, base, portraits } = lived
    const [, , portrait] = portraits
    const receipt = await complete(api, `${base}/erasures/${await erase(api, `${base}/faces/${portrait.faceId}`)}`)
    expect(receipt.kind).toBe('face')
    const item = await api.get<Media>(`${base}/media/${portrait.id}`)
    expect(item.state).toBe('ready')
    expect(item.faces?.map(face => face.id)).not.toContain(portrait.faceId)
    expect(item.personIds).toEqual([])
    await gone([portrait.vector, portrait.crop])
    await objectsGone(portrait.faceId)
  })

  test('a stranger among the faces of one of the family, “not ours”: vector and crop, and the photo stays', async () => {
    const { api, base, family, portraits } = lived
    const portrait = portraits[3]
    if (portrait === undefined) throw new Error('a fourth portrait is needed')
    const item = () => api.get<Media>(`${base}/media/${portrait.id}`)
    const personId = (await item()).faces?.find(face => face.id === portrait.faceId)?.personId ?? ''
    const { id } = await api.post<Person>(`${base}/people/${personId}/split`, { faceIds: [portrait.faceId] })
    const { erasureIds } = await api.post<{ erasureIds: string[] }>(`${base}/people/${id}/not-ours`, {})
    expect(erasureIds).toHaveLength(1)
    const receipt = await complete(api, `${base}/erasures/${erasureIds[0]}`)
    expect(receipt.kind).toBe('face')
    await gone([portrait.vector, portrait.crop])
    await objectsGone(portrait.faceId)
    await settled(api, family)
    const after = await item()
    expect(after.state).toBe('ready')
    expect(after.faces?.map(face => face.id)).not.toContain(portrait.faceId)
  })

  test("a member: what she wrote, and nobody else's (her account is hers)", async () => {
    const { api, base, uncle } = lived
    const receipt = await complete(api, `${base}/erasures/${await erase(api, `${base}/members/${uncle.memberId}`)}`)
    expect(receipt.owners.map(({ name }) => name)).toEqual(['album', 'backups', 'family', 'render'])
    await gone([text("the uncle's comment", words.uncle)])
    expect(await found(placesOf(album), [text('kept', words.kept)])).not.toEqual([])
  })

  test('consent: every vector and crop, and what people are called', async () => {
    const { api, base, family, portraits } = lived
    await api.patch(base, { faceRecognition: { consent: false } })
    const { id } = await until(
      async () =>
        (await api.get<{ items: Erasure[] }>(`${base}/erasures`)).items.find(({ kind }) => kind === 'consent'),
      { deadlineMs: 30_000, what: 'the receipt of the withdrawal' },
    )
    await complete(api, `${base}/erasures/${id}`)
    await settled(api, family)
    await gone([
      text('the name of the person', names.person),
      ...portraits.flatMap(({ vector, crop }) => [vector, crop]),
    ])
    expect((await api.get<{ items: Person[] }>(`${base}/people`)).items).toEqual([])
    for (const { faceId } of portraits) await objectsGone(faceId)
  })

  test('a family: everything', async () => {
    const { api, base, family, portraits, pictures } = lived
    const id = await erase(api, base)
    const receipt = await complete(api, `/v1/erasures/${id}`)
    expect(receipt.owners.every(({ doneAt }) => doneAt !== undefined)).toBe(true)
    await gone([
      text('the name of the family', names.family),
      text('the kept comment', words.kept),
      text('a file name', portraits[1].fileName),
      text('a file name', 'picture-0001'),
      portraits[1].file,
      await inside('a picture', pictures[1]?.file ?? ''),
    ])
    await objectsGone(family)
  })
})
