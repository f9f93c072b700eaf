import type { Api } from './api.js'

/** What this command line reads of a movie. */
export interface Movie {
  id: string
  title?: string
  status: 'queued' | 'rendering' | 'ready' | 'failed' | 'rejected'
  statusReason?: { code: string; message: string }
  progress: number
  url?: string
  posterUrl?: string
  /** Seconds. */
  duration?: number
  storyboard?: { mediaId: string; start: number; duration: number }[]
}

/** What is asked for; dates are yyyy-mm-dd, both ends included. */
export interface MovieRequest {
  from: string
  to: string
  childId?: string | undefined
  title?: string | undefined
  length?: string | undefined
}

/** Asks for a 1s Movie and waits until it is ready, failed or rejected. */
export async function makeMovie(
  api: Api,
  familyId: string,
  request: MovieRequest,
  options: { signal?: AbortSignal | undefined; onProgress?: (movie: Movie) => void } = {},
): Promise<Movie> {
  const { from, to, ...rest } = request
  const made = await api.post<Movie>(
    `/v1/families/${familyId}/movies`,
    {
      kind: 'one-second',
      period: { from, to },
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    },
    { signal: options.signal },
  )
  for (let movie = made; ;) {
    options.onProgress?.(movie)
    if (movie.status !== 'queued' && movie.status !== 'rendering') return movie
    await new Promise(resolve => setTimeout(resolve, 500))
    options.signal?.throwIfAborted()
    movie = await api.get<Movie>(`/v1/families/${familyId}/movies/${made.id}`, { signal: options.signal, attempts: 30 })
  }
}

/** A movie needs ten items; of a few dozen so many are left when doubles and bad ones are out. */
const enoughItems = 30
/** Items that one end of the album is looked through by: more than lie within the offsets of one day's time zones in practice. */
const lookAt = 100

/**
 * The first and last day (yyyy-mm-dd, local to each picture) of what the family sees. An item dated by its file alone stretches nothing: the day
 * of a copy is no day of theirs; only where hardly enough for a movie have a date of their own do such days count too. Undefined without
 * dated items.
 */
export async function coveredPeriod(
  api: Pick<Api, 'list'>,
  familyId: string,
): Promise<{ from: string; to: string } | undefined> {
  const days: string[] = []
  const fileDays: string[] = []
  let enough = true
  for (const order of ['oldest', 'newest']) {
    // The order is that of instants; so many items from each end hold the first and the last local day, whatever the offsets.
    const path = `/v1/families/${familyId}/media?state=ready&order=${order}&limit=${lookAt}`
    let seen = 0
    for await (const { takenAt, takenAtSource } of api.list<{ takenAt?: string | null; takenAtSource?: string }>(
      path,
    )) {
      if (!takenAt) continue
      if (takenAtSource === 'file-date') fileDays.push(takenAt.slice(0, 10))
      else {
        days.push(takenAt.slice(0, 10))
        if (++seen === lookAt) break
      }
    }
    enough &&= seen >= enoughItems
  }
  const counted = (enough ? days : [...days, ...fileDays]).sort()
  const [from, to] = [counted[0], counted.at(-1)]
  return from && to ? { from, to } : undefined
}
