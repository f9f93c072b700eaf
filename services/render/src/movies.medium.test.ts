import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { unprotectedTables, type Db } from '@keepsake/db'
import {
  FamilyChanged,
  MediaChanged,
  MediaIngested,
  MediaRemoved,
  PostgresLog,
  eventConsumer,
  publish,
} from '@keepsake/events'
import { openObjectStore } from '@keepsake/media'
import { CreateMovieRequest, RenderServiceService, UpdateMovieRequest, type Movie } from '@keepsake/proto/render/v1'
import {
  KeepsakeError,
  createClient,
  generateIdentityKeys,
  identityEnv,
  runService,
  ServiceIdentity,
  type Client,
  type RunningService,
} from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { RenderModule } from './render.module.js'
import { GROUP } from './segments.js'
import { decodeFilm } from './testing/decode.js'
import { TestFamily } from './testing/family.js'
import { testClip } from './testing/material.js'
import { MovieWorker } from './worker.js'

const keys = generateIdentityKeys(['render', 'family', 'album'])
const identityOf = (service: string): ServiceIdentity => ServiceIdentity.fromEnv(service, identityEnv(keys, service))

let database: TestDatabase
let folder: string
let family: TestFamily
let running: RunningService
let worker: MovieWorker
let client: Client<typeof RenderServiceService>
let db: Db

/** Small films: this is about movies, not about pixels (film.test.ts is). */
const SMALL = {
  '16:9': { width: 256, height: 144 },
  '9:16': { width: 144, height: 256 },
  '1:1': { width: 160, height: 160 },
}

const parent = { id: randomUUID(), role: 'parent' as const, groupIds: [] }
const aunt = { id: randomUUID(), role: 'relative' as const, groupIds: [] }

async function as(
  member: { id: string; role: 'parent' | 'relative'; groupIds: string[] },
  familyId = family.id,
): Promise<{ identity: string; deadlineMs: number }> {
  const identity = await identityOf('family').forPerson({
    kind: 'member',
    accountId: member.id,
    familyId,
    memberId: member.id,
    role: member.role,
    groupIds: member.groupIds,
  })
  return { identity, deadlineMs: 10_000 }
}

const wanted = (changes: Partial<CreateMovieRequest> = {}): CreateMovieRequest =>
  CreateMovieRequest.fromPartial({
    kind: 'one-second',
    from: new Date('2026-08-01T00:00:00Z'),
    to: new Date('2026-08-31T00:00:00Z'),
    length: 'short',
    aspect: '1:1',
    music: false,
    ...changes,
  })

function startWorker(options: { leaseMs?: number; timeoutMs?: number } = {}): MovieWorker {
  const made = new MovieWorker(
    {
      db,
      objects: objects(),
      peers: family.peers(),
      timeoutMs: options.timeoutMs ?? 60_000,
      temporary: path.join(folder, 'films'),
      sizes: SMALL,
    },
    { films: 1, leaseMs: options.leaseMs ?? 3_000, segmentDays: 30, random: () => 0 },
  )
  made.start()
  return made
}

const objects = () => openObjectStore({ KEEPSAKE_OBJECTS: pathToFileURL(path.join(folder, 'objects')).href })

beforeAll(async () => {
  database = await testDatabase(['render'])
  db = database.db('render')
  folder = await mkdtemp(path.join(tmpdir(), 'keepsake-render-'))
  family = await TestFamily.with(11, objects())
  running = await runService({
    name: 'render',
    env: identityEnv(keys, 'render'),
    module: RenderModule.with(db, family.peers()),
    rpc: [RenderServiceService],
    strategies: [eventConsumer({ group: GROUP, log: new PostgresLog(db), db })],
  })
  client = createClient(RenderServiceService, running.address, identityOf('render'))
  worker = startWorker()
})

afterAll(async () => {
  client.close()
  await worker.close()
  await running.close()
  await database.close()
  await rm(folder, { recursive: true, force: true })
})

afterEach(async () => {
  family.away = undefined
  family.locale = 'en'
  for (const item of family.items)
    Object.assign(item, { audience: { kind: 'everyone', ids: [] }, blocked: '', trashed: false })
  const { movies } = await client.listMovies({ cursor: '', limit: 100 }, await as(parent))
  for (const movie of movies) await client.deleteMovie({ movieId: movie.id }, await as(parent))
  await until(async () => (await database.rows('select 1 from render.garbage')).length === 0, {
    what: 'the garbage to be gone',
  })
})

