/** What happens to movies when their items change, and where a relative's view is checked. */
import { isId, sql, type Db, type FamilyTx } from '@keepsake/db'
import { bury } from '@keepsake/events'
import { KeepsakeError, familyOf, type Call } from '@keepsake/rpc'
import { sees, viewerOf, type Audience, type Viewer } from './audience.js'
import { describe, isThere, mayBeShown, membersFor } from './material.js'
import { makeAgain, type ReadMovie } from './movies.js'
import { throwAway } from './movie-row.js'
import type { Peers } from './peers.js'
import { GROUP, dropSegmentsOf } from './segments.js'

/** Movies that show one of these items now or are being made with it. */
export async function moviesWith(tx: FamilyTx, mediaIds: readonly string[]): Promise<string[]> {
  const rows = await tx.many<{ movieId: string }>(sql`
    select distinct movie_id from render.movie_items where family_id = ${tx.familyId} and media_id = any(${[...mediaIds]}::uuid[])`)
  return rows.map(r => r.movieId)
}

/** Items are gone: no film shows them from here on. Erased ones leave no segment behind either, and none comes back. Says how many rows went. */
export async function itemsRemoved(tx: FamilyTx, mediaIds: readonly string[], erased: boolean): Promise<number> {
  if (erased) await bury(tx, GROUP, 'media', mediaIds)
  await makeAgain(tx, await moviesWith(tx, mediaIds), 'unfit')
  if (!erased) return 0
  const segments = await dropSegmentsOf(tx, mediaIds)
  const ids = [...mediaIds]
  const shown = await tx.changed(
    sql`delete from render.movie_items where family_id = ${tx.familyId} and media_id = any(${ids}::uuid[])`,
  )
  await tx.changed(sql`
    update render.movies set
      locked = array(select unnest(locked) except select unnest(${ids}::uuid[])),
      banned = array(select unnest(banned) except select unnest(${ids}::uuid[])),
      rejected = coalesce((select jsonb_agg(r) from jsonb_array_elements(rejected) r where not (r->>'mediaId' = any(${ids}::text[]))), '[]')
    where family_id = ${tx.familyId}`)
  return segments + shown
}

/** A movie and why it must be made again. */
export interface Verdict {
  movieId: string
  why: 'unfit' | 'outdated'
}

/** Asks the album about changed items and says which movies they concern, and how badly. No ids: every item of every movie. */
export async function judgeChanges(
  db: Db,
  peers: Peers,
  familyId: string,
  change: { mediaIds: readonly string[]; what: readonly string[] },
  signal: AbortSignal,
): Promise<Verdict[]> {
  const shown = await db.family(familyId, tx =>
    tx.many<{ movieId: string; mediaId: string; audienceKind: string; audienceIds: string[] }>(sql`
      select i.movie_id, i.media_id, m.audience_kind, m.audience_ids from render.movie_items i
      join render.movies m on m.family_id = i.family_id and m.id = i.movie_id
      where i.family_id = ${familyId} and (${change.mediaIds.length === 0} or i.media_id = any(${[...change.mediaIds]}::uuid[]))`),
  )
  if (shown.length === 0) return []
  const facts = await describe(peers, familyId, [...new Set(shown.map(s => s.mediaId))], signal)
  const verdicts = new Map<string, Verdict['why']>()
  const judged = new Map<string, Promise<Viewer[]>>()
  const viewersOf = (audience: Audience): Promise<Viewer[]> => {
    const known = judged.get(audience.kind) ?? membersFor(peers, familyId, audience, signal)
    judged.set(audience.kind, known)
    return known
  }
  for (const { movieId, mediaId, audienceKind, audienceIds } of shown) {
    const item = facts.get(mediaId)
    const audience: Audience = { kind: audienceKind, ids: audienceIds }
    const fit = item && mayBeShown(item, audience, await viewersOf(audience))
    if (!fit) verdicts.set(movieId, 'unfit')
    else if (change.what.includes('facts') && !verdicts.has(movieId)) verdicts.set(movieId, 'outdated')
  }
  return [...verdicts].map(([movieId, why]) => ({ movieId, why }))
}

/** Carries the verdicts out. */
export async function carryOut(tx: FamilyTx, verdicts: readonly Verdict[]): Promise<void> {
  for (const { movieId, why } of verdicts) await makeAgain(tx, [movieId], why)
}

/** Who belongs to which group changed: movies for groups or members may hold items that a new viewer must not see. */
export async function viewersChanged(tx: FamilyTx): Promise<void> {
  const rows = await tx.many<{ id: string }>(sql`
    select id from render.movies where family_id = ${tx.familyId} and audience_kind in ('groups', 'members') and film is not null`)
  await makeAgain(
    tx,
    rows.map(r => r.id),
    'unfit',
  )
}

/** The family is gone, and with it every movie, segment and record of a call. Says how many rows went. */
export async function familyRemoved(tx: FamilyTx): Promise<number> {
  const movies = await tx.changed(sql`delete from render.movies where family_id = ${tx.familyId}`)
  const segments = await tx.changed(sql`delete from render.segments where family_id = ${tx.familyId}`)
  const calls = await tx.changed(sql`delete from render.idempotency where family_id = ${tx.familyId}`)
  await throwAway(tx, `families/${tx.familyId}/movies/`)
  return movies + segments + calls
}

/**
 * Those movies that hold nothing the caller may not see. Events hide such movies within moments; a relative is not even shown those moments.
 * Parents see everything, so for them nothing is asked.
 */
export async function openTo<T extends ReadMovie>(peers: Peers, call: Call, movies: readonly T[]): Promise<T[]> {
  const viewer = viewerOf(call.caller)
  if (viewer.role === 'parent' || movies.length === 0) return [...movies]
  const facts = await describe(peers, familyOf(call), [...new Set(movies.flatMap(m => m.mediaIds))], call.signal)
  return movies.filter(m =>
    m.mediaIds.every(id => {
      const item = facts.get(id)
      return item !== undefined && isThere(item) && sees(viewer, item.media?.audience ?? { kind: 'parents', ids: [] })
    }),
  )
}

/** What is kept of items, or of the whole family where none are named: for the receipt of an erasure. Bytes waiting for removal count. */
export async function countStored(
  tx: FamilyTx,
  mediaIds: readonly string[],
): Promise<{ rows: number; objects: number }> {
  const all = mediaIds.length === 0
  const ids = [...mediaIds]
  return tx.one<{ rows: number; objects: number }>(sql`
    with films as (
      select m.id, m.film from render.movies m where m.family_id = ${tx.familyId} and (${all} or exists (
        select 1 from render.movie_items i where i.family_id = m.family_id and i.movie_id = m.id and i.media_id = any(${ids}::uuid[])))
    ), parts as (
      select 1 from render.segments where family_id = ${tx.familyId} and (${all} or media_ids && ${ids}::uuid[])
    ), waiting as (select 1 from render.garbage where family_id = ${tx.familyId})
    select (select count(*) from films) + (select count(*) from parts) as rows,
      3 * (select count(*) from films where film is not null) + (select count(*) from parts) + (select count(*) from waiting) as objects`)
}

/** An id that is no UUID names nothing. */
export function requireMediaIds(ids: readonly string[]): readonly string[] {
  if (ids.every(isId)) return ids
  throw new KeepsakeError({
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_VALUE',
    message: 'An item is named by its id.',
    details: { field: 'mediaIds' },
  })
}
