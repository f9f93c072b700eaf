/** Movies as they are asked for, listed, published and taken away. */
import { isId, sql, type FamilyTx } from '@keepsake/db'
import { MovieChanged, publish } from '@keepsake/events'
import type { CreateMovieRequest, Movie, UpdateMovieRequest } from '@keepsake/proto/render/v1'
import { requireParent, type Call } from '@keepsake/rpc'
import { sees, viewerOf, type Audience } from './audience.js'
import { errors, statusCodes } from './errors.js'
import { discardFilm, enqueue, throwAway, wakeWorkers, type MovieRow } from './movie-row.js'
import { isMood } from './moods.js'
import { movieKeys, moviePrefix } from './keys.js'
import { lengthSeconds } from './length.js'
import { ASPECTS, FPS, SIZES, durationS, type Storyboard } from './storyboard.js'

const DEFAULT_MOOD = 'uplifting'
const MOST_TITLE = 120
const MOST_LISTED = 100
/** Changes come in bursts: a film is made again a second after the last one. */
const AGAIN_PAUSE_MS = 1_000

/** Takes an order for a movie; the film is made later. Only parents. */
export async function createMovie(tx: FamilyTx, call: Call, request: CreateMovieRequest): Promise<Movie> {
  const { memberId } = requireParent(call)
  if (request.kind !== 'one-second') throw errors.kindUnsupported()
  const { from, to } = request
  if (!from || !to) throw errors.invalid('period', 'A movie needs the period it is about.')
  if (from > to) throw errors.invalid('period', 'The period ends before it begins.')
  const aspect = request.aspect || '16:9'
  if (!ASPECTS.some(a => a === aspect)) throw errors.invalid('aspect', 'The shape is 16:9, 9:16 or 1:1.')
  const mood = request.mood || DEFAULT_MOOD
  if (!isMood(mood)) throw errors.invalid('mood', 'There is no such mood.')
  const length = request.length || 'medium'
  lengthSeconds(length)
  const audience = requireAudience(request)
  requireIds('childId', request.childId ? [request.childId] : [])
  requireIds('audience', request.audienceIds)
  requireIds('lock', request.lock)
  requireIds('ban', request.ban)
  const row = await tx.one<MovieRow>(sql`
    insert into render.movies
      (family_id, kind, title, from_at, to_at, child_id, mood, length, aspect, music, locked, banned, audience_kind, audience_ids, created_by)
    values (${tx.familyId}, ${request.kind}, ${titleOf(request.title)}, ${from}, ${to}, ${request.childId || null}, ${mood}, ${length},
      ${aspect}, ${request.music ?? true}, ${request.lock}::uuid[], ${request.ban}::uuid[], ${audience.kind}, ${[...audience.ids]}::uuid[], ${memberId})
    returning *`)
  await enqueue(tx, row.id, row.generation)
  await announce(tx, row)
  return toProto(row, true)
}

/** Changes what was asked for and makes the film again where that makes it another one. Only parents. */
export async function updateMovie(tx: FamilyTx, call: Call, request: UpdateMovieRequest): Promise<Movie> {
  requireParent(call)
  await lockMovie(tx, request.movieId)
  if (request.length) lengthSeconds(request.length)
  requireIds('lock', request.lock)
  requireIds('ban', request.ban)
  const row = await tx.one<MovieRow>(sql`
    update render.movies set
      title = case when ${request.title === undefined} then title else ${titleOf(request.title)} end,
      length = coalesce(${request.length || null}, length),
      music = coalesce(${request.music}::boolean, music),
      locked = array(select unnest(locked) union select unnest(${request.lock}::uuid[]) except select unnest(${request.ban}::uuid[])),
      banned = array(select unnest(banned) union select unnest(${request.ban}::uuid[]) except select unnest(${request.lock}::uuid[])),
      generation = generation + 1, version = version + 1, status = 'queued', status_code = null, status_message = null, progress = 0
    where family_id = ${tx.familyId} and id = ${request.movieId} returning *`)
  await enqueue(tx, row.id, row.generation)
  await announce(tx, row)
  return toProto(row, true)
}