async function get(id: string, member: typeof parent | typeof aunt = parent): Promise<Movie> {
  const { movie } = await client.getMovie({ movieId: id }, await as(member))
  if (!movie) throw new Error('no movie in the answer')
  return movie
}

async function ended(id: string, status = 'ready'): Promise<Movie> {
  const { movie } = await until(
    async () => {
      const movie = await get(id)
      if (movie.status === status) return { movie }
      return movie.status === 'failed' && { movie: undefined, said: movie.statusMessage }
    },
    { deadlineMs: 60_000, what: `the movie to be ${status}` },
  )
  if (!movie) throw new Error(`the movie failed instead of being ${status}`)
  return movie
}

async function make(changes: Partial<CreateMovieRequest> = {}, publishIt = false): Promise<Movie> {
  const { movie } = await client.createMovie(wanted(changes), await as(parent))
  const ready = await ended(movie?.id ?? '')
  if (publishIt) await client.publishMovie({ movieId: ready.id, published: true }, await as(parent))
  return get(ready.id)
}

const reason = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (e: unknown) => (e instanceof KeepsakeError ? e.reason : String(e)),
  )

const shownIn = (movie: Movie): string[] => movie.storyboard.filter(s => s.kind === 'item').map(s => s.mediaId)
const there = async (key: string): Promise<boolean> => (await objects().stat(key)) !== undefined
const filesBelow = async (prefix: string): Promise<string[]> => {
  const found: string[] = []
  for await (const { key } of objects().list(prefix)) found.push(key)
  return found
}

