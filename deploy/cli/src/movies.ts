import type { Api, Page } from './api.js'

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

/** The first and last day (yyyy-mm-dd, local to each picture) of what the family sees; undefined without dated items. */
export async function coveredPeriod(api: Api, familyId: string): Promise<{ from: string; to: string } | undefined> {
  const days: string[] = []
  for (const order of ['oldest', 'newest']) {
    // The order is that of instants; a page from each end holds the first and the last local day, whatever the offsets.
    const path = `/v1/families/${familyId}/media?state=ready&order=${order}&limit=100`
    const page = await api.get<Page<{ takenAt?: string | null }>>(path)
    for (const item of page.items) if (item.takenAt) days.push(item.takenAt.slice(0, 10))
  }
  days.sort()
  const [from, to] = [days[0], days.at(-1)]
  return from && to ? { from, to } : undefined
}
