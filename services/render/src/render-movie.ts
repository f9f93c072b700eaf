/** One attempt at one film: choose, plan, make, store. What is stored is decided in one transaction at the end. */
import { createReadStream } from 'node:fs'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { isGone } from '@keepsake/events'
import type { ObjectStore } from '@keepsake/media'
import { span } from '@keepsake/telemetry'
import { chaptersVtt } from './chapters.js'
import { statusCodes } from './errors.js'
import { makeFilm, type FinishedFilm } from './film.js'
import { picturesOf } from './film-job.js'
import { endJob, holdsJob, type Job } from './jobs.js'
import { filmPrefix, movieKeys, segmentKey } from './keys.js'
import { describe, gatherMaterial, mayBeShown, membersFor, type Material } from './material.js'
import { filmSeconds, segments } from './metrics.js'
import { announce, itemsOf } from './movies.js'
import { discardFilm, throwAway, type MovieRow } from './movie-row.js'
import type { Peers } from './peers.js'
import { planMovie } from './plan.js'
import { GROUP, keepSegment, knownSegments } from './segments.js'
import { SIZES, type Aspect, type FilmSize, type Picture, type Storyboard } from './storyboard.js'

/** What an attempt works with. */
export interface RenderDeps {
  db: Db
  objects: ObjectStore
  peers: Peers
  timeoutMs: number
  temporary?: string
  /** Pixels of each shape; default `SIZES`. Tests make smaller films. */
  sizes?: Record<Aspect, FilmSize>
}

/** The album changed while the film was made: the job starts anew by itself. */
export class Outdated extends Error {}

/** Makes the film of a job. Throws `Outdated` when it is no longer wanted like this, else what went wrong. */
export async function renderMovie(deps: RenderDeps, job: Job, signal: AbortSignal): Promise<void> {
  const began = Date.now()
  const ended = (outcome: 'ready' | 'rejected' | 'failed' | 'stopped') =>
    filmSeconds.record((Date.now() - began) / 1000, { outcome })
  const attributes = { 'movie.id': job.movieId, 'movie.generation': job.generation }
  try {
    ended(await span('render.movie', () => attempt(deps, job, signal), attributes))
  } catch (error) {
    ended(signal.aborted || error instanceof Outdated ? 'stopped' : 'failed')
    throw error
  }
}

async function attempt(deps: RenderDeps, job: Job, signal: AbortSignal): Promise<'ready' | 'rejected'> {
  const { db, objects, peers } = deps
  const { familyId } = job
  const movie = await inJob(db, job, tx =>
    tx.one<MovieRow>(sql`
    select * from render.movies where family_id = ${tx.familyId} and id = ${job.movieId}`),
  )
  const material = await gatherMaterial(peers, familyId, movie, deps.sizes ?? SIZES, signal)
  const plan = planMovie(material.request)
  if (plan.status === 'rejected') {
    await inJob(db, job, tx => reject(tx, job, movie, plan, material))
    return 'rejected'
  }
  const board = plan.storyboard
  await inJob(db, job, tx => begin(tx, job, board))
  const keyOf = (picture: Picture): string => {
    const keys = material.keys.get(picture.mediaId)
    if (!keys) throw new Error(`nothing is known of the bytes of ${picture.mediaId}`)
    return keys[picture.rendition]
  }
  const known = await knownSegments(
    db,
    familyId,
    board.slots.map(s => s.hash),
  )
  const stored: string[] = []
  for (const hash of known) if (await objects.stat(segmentKey(familyId, hash))) stored.push(hash)
  const film = await withFiles(
    objects,
    [...picturesOf(board).map(keyOf), ...stored.map(h => segmentKey(familyId, h))],
    signal,
    files =>
      makeFilm({
        board,
        source: picture => fileOf(files, keyOf(picture)),
        segments: new Map(stored.map(hash => [hash, fileOf(files, segmentKey(familyId, hash))])),
        onProgress: throttled(share => saveProgress(db, job, share)),
        onSegment: (hash, file) => {
          const slot = board.slots.find(s => s.hash === hash)
          return slot ? keepSegment(db, objects, familyId, slot, file) : Promise.resolve()
        },
        take: finished => store(deps, job, movie, board, material, finished, signal),
        signal,
        timeoutMs: deps.timeoutMs,
        ...(deps.temporary === undefined ? {} : { temporary: deps.temporary }),
      }),
  )
  segments.add(film.rendered, { how: 'rendered' })
  segments.add(film.reused, { how: 'cached' })
  return 'ready'
}

/** A transaction that only happens while the job is ours and asks for the same film. */
async function inJob<T>(db: Db, job: Job, fn: (tx: FamilyTx) => Promise<T>): Promise<T> {
  return db.family(job.familyId, async tx => {
    if (!(await holdsJob(tx, job))) throw new Outdated()
    return fn(tx)
  })
}

async function begin(tx: FamilyTx, job: Job, board: Storyboard): Promise<void> {
  await rememberItems(tx, job.movieId, itemsOf(board))
  const row = await tx.one<MovieRow>(sql`
    update render.movies set version = version + (status <> 'rendering')::int, status = 'rendering', status_code = null, status_message = null, progress = 0,
      storyboard = case when film is null then ${sql.json(board)}::jsonb else storyboard end
    where family_id = ${tx.familyId} and id = ${job.movieId} returning *`)
  await announce(tx, row)
}