describe('making a movie', () => {
  test('an order is queued at once, then planned, made and stored with poster and chapters', async () => {
    const { movie: queued } = await client.createMovie(wanted({ title: 'Summer', music: true }), await as(parent))
    expect(queued).toMatchObject({
      status: 'queued',
      title: 'Summer',
      published: false,
      movieKey: '',
      width: 720,
      height: 720,
    })
    const movie = await ended(queued?.id ?? '')
    expect(movie).toMatchObject({
      title: 'Summer',
      progress: 1,
      altText: 'Movie “Summer”: 11 photos, Aug 1, 2026 – Aug 11, 2026',
    })
    expect(shownIn(movie)).toEqual(family.items.map(i => i.id))
    const film = await objects().withFile(movie.movieKey, decodeFilm)
    expect(film.frames).toBe(Math.round(movie.duration * 30))
    expect(film.lufs).toBeGreaterThan(-15)
    expect((await objects().withFile(movie.chaptersKey, file => readFile(file, 'utf8'))).startsWith('WEBVTT\n')).toBe(
      true,
    )
    expect(await there(movie.posterKey)).toBe(true)
    expect(await readdir(path.join(folder, 'films'))).toEqual([])
    const said = await database.rows<{ n: string }>(
      `select count(*) as n from events.outbox where topic = 'movie.changed'`,
    )
    expect(Number(said[0]?.n)).toBeGreaterThanOrEqual(3)
  }, 90_000)

  test('speaks the language of the family: title, stamps, chapters and alternative', async () => {
    family.locale = 'ja'
    const movie = await make()
    expect(movie.title).toBe('2026年8月')
    expect(movie.altText).toBe('「2026年8月」のムービー。写真11枚。2026年8月1日〜2026年8月11日')
    expect(movie.storyboard.map(s => s.text)).toEqual([
      '2026年8月',
      ...family.items.map((_, n) => `2026年8月${n + 1}日`),
      'またね\n写真11枚',
    ])
    expect(await objects().withFile(movie.chaptersKey, file => readFile(file, 'utf8'))).toContain('2026年8月11日')
  })

  test('shows the clip of a live photo, and its still where the clip is no video', async () => {
    const [moving, broken] = family.items
    if (!moving || !broken) throw new Error('the family has no items')
    const file = path.join(folder, 'clip.mp4')
    await testClip(file, { width: 320, height: 240, seconds: 3, seed: 40, tone: 440 })
    const bytes = await readFile(file)
    for (const [item, data] of [
      [moving, bytes],
      [broken, bytes.subarray(0, 500)],
    ] as const) {
      item.clipKey = `families/${family.id}/media/${item.id}/renditions/playback`
      item.version++
      await objects().put(item.clipKey, data, { contentType: 'video/mp4' })
    }
    try {
      const movie = await make()
      const film = await objects().withFile(movie.movieKey, decodeFilm)
      expect(film.frames).toBe(Math.round(movie.duration * 30))
      // The only sound of a film without music is the clip's.
      expect(film.lufs).toBeGreaterThan(-20)
      for (const item of [moving, broken]) {
        const slot = movie.storyboard.find(s => s.mediaId === item.id)
        expect(slot?.in).toBeGreaterThan(0)
        expect(slot?.reason).toContain('the picture itself')
      }
    } finally {
      for (const item of [moving, broken]) delete item.clipKey
    }
  })

  test('fewer than ten eligible items make no movie, and the reason says how many there are', async () => {
    family.items.slice(0, 3).forEach(i => (i.blocked = 'never'))
    const { movie } = await client.createMovie(wanted(), await as(parent))
    const rejected = await ended(movie?.id ?? '', 'rejected')
    expect(rejected).toMatchObject({ statusCode: 'TOO_FEW_ITEMS', movieKey: '' })
    expect(rejected.statusMessage).toContain('has 8')
    expect(rejected.rejected).toHaveLength(3)
  })

  test('the same Idempotency-Key makes one movie; another request under it is refused', async () => {
    const options = { ...(await as(parent)), idempotencyKey: 'one' }
    const first = await client.createMovie(wanted(), options)
    const again = await client.createMovie(wanted(), options)
    expect(again.movie?.id).toBe(first.movie?.id)
    expect(await reason(client.createMovie(wanted({ title: 'other' }), options))).toBe('IDEMPOTENCY_KEY_REUSED')
    expect((await client.listMovies({ cursor: '', limit: 10 }, await as(parent))).movies).toHaveLength(1)
  })

  test('what cannot be made is refused with its reason', async () => {
    const parentCall = await as(parent)
    expect(await reason(client.createMovie(wanted({ kind: 'memory' }), parentCall))).toBe('MOVIE_KIND_UNSUPPORTED')
    for (const wrong of [
      { aspect: '4:3' },
      { mood: 'gloomy' },
      { length: '3' },
      { length: 'x' },
      { from: new Date('2027-01-01') },
      { title: 'x'.repeat(500) },
      { audienceKind: 'groups' },
      { childId: 'Hana' },
      { lock: ['a'] },
      { ban: ['b'] },
      { audienceKind: 'groups', audienceIds: ['c'] },
    ]) {
      expect(await reason(client.createMovie(wanted(wrong), parentCall))).toBe('INVALID_VALUE')
    }
    expect(await reason(client.createMovie(wanted(), await as(aunt)))).toBe('PARENT_REQUIRED')
    expect(await reason(client.getMovie({ movieId: 'x' }, parentCall))).toBe('MOVIE_NOT_FOUND')
  })

  test('a stopped movie ends failed with CANCELLED and can be made again', async () => {
    const { movie } = await client.createMovie(wanted({ mood: 'gentle' }), await as(parent))
    await client.cancelMovie({ movieId: movie?.id ?? '' }, await as(parent))
    expect(await get(movie?.id ?? '')).toMatchObject({ status: 'failed', statusCode: 'CANCELLED' })
    await client.updateMovie(
      UpdateMovieRequest.fromPartial({ movieId: movie?.id ?? '', title: 'again' }),
      await as(parent),
    )
    expect((await ended(movie?.id ?? '')).title).toBe('again')
    expect(await reason(client.cancelMovie({ movieId: movie?.id ?? '' }, await as(parent)))).toBe('MOVIE_NOT_RENDERING')
  }, 60_000)

  test('while a peer is away the movie waits; it is made when the peer is back', async () => {
    family.away = new KeepsakeError({ code: 'UNAVAILABLE', reason: 'AWAY', message: 'away', retryable: true })
    const { movie } = await client.createMovie(wanted(), await as(parent))
    await until(
      async () => (await database.rows(`select 1 from render.jobs where attempts > 0 and lease is null`)).length === 1,
    )
    expect((await get(movie?.id ?? '')).status).toBe('queued')
    family.away = undefined
    await ended(movie?.id ?? '')
  }, 60_000)

  test('a picture that cannot be read fails the movie for good after three attempts, with a sentence', async () => {
    await database.rows(`delete from render.segments`)
    const broken = family.items[0]?.id ?? ''
    const key = family.previewKey(broken)
    const bytes = await objects().withFile(key, file => readFile(file))
    await objects().put(key, Buffer.from('no picture'), { contentType: 'image/webp' })
    const { movie } = await client.createMovie(wanted(), await as(parent))
    const failed = await ended(movie?.id ?? '', 'failed')
    expect(failed).toMatchObject({ statusCode: 'RENDER_FAILED' })
    await objects().put(key, bytes, { contentType: 'image/webp' })
  }, 90_000)
})

