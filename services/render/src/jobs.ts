/** The table of films to make: who has which, until when. Every statement that touches a lease stands here. */
import { randomUUID } from 'node:crypto'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import type { Crossing } from './crossing.js'
import { announce } from './movies.js'
import { statusCodes } from './errors.js'
import type { MovieRow } from './movie-row.js'

/** A job that this replica holds. */
export interface Job {
  familyId: string
  movieId: string
  generation: number
  /** This one included. */
  attempt: number
  lease: string
}

/** Attempts that may fail for a reason of the film itself. */
const MOST_ATTEMPTS = 3
/** Attempts while another service is away: about an hour. */
const MOST_RETRIES = 60
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 60_000

/** Takes the job that is due longest, of any family, or none. */
export async function claimJob(crossing: Crossing, leaseMs: number): Promise<Job | undefined> {
  const [job] = await crossing.many<Job>(sql`
    update render.jobs j set lease = ${randomUUID()}, lease_until = now() + ${leaseMs} * interval '1 ms', attempts = attempts + 1
    from (
      select family_id, movie_id from render.jobs
      where due_at <= now() and (lease_until is null or lease_until < now())
      order by due_at limit 1 for update skip locked
    ) next
    where j.family_id = next.family_id and j.movie_id = next.movie_id
    returning j.family_id, j.movie_id, j.generation, j.attempts as attempt, j.lease::text as lease`)
  return job
}

/** Milliseconds until a job may be due that nobody holds or whose lease runs out; undefined when there is none. */
export async function nextDue(crossing: Crossing): Promise<number | undefined> {
  const [next] = await crossing.many<{ ms: number | null }>(sql`
    select (extract(epoch from min(greatest(due_at, coalesce(lease_until, due_at)) - now())) * 1000)::float8 as ms from render.jobs`)
  return next?.ms === null || next === undefined ? undefined : Math.max(0, next.ms)
}

/**
 * Whether the job is still ours and asks for the same film; keeps it so until the transaction ends. The movie is locked before its job, as by
 * whoever stops or changes a movie: the other way round the two would wait for each other.
 */
export async function holdsJob(tx: FamilyTx, job: Job): Promise<boolean> {
  await tx.maybe(sql`select 1 from render.movies where family_id = ${tx.familyId} and id = ${job.movieId} for update`)
  const row = await tx.maybe(sql`
    select 1 from render.jobs where family_id = ${tx.familyId} and movie_id = ${job.movieId} and lease = ${job.lease}
      and generation = ${job.generation} for update`)
  return row !== undefined
}

/** Keeps the lease; false when the job was taken away, changed or finished. */
export function renewJob(db: Db, job: Job, leaseMs: number): Promise<boolean> {
  return db.family(job.familyId, async tx => {
    const kept = await tx.changed(sql`
      update render.jobs set lease_until = now() + ${leaseMs} * interval '1 ms'
      where family_id = ${tx.familyId} and movie_id = ${job.movieId} and lease = ${job.lease} and generation = ${job.generation}`)
    return kept > 0
  })
}

/** Lets a job go so that another replica takes it at once; it does not count as an attempt. */
export function releaseJob(db: Db, job: Job): Promise<void> {
  return db.family(job.familyId, async tx => {
    await tx.changed(sql`
      update render.jobs set lease = null, lease_until = null, attempts = greatest(0, attempts - 1)
      where family_id = ${tx.familyId} and movie_id = ${job.movieId} and lease = ${job.lease}`)
  })
}

/** The job is done; part of the transaction that says how it ended. */
export async function endJob(tx: FamilyTx, job: Job): Promise<void> {
  await tx.changed(
    sql`delete from render.jobs where family_id = ${tx.familyId} and movie_id = ${job.movieId} and lease = ${job.lease}`,
  )
}

/** The attempt failed: tried again after a pause, or given up for good. */
export function failJob(db: Db, job: Job, retryable: boolean, random: () => number): Promise<void> {
  const lastAttempt = job.attempt >= (retryable ? MOST_RETRIES : MOST_ATTEMPTS)
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (job.attempt - 1)) * (0.5 + random() / 2)
  return db.family(job.familyId, async tx => {
    if (!(await holdsJob(tx, job))) return
    if (!lastAttempt) {
      await tx.changed(sql`
        update render.jobs set lease = null, lease_until = null, due_at = now() + ${pauseMs} * interval '1 ms'
        where family_id = ${tx.familyId} and movie_id = ${job.movieId}`)
      return
    }
    await endJob(tx, job)
    const row = await tx.one<MovieRow>(sql`
      update render.movies set status = 'failed', status_code = ${statusCodes.renderFailed}, version = version + 1,
        status_message = 'The movie could not be made. It can be tried again.'
      where family_id = ${tx.familyId} and id = ${job.movieId} returning *`)
    await announce(tx, row)
  })
}
