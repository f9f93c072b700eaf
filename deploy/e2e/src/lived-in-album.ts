import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Db, sql } from '@keepsake/db'
import { until } from '@keepsake/testing'
import type { Api } from 'keepsake'
import { Album, createAccount } from './album.js'
import { settled, upload } from './album-client.js'
import type { Family, Media, Movie, Person } from './api-types.js'
import { pictureFolder } from './pictures.js'
import { inside, type Haystack, type Needle } from './scan.js'

/** What people wrote; each stands nowhere else. */
export const words = {
  erased: 'Zuckerwatte am Riesenrad',
  kept: 'Kastanien im Park',
  uncle: 'Onkels geheimer Gruss',
} as const
/** What people and things are called. */
export const names = { person: 'Hanakolein Q', uncle: 'Onkel Wendelin Q', family: 'Familie Unverwechselbar' } as const

/** What is kept of an erasure, as the API shows it. */
export interface Erasure {
  id: string
  kind: string
  complete: boolean
  owners: { name: string; doneAt?: string; rows: number; objects: number }[]
}

/** An item with a face, and all that must be gone with it. */
export interface Portrait {
  id: string
  faceId: string
  fileName: string
  /** The bytes of its file. */
  file: Needle
  vector: Needle
  crop: Needle
}

/** A family that has used its album: portraits of one person, pictures, a name, comments, favourites, a relative, a film. */
export interface LivedIn {
  api: Api
  family: string
  base: string
  portraits: [Portrait, Portrait, Portrait, ...Portrait[]]
  /** Its drawn pictures' files and ids. */
  pictures: { id: string; file: string }[]
  uncle: { api: Api; memberId: string }
}

/**
 * Fills an album that was just made.
 * @param photos files that show one person
 * @param folder for what is drawn here
 */
export async function liveIn(album: Album, photos: readonly string[], folder: string): Promise<LivedIn> {
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  const base = `/v1/families/${family}`
  await api.patch(base, { name: names.family })
  await api.patch(base, { faceRecognition: { consent: true, textVersion: 'test' } })
  await mkdir(folder, { recursive: true })
  const ids: string[] = []
  for (const [i, file] of photos.entries())
    ids.push(await upload(api, family, file, { filename: `portrait-number-${i}.jpg` }))
  const pictures: LivedIn['pictures'] = []
  for (const file of await pictureFolder(folder, 11)) pictures.push({ id: await upload(api, family, file), file })
  await api.post(`${base}/children`, { name: 'Yui Q', birthDate: '2020-05-17' })
  const uncle = await createAccount(album.requireUrl(), 'uncle@example.org', names.uncle)
  const { code } = await api.post<{ code: string }>(`${base}/invitations`, { role: 'relative' })
  await uncle.post(`/v1/invitations/${code}/accept`, {})
  const members = await api.get<{ items: { id: string; name: string }[] }>(`${base}/members`)
  await settled(api, family)

  const person = await until(
    async () => (await api.get<{ items: Person[] }>(`${base}/people`)).items.find(p => p.faceCount >= 3),
    { deadlineMs: 120_000, everyMs: 200, what: 'the person of the portraits' },
  )
  await api.patch(`${base}/people/${person.id}`, { name: names.person })
  await api.put(`${base}/media/${ids[1]}/favourite`, {})
  await api.post(`${base}/media/${ids[0]}/comments`, { text: words.erased })
  await api.post(`${base}/media/${ids[1]}/comments`, { text: words.kept })
  await uncle.post(`${base}/media/${ids[1]}/comments`, { text: words.uncle })
  await uncle.put(`${base}/media/${ids[2]}/favourite`, {})
  await film(api, base)
  await settled(api, family)

  const portraits: Portrait[] = []
  for (const [i, id] of ids.entries()) portraits.push(await portrait(album, api, base, id, photos[i] ?? ''))
  const [first, second, third, ...rest] = portraits
  if (!first || !second || !third) throw new Error('three portraits are needed')
  return {
    api,
    family,
    base,
    portraits: [first, second, third, ...rest],
    pictures,
    uncle: { api: uncle, memberId: members.items.find(({ name }) => name === names.uncle)?.id ?? '' },
  }
}

async function film(api: Api, base: string): Promise<void> {
  const { id } = await api.post<Movie>(`${base}/movies`, {
    kind: 'one-second',
    period: { from: '2024-01-01T00:00:00Z', to: '2024-12-31T00:00:00Z' },
    length: 'short',
    aspect: '16:9',
  })
  const status = await until(
    async () => {
      const movie = await api.get<Movie>(`${base}/movies/${id}`)
      return (movie.status === 'ready' || movie.status === 'failed') && movie.status
    },
    { deadlineMs: 180_000, everyMs: 300, what: 'the movie' },
  )
  if (status !== 'ready') throw new Error('the movie failed')
}

async function portrait(album: Album, api: Api, base: string, id: string, file: string): Promise<Portrait> {
  const { faces, fileName } = await api.get<Media>(`${base}/media/${id}`)
  const db = new Db(album.databaseUrl, { name: 'test', max: 1 })
  try {
    const [face] = await db.system('look for what is to be erased', tx =>
      tx.many<{ id: string; embedding: Buffer; cropKey: string }>(
        sql`select id, embedding, crop_key from face.faces where media_id = ${id} order by (box[3] * box[4]) desc`,
      ),
    )
    if (face === undefined || faces?.length === 0) throw new Error(`${fileName} shows no face`)
    return {
      id,
      fileName,
      faceId: face.id,
      file: await inside(`the bytes of ${fileName}`, file),
      vector: { what: `the vector of ${fileName}`, bytes: face.embedding.subarray(16, 64) },
      crop: await inside(`the crop of ${fileName}`, album.fileOf(face.cropKey), 0.8),
    }
  } finally {
    await db.close()
  }
}

/** Everything where an album keeps something, on one machine and on the stack: tables, objects, topics, logs. */
export const placesOf = (album: Album): Haystack => ({
  database: album.databaseUrl,
  folders: [
    { path: album.objects },
    { path: path.join(album.home, 'logs') },
    ...album.topics.map(folder => ({ path: folder, only: /\.log$/ })),
  ],
})

/** Asks for an erasure and answers the id of its receipt. */
export async function erase(who: Api, where: string): Promise<string> {
  const answer = await fetch(new URL(where, who.base), {
    method: 'DELETE',
    headers: { authorization: (await who.authorization()) ?? '' },
    signal: AbortSignal.timeout(30_000),
  })
  if (!answer.ok) throw new Error(`DELETE ${where} answered ${answer.status}: ${await answer.text()}`)
  return answer.headers.get('keepsake-erasure-id') ?? ''
}

/** Waits until every owner has reported. */
export async function complete(who: Api, where: string): Promise<Erasure> {
  let last: Erasure | undefined
  return until(
    async () => {
      last = await who.get<Erasure>(where)
      return last.complete && last
    },
    { deadlineMs: 180_000, everyMs: 200, what: `the receipt ${where}` },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}`)
  })
}

/** Photos of one person, by `labels.csv` beside them. */
export async function photosOf(folder: string, person: string, count: number): Promise<string[]> {
  const rows = (await readFile(path.join(folder, 'labels.csv'), 'utf8')).trim().split('\n').slice(1)
  return rows
    .map(row => row.split(','))
    .filter(([, who]) => who === person)
    .slice(0, count)
    .map(([file]) => path.join(folder, file ?? ''))
}