test('a film whose maker is gone is taken over and goes on from the finished segments', async () => {
  await worker.close()
  await database.rows(`delete from render.segments`)
  const doomed = startWorker({ leaseMs: 1_000 })
  const { movie } = await client.createMovie(wanted(), await as(parent))
  const before = await until(
    async () => {
      const rows = await database.rows<{ hash: string }>(`select hash from render.segments`)
      return rows.length >= 3 && rows.map(r => r.hash)
    },
    { deadlineMs: 30_000 },
  )
  // As kill -9 leaves it: the lease stays behind, nobody renews it.
  await doomed.close()
  await database.rows(`update render.jobs set lease = gen_random_uuid(), lease_until = now() + interval '1 second'`)
  worker = startWorker()
  await ended(movie?.id ?? '')
  for (const hash of before) expect(await there(`families/${family.id}/movies/segments/${hash}.mp4`)).toBe(true)
}, 90_000)

describe('who sees a movie', () => {
  test('parents first; publishing shows it to its audience, taking back hides it again', async () => {
    const movie = await make()
    expect(await reason(client.getMovie({ movieId: movie.id }, await as(aunt)))).toBe('MOVIE_NOT_FOUND')
    expect((await client.listMovies({ cursor: '', limit: 10 }, await as(aunt))).movies).toEqual([])
    await client.publishMovie({ movieId: movie.id, published: true }, await as(parent))
    expect(await get(movie.id, aunt)).toMatchObject({ status: 'ready', published: true })
    await client.publishMovie({ movieId: movie.id, published: false }, await as(parent))
    expect(await reason(client.getMovie({ movieId: movie.id }, await as(aunt)))).toBe('MOVIE_NOT_FOUND')
    expect(await reason(client.publishMovie({ movieId: movie.id, published: true }, await as(aunt)))).toBe(
      'PARENT_REQUIRED',
    )
  }, 60_000)

  test('another family finds nothing', async () => {
    const movie = await make()
    const stranger = await as(parent, randomUUID())
    expect(await reason(client.getMovie({ movieId: movie.id }, stranger))).toBe('MOVIE_NOT_FOUND')
    expect(await reason(client.deleteMovie({ movieId: movie.id }, stranger))).toBe('MOVIE_NOT_FOUND')
    expect((await client.listMovies({ cursor: '', limit: 10 }, stranger)).movies).toEqual([])
  }, 60_000)

  test('an item that becomes private hides the movie from relatives before any event arrives, and the new film is without it', async () => {
    const movie = await make({}, true)
    expect(shownIn(await get(movie.id, aunt))).toHaveLength(11)
    const secret = family.items[4]
    if (secret) secret.audience = { kind: 'parents', ids: [] }
    expect(await reason(client.getMovie({ movieId: movie.id }, await as(aunt)))).toBe('MOVIE_NOT_FOUND')
    expect((await client.listMovies({ cursor: '', limit: 10 }, await as(aunt))).movies).toEqual([])
    await db.family(family.id, tx =>
      publish(tx, MediaChanged, { mediaIds: [secret?.id ?? ''], version: 2, what: ['audience'] }),
    )
    await until(async () => !(await there(movie.movieKey)), { what: 'links to the old film to be dead' })
    await ended(movie.id)
    const again = await get(movie.id, aunt)
    expect(shownIn(again)).not.toContain(secret?.id)
    expect(again.movieKey).not.toBe(movie.movieKey)
  }, 90_000)

  test('a blocked item takes the film away from everyone at once, until it is made without it', async () => {
    const movie = await make({}, true)
    const blocked = family.items[2]
    if (blocked) blocked.blocked = 'never'
    await db.family(family.id, tx => publish(tx, MediaChanged, { mediaIds: [], version: 3, what: ['blocks'] }))
    await until(async () => (await get(movie.id)).movieKey !== movie.movieKey)
    const again = await ended(movie.id)
    expect(shownIn(again)).not.toContain(blocked?.id)
  }, 90_000)
})

