/** The movie as it is stored, and the few statements that several concepts need. */
import { sql, type FamilyTx } from '@keepsake/db'
import type { Mood } from './moods.js'
import { filmPrefix } from './keys.js'
import type { Aspect, Storyboard } from './storyboard.js'

/** A row of render.movies. */
export interface MovieRow {
  familyId: string
  id: string
  version: number
  generation: number
  kind: string
  title: string | null
  fromAt: Date
  toAt: Date
  childId: string | null
  mood: Mood
  length: string
  aspect: Aspect
  music: boolean
  locked: string[]
  banned: string[]
  audienceKind: string
  audienceIds: string[]
  published: boolean
  status: 'queued' | 'rendering' | 'ready' | 'failed' | 'rejected'
  statusCode: string | null
  statusMessage: string | null
  progress: number
  storyboard: Storyboard | null
  rejected: { mediaId: string; reason: string }[]
  film: number | null
  createdAt: Date
}

/** Channel on which workers hear of work, once the transaction that makes it is committed. */
export const WORK_CHANNEL = 'render_work'

/** Asks for a film, at once or after a pause that lets a burst of changes pass; a job that is there already starts anew with the new generation. */
export async function enqueue(tx: FamilyTx, movieId: string, generation: number, pauseMs = 0): Promise<void> {
  await tx.changed(sql`
    insert into render.jobs (family_id, movie_id, generation, due_at)
    values (${tx.familyId}, ${movieId}, ${generation}, now() + ${pauseMs} * interval '1 ms')
    on conflict (family_id, movie_id) do update
      set generation = excluded.generation, attempts = 0, due_at = excluded.due_at, lease = null, lease_until = null`)
  await wakeWorkers(tx, movieId, generation)
}

/** Ends what is being made of older generations of a movie, on every replica, and lets idle workers look for work. */
export async function wakeWorkers(tx: FamilyTx, movieId: string, generation: number): Promise<void> {
  await tx.one(sql`select pg_notify(${WORK_CHANNEL}, ${`${movieId}:${generation}`})::text as told`)
}

/** Objects to remove once this transaction is committed; a prefix ends in '/'. */
export async function throwAway(tx: FamilyTx, ...prefixes: string[]): Promise<void> {
  await tx.changed(sql`
    insert into render.garbage (family_id, prefix) select ${tx.familyId}, unnest(${prefixes}::text[]) on conflict do nothing`)
  await tx.one(sql`select pg_notify(${WORK_CHANNEL}, '')::text as told`)
}

/** Takes the stored film and whatever is being made of it away; the movie itself stays. */
export async function discardFilm(tx: FamilyTx, row: Pick<MovieRow, 'id' | 'generation' | 'film'>): Promise<void> {
  const made = [row.generation, ...(row.film === null ? [] : [row.film])]
  await throwAway(tx, ...new Set(made.map(generation => filmPrefix(tx.familyId, row.id, generation))))
  await tx.changed(sql`
    update render.movies set film = null, storyboard = null where family_id = ${tx.familyId} and id = ${row.id}`)
}