/** Shows a finished movie to its audience, or takes it back. Only parents. */
export async function publishMovie(tx: FamilyTx, call: Call, movieId: string, published: boolean): Promise<Movie> {
  requireParent(call)
  const before = await lockMovie(tx, movieId)
  if (published && before.film === null) throw errors.notReady()
  if (before.published === published) return toProto(before, true)
  const row = await tx.one<MovieRow>(sql`
    update render.movies set published = ${published}, version = version + 1
    where family_id = ${tx.familyId} and id = ${movieId} returning *`)
  await announce(tx, row)
  return toProto(row, true)
}

/** Takes a movie and its bytes away. Only parents. Doing it twice is the same as once. */
export async function deleteMovie(tx: FamilyTx, call: Call, movieId: string): Promise<void> {
  requireParent(call)
  const row = await lockMovie(tx, movieId)
  await tx.changed(sql`delete from render.movies where family_id = ${tx.familyId} and id = ${movieId}`)
  await throwAway(tx, moviePrefix(tx.familyId, movieId))
  await wakeWorkers(tx, movieId, row.generation + 1)
  await publish(tx, MovieChanged, { movieId, version: row.version + 1, status: 'removed' })
}

/** Stops the making of a movie. A film that was there before stays. Only parents. */
export async function cancelMovie(tx: FamilyTx, call: Call, movieId: string): Promise<void> {
  requireParent(call)
  await lockMovie(tx, movieId)
  const stopped = await tx.changed(
    sql`delete from render.jobs where family_id = ${tx.familyId} and movie_id = ${movieId}`,
  )
  if (stopped === 0) throw errors.nothingToCancel()
  const row = await tx.one<MovieRow>(sql`
    update render.movies set generation = generation + 1, version = version + 1, status = 'failed', status_code = ${statusCodes.cancelled},
      status_message = 'The making of this movie was stopped.'
    where family_id = ${tx.familyId} and id = ${movieId} returning *`)
  await wakeWorkers(tx, movieId, row.generation)
  await announce(tx, row)
}

/** The movie with its items, for whoever may see it; what he may not see does not exist. The caller still asks the album about the items. */
export async function readMovie(tx: FamilyTx, call: Call, movieId: string): Promise<ReadMovie> {
  const row = await tx.maybe<MovieRow>(
    sql`select * from render.movies where family_id = ${tx.familyId} and id = ${requireId(movieId)}`,
  )
  if (!row || !isOpenTo(call, row)) throw errors.movieNotFound()
  return { movie: toProto(row, isParent(call)), mediaIds: itemsOf(row.storyboard) }
}

/** A page of movies, newest first. */
export async function readMovies(
  tx: FamilyTx,
  call: Call,
  page: { cursor: string; limit: number },
): Promise<{ movies: ReadMovie[]; nextCursor: string }> {
  const limit = Math.min(MOST_LISTED, page.limit > 0 ? page.limit : 50)
  if (page.cursor) requireId(page.cursor)
  const parent = isParent(call)
  const rows = await tx.many<MovieRow>(sql`
    select * from render.movies where family_id = ${tx.familyId} and (${page.cursor || null}::uuid is null or id < ${page.cursor || null}::uuid)
      and (${parent} or (published and film is not null))
    order by id desc limit ${limit + 1}`)
  const shown = rows.slice(0, limit)
  return {
    movies: shown
      .filter(row => isOpenTo(call, row))
      .map(row => ({ movie: toProto(row, parent), mediaIds: itemsOf(row.storyboard) })),
    nextCursor: rows.length > limit ? (shown.at(-1)?.id ?? '') : '',
  }
}

/** A movie and the items that can be seen in it. */
export interface ReadMovie {
  movie: Movie
  mediaIds: string[]
}

/** Tells the others that a movie is not what it was. */
export async function announce(tx: FamilyTx, row: Pick<MovieRow, 'id' | 'version' | 'status'>): Promise<void> {
  await publish(tx, MovieChanged, { movieId: row.id, version: row.version, status: row.status })
}

/** Every item that a storyboard shows. */
export function itemsOf(board: Storyboard | null): string[] {
  return board ? [...new Set(board.slots.flatMap(slot => slot.shows))] : []
}

/**
 * Has films made again. An `unfit` one shows something that it may not: it is gone for everyone at once, with its bytes, so that no link that
 * was handed out goes on working. An `outdated` one is shown until the new one is there.
 */