describe('changes', () => {
  test('a corrected date is shown within seconds; the film that is there stays until then', async () => {
    const movie = await make({}, true)
    const moved = family.items[5]
    if (moved) moved.takenAt = new Date('2026-08-20T10:00:00Z')
    await db.family(family.id, tx =>
      publish(tx, MediaChanged, { mediaIds: [moved?.id ?? ''], version: 4, what: ['facts'] }),
    )
    expect((await get(movie.id, aunt)).movieKey).toBe(movie.movieKey)
    const again = await until(
      async () => {
        const now = await get(movie.id)
        return now.status === 'ready' && now.version > movie.version && now
      },
      { deadlineMs: 60_000 },
    )
    expect(again.storyboard.find(s => s.mediaId === moved?.id)?.text).toBe('Aug 20, 2026')
    expect(shownIn(again).at(-1)).toBe(moved?.id)
  }, 90_000)

  test('new bytes of an item cost its own slots only', async () => {
    const movie = await make()
    const turned = family.items[3]
    if (turned) turned.version++
    const before = new Set(movie.storyboard.map(s => s.hash))
    await db.family(family.id, tx =>
      publish(tx, MediaIngested, { mediaId: turned?.id ?? '', version: 2, kind: 'photo' }),
    )
    const again = await until(
      async () => {
        const now = await get(movie.id)
        return now.status === 'ready' && now.version > movie.version && now
      },
      { deadlineMs: 60_000 },
    )
    expect(again.storyboard.filter(s => !before.has(s.hash))).toHaveLength(2)
  }, 90_000)

  test('an erased item leaves no byte behind: film, poster and segments that show it are gone, the receipt says so', async () => {
    const movie = await make({}, true)
    const erased = family.items[7]
    const id = erased?.id ?? ''
    const album = { familyId: family.id, deadlineMs: 10_000 }
    const asAlbum = createClient(RenderServiceService, running.address, identityOf('album'))
    expect((await asAlbum.countStored({ mediaIds: [id] }, album)).objects).toBeGreaterThan(3)
    const segments = movie.storyboard
      .filter(s => s.mediaId === id)
      .map(s => `families/${family.id}/movies/segments/${s.hash}.mp4`)
    expect(await there(segments[0] ?? '')).toBe(true)
    family.items = family.items.filter(i => i.id !== id)
    await db.family(family.id, tx => publish(tx, MediaRemoved, { mediaIds: [id], version: 9, how: 'erased' }))
    await until(async () => (await asAlbum.countStored({ mediaIds: [id] }, album)).objects === 0)
    expect(await there(movie.movieKey)).toBe(false)
    expect(await there(movie.posterKey)).toBe(false)
    for (const key of segments) expect(await there(key)).toBe(false)
    const again = await ended(movie.id)
    expect(shownIn(again)).toHaveLength(10)
    expect(JSON.stringify(again)).not.toContain(id)
    asAlbum.close()
  }, 90_000)

  test('an item in the trash is gone from the film; with nine items left there is no film any more', async () => {
    const movie = await make({}, true)
    const trashed = family.items[0]
    if (trashed) trashed.trashed = true
    await db.family(family.id, tx =>
      publish(tx, MediaRemoved, { mediaIds: [trashed?.id ?? ''], version: 10, how: 'trashed' }),
    )
    const rejected = await ended(movie.id, 'rejected')
    expect(rejected).toMatchObject({ statusCode: 'TOO_FEW_ITEMS', movieKey: '' })
    expect(await reason(client.getMovie({ movieId: movie.id }, await as(aunt)))).toBe('MOVIE_NOT_FOUND')
    await until(async () => !(await there(movie.movieKey)))
  }, 90_000)

  test('a deleted movie is gone with its bytes', async () => {
    const movie = await make()
    await client.deleteMovie({ movieId: movie.id }, await as(parent))
    expect(await reason(client.getMovie({ movieId: movie.id }, await as(parent)))).toBe('MOVIE_NOT_FOUND')
    await until(async () => (await filesBelow(`families/${family.id}/movies/${movie.id}/`)).length === 0)
  }, 60_000)

  test('a removed family takes everything with it', async () => {
    await make()
    await db.family(family.id, tx => publish(tx, FamilyChanged, { version: 99, what: 'removed' }))
    await until(async () => (await filesBelow(`families/${family.id}/movies/`)).length === 0, { deadlineMs: 20_000 })
    for (const table of ['movies', 'movie_items', 'jobs', 'segments', 'idempotency']) {
      expect(await database.rows(`select 1 from render.${table} where family_id = $1`, [family.id]), table).toEqual([])
    }
  }, 60_000)
})

test('every table of a family is protected', async () => {
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
})
