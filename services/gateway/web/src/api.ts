/** The parts of the public API that the app uses, as `/openapi.json` describes them. */

export interface Family {
  id: string
  name: string
  plan: 'free' | 'premium'
  role: 'parent' | 'relative'
  timeZone: string
  locale: string
  faceRecognition: { consent: boolean | null; by?: string; at?: string }
}

export interface Audience {
  kind: 'everyone' | 'parents' | 'groups' | 'members'
  ids?: string[]
}

export interface Place {
  city?: string
  region?: string
  country?: string
}

export interface Face {
  id: string
  box: { x: number; y: number; w: number; h: number }
  personId?: string
  personName?: string
  age?: number
  smile?: number
}

export interface RatingPart {
  name: string
  points: number
  reason: string
}

export interface Media {
  id: string
  fileName: string
  kind: 'photo' | 'video' | 'live'
  state: 'pending' | 'ready' | 'failed'
  stateReason?: { code: string; message: string }
  takenAt?: string
  takenAtPrecision?: string
  takenAtSource?: string
  timeZone?: string
  place?: Place
  description?: string
  width: number
  height: number
  duration?: number
  size?: number
  audience: Audience
  favourite: boolean
  commentCount: number
  blurHash?: string
  rotation?: number
  corrected?: string[]
  trashedAt?: string
  faces?: Face[]
  rating?: { value: number; parts: RatingPart[] }
  urls?: { thumbnail?: string; preview?: string; poster?: string; playback?: string; original?: string }
  ageMonths?: number
}

export interface Comment {
  id: string
  memberId: string
  memberName?: string
  text: string
  at: string
}

export interface Person {
  id: string
  name?: string
  childId?: string
  hidden: boolean
  faceCount: number
  mediaCount: number
  coverFaceId?: string
  coverUrl?: string
  firstSeen?: string
  lastSeen?: string
  age?: number
  stage?: string
}

export interface Child {
  id: string
  name: string
  birthDate: string
  personId?: string
}

export interface Member {
  id: string
  name: string
  role: 'parent' | 'relative'
  groups: string[]
  /** true: who is signed in. */
  me?: boolean
}

/** The receipt of an erasure. */
export interface Erasure {
  id: string
  kind: 'item' | 'face' | 'consent' | 'member' | 'family'
  ids: string[]
  startedAt: string
  complete: boolean
  owners: { name: string; doneAt?: string }[]
}

export interface Question {
  id: string
  faceId: string
  faceUrl?: string
  mediaId?: string
  candidates: { personId: string; confidence: number }[]
}

export interface ChildProposal {
  personId: string
  childId?: string
  confidence: number
  reason: string
}

export interface Page {
  id: string
  name: string
  childId?: string
  mediaCount: number
  coverUrl?: string
  months: { month: string; count: number; ageMonths?: number }[]
}

export interface Movie {
  id: string
  kind: string
  title?: string
  period: { from: string; to: string }
  status: 'queued' | 'rendering' | 'ready' | 'failed' | 'rejected'
  statusReason?: { code: string; message: string }
  published: boolean
  progress: number
  url?: string
  posterUrl?: string
  chaptersUrl?: string
  altText?: string
  duration?: number
  aspect?: string
  storyboard?: { mediaId?: string; start: number; duration: number; reason: string; text?: string }[]
}

export interface Stage {
  done: number
  pending: number
  failed: number
}

export interface Processing {
  items: { total: number; ready: number; pending: number; failed: number }
  stages: { ingest?: Stage; faces?: Stage; people?: Stage; ratings?: Stage }
}

export interface List<T> {
  items: T[]
  nextCursor?: string | null
}

/** A refusal of the API (RFC 9457), with the sentence it was given for a person. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Where the access token lives: in memory only; the refresh token is in a cookie that no script can read. */
let accessToken: string | undefined
let refreshing: Promise<boolean> | undefined

/** Keeps the token that a sign-in answered with. */
export function setAccessToken(token: string | undefined): void {
  accessToken = token
}

/** The header that authorises a request outside `api()`, for uploads. */
export async function authorization(): Promise<Record<string, string>> {
  if (!accessToken) await refresh()
  return accessToken ? { authorization: `Bearer ${accessToken}` } : {}
}

/** Asks for a new access token with the cookie; concurrent callers share one request. False: sign in again. */
export function refresh(): Promise<boolean> {
  refreshing ??= (async () => {
    try {
      const response = await fetch('/v1/sessions/refresh', {
        method: 'POST',
        credentials: 'same-origin',
        headers: { 'content-type': 'application/json', 'keepsake-client': 'web' },
        body: '{}',
      })
      if (!response.ok) {
        accessToken = undefined
        return false
      }
      accessToken = ((await response.json()) as { accessToken: string }).accessToken
      return true
    } catch {
      return false
    } finally {
      refreshing = undefined
    }
  })()
  return refreshing
}

const requestDeadlineMs = 30_000

/** Calls the API as the signed-in member; renews the session once when it has run out. Throws Problem. */
export async function api<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const send = () =>
    fetch(`/v1${path}`, {
      method,
      credentials: 'same-origin',
      signal: AbortSignal.any([AbortSignal.timeout(requestDeadlineMs), ...(signal ? [signal] : [])]),
      headers: {
        'keepsake-client': 'web',
        'accept-language': document.documentElement.lang || 'en',
        ...(accessToken ? { authorization: `Bearer ${accessToken}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' ? {} : { 'idempotency-key': crypto.randomUUID() }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  let response = await send()
  if (response.status === 401 && !path.startsWith('/sessions') && (await refresh())) response = await send()
  if (response.status === 204) return undefined as T
  const text = await response.text()
  const answer: unknown = text ? JSON.parse(text) : undefined
  if (!response.ok) {
    const problem = (answer ?? {}) as { code?: string; detail?: string; title?: string }
    throw new Problem(
      response.status,
      problem.code ?? 'UNKNOWN',
      problem.detail ?? problem.title ?? response.statusText,
    )
  }
  return answer as T
}

/** Query string of the fields that are set. */
export function query(params: Record<string, string | number | boolean | undefined>): string {
  const set = Object.entries(params).filter(([, value]) => value !== undefined && value !== '')
  return set.length === 0 ? '' : `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString()}`
}