async function reject(
  tx: FamilyTx,
  job: Job,
  movie: MovieRow,
  why: { message: string },
  material: Material,
): Promise<void> {
  await discardFilm(tx, movie)
  await tx.changed(sql`delete from render.movie_items where family_id = ${tx.familyId} and movie_id = ${job.movieId}`)
  const row = await tx.one<MovieRow>(sql`
    update render.movies set version = version + 1, status = 'rejected', status_code = ${statusCodes.tooFewItems}, status_message = ${why.message},
      rejected = ${sql.json(material.rejected)}::jsonb
    where family_id = ${tx.familyId} and id = ${job.movieId} returning *`)
  await endJob(tx, job)
  await announce(tx, row)
}

/** Puts the film's bytes beside the old ones and changes over, if every item may still be shown. */
async function store(
  { db, objects, peers }: RenderDeps,
  job: Job,
  movie: MovieRow,
  board: Storyboard,
  material: Material,
  film: FinishedFilm,
  signal: AbortSignal,
): Promise<void> {
  const keys = movieKeys(job.familyId, job.movieId, job.generation)
  try {
    await objects.put(keys.movie, createReadStream(film.movie), { contentType: 'video/mp4', signal })
    await objects.put(keys.poster, createReadStream(film.poster), { contentType: 'image/jpeg', signal })
    await objects.put(keys.chapters, Buffer.from(chaptersVtt(board)), {
      contentType: 'text/vtt; charset=utf-8',
      signal,
    })
    const audience = { kind: movie.audienceKind, ids: movie.audienceIds }
    const ids = itemsOf(board)
    const [facts, members] = await Promise.all([
      describe(peers, job.familyId, ids, signal),
      membersFor(peers, job.familyId, audience, signal),
    ])
    for (const id of ids) {
      const item = facts.get(id)
      if (!item || !mayBeShown(item, audience, members)) throw new Outdated()
    }
    await inJob(db, job, async tx => {
      for (const id of [...ids].sort()) if (await isGone(tx, GROUP, 'media', id)) throw new Outdated()
      await finish(tx, job, board, material)
    })
  } catch (error) {
    await objects.removePrefix(filmPrefix(job.familyId, job.movieId, job.generation))
    throw error
  }
}

async function finish(tx: FamilyTx, job: Job, board: Storyboard, material: Material): Promise<void> {
  const before = await tx.one<MovieRow>(sql`
    select * from render.movies where family_id = ${tx.familyId} and id = ${job.movieId} for update`)
  if (before.film !== null && before.film !== job.generation)
    await throwAway(tx, filmPrefix(tx.familyId, job.movieId, before.film))
  await tx.changed(sql`delete from render.movie_items where family_id = ${tx.familyId} and movie_id = ${job.movieId}`)
  await rememberItems(tx, job.movieId, itemsOf(board))
  const row = await tx.one<MovieRow>(sql`
    update render.movies set version = version + 1, status = 'ready', status_code = null, status_message = null, progress = 1,
      film = ${job.generation}, storyboard = ${sql.json(board)}::jsonb, rejected = ${sql.json(material.rejected)}::jsonb
    where family_id = ${tx.familyId} and id = ${job.movieId} returning *`)
  await endJob(tx, job)
  await announce(tx, row)
}

async function rememberItems(tx: FamilyTx, movieId: string, ids: readonly string[]): Promise<void> {
  await tx.changed(sql`
    insert into render.movie_items (family_id, movie_id, media_id)
    select ${tx.familyId}, ${movieId}, unnest(${[...ids]}::uuid[]) on conflict do nothing`)
}

async function saveProgress(db: Db, job: Job, share: number): Promise<void> {
  await db.family(job.familyId, tx =>
    tx.changed(sql`
      update render.movies set progress = ${share}
      where family_id = ${tx.familyId} and id = ${job.movieId} and generation = ${job.generation} and status = 'rendering'`),
  )
}

/** Calls `save` with the latest share, never twice at the same time; one that fails is made up for by the next. */
function throttled(save: (share: number) => Promise<void>): (share: number) => void {
  let latest: number | undefined
  let busy = false
  const run = async (): Promise<void> => {
    busy = true
    while (latest !== undefined) {
      const share = latest
      latest = undefined
      await save(share).catch(() => undefined)
    }
    busy = false
  }
  return share => {
    latest = share
    if (!busy) void run()
  }
}

/** Local paths of many objects at once; gone when `fn` has ended. */
async function withFiles<T>(
  objects: ObjectStore,
  keys: readonly string[],
  signal: AbortSignal,
  fn: (files: ReadonlyMap<string, string>) => Promise<T>,
): Promise<T> {
  const files = new Map<string, string>()
  const wanted = [...new Set(keys)]
  const next = (at: number): Promise<T> => {
    const key = wanted[at]
    if (key === undefined) return fn(files)
    return objects.withFile(
      key,
      file => {
        files.set(key, file)
        return next(at + 1)
      },
      { signal },
    )
  }
  return next(0)
}

function fileOf(files: ReadonlyMap<string, string>, key: string): string {
  const file = files.get(key)
  if (file === undefined) throw new Error(`${key} was not fetched`)
  return file
}