export async function makeAgain(tx: FamilyTx, movieIds: readonly string[], why: 'unfit' | 'outdated'): Promise<void> {
  for (const id of [...movieIds].sort()) {
    const before = await tx.maybe<MovieRow>(
      sql`select * from render.movies where family_id = ${tx.familyId} and id = ${id} for update`,
    )
    if (!before) continue
    if (why === 'unfit') await discardFilm(tx, before)
    const row = await tx.one<MovieRow>(sql`
      update render.movies set generation = generation + 1, version = version + 1, status = 'queued', status_code = null, status_message = null,
        progress = 0
      where family_id = ${tx.familyId} and id = ${id} returning *`)
    await enqueue(tx, row.id, row.generation, AGAIN_PAUSE_MS)
    await announce(tx, row)
  }
}

async function lockMovie(tx: FamilyTx, movieId: string): Promise<MovieRow> {
  const row = await tx.maybe<MovieRow>(sql`
    select * from render.movies where family_id = ${tx.familyId} and id = ${requireId(movieId)} for update`)
  if (!row) throw errors.movieNotFound()
  return row
}

function requireId(id: string): string {
  if (!isId(id)) throw errors.movieNotFound()
  return id
}

/** What is no id names nothing that there could be. Throws INVALID_VALUE. */
function requireIds(field: string, ids: readonly string[]): void {
  if (!ids.every(isId)) throw errors.invalid(field, 'This is no id.')
}

function requireAudience(request: CreateMovieRequest): Audience {
  const kind = request.audienceKind || 'everyone'
  const named = kind === 'groups' || kind === 'members'
  if (!named && kind !== 'everyone' && kind !== 'parents')
    throw errors.invalid('audience', 'There is no such audience.')
  if (named !== request.audienceIds.length > 0)
    throw errors.invalid('audience', 'Groups and members are named by their ids, others are not.')
  return { kind, ids: request.audienceIds }
}

function titleOf(title: string | undefined): string | null {
  const trimmed = title?.trim() ?? ''
  if (trimmed.length > MOST_TITLE) throw errors.invalid('title', `A title has at most ${MOST_TITLE} characters.`)
  return trimmed || null
}

const isParent = (call: Call): boolean => viewerOf(call.caller).role === 'parent'

function isOpenTo(call: Call, row: MovieRow): boolean {
  if (isParent(call)) return true
  return (
    row.published && row.film !== null && sees(viewerOf(call.caller), { kind: row.audienceKind, ids: row.audienceIds })
  )
}

/** For relatives a movie that is being made again is still the finished one they know. */
function toProto(row: MovieRow, parent: boolean): Movie {
  const board = row.storyboard
  const keys = row.film === null ? undefined : movieKeys(row.familyId, row.id, row.film)
  const size = SIZES[row.aspect]
  return {
    id: row.id,
    kind: row.kind,
    title: board?.title ?? row.title ?? '',
    from: row.fromAt,
    to: row.toAt,
    childId: row.childId ?? undefined,
    mood: row.mood,
    length: row.length,
    aspect: row.aspect,
    status: parent ? row.status : 'ready',
    statusCode: parent ? (row.statusCode ?? undefined) : undefined,
    statusMessage: parent ? (row.statusMessage ?? undefined) : undefined,
    published: row.published,
    progress: parent ? row.progress : 1,
    duration: board ? durationS(board) : 0,
    storyboard: (board?.slots ?? []).map(slot => ({
      mediaId: slot.mediaId ?? '',
      kind: slot.kind,
      start: slot.startFrame / FPS,
      duration: slot.frames / FPS,
      in: slot.inS,
      framing: slot.kind === 'item' ? { start: slot.framing.start, end: slot.framing.end } : undefined,
      transition: slot.transition.kind,
      reason: slot.reason,
      text: slot.text?.lines.map(l => l.text).join('\n') ?? '',
      hash: slot.hash,
    })),
    rejected: parent ? row.rejected : [],
    movieKey: keys?.movie ?? '',
    posterKey: keys?.poster ?? '',
    chaptersKey: keys?.chapters ?? '',
    altText: board?.altText ?? '',
    createdAt: row.createdAt,
    version: row.version,
    audienceKind: row.audienceKind,
    audienceIds: row.audienceIds,
    width: size.width,
    height: size.height,
    music: row.music,
  }
}
