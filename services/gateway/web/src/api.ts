/** The parts of the public API that the app uses, as `/openapi.json` describes them. */

export interface Family {
  id: string
  name: string
  plan: 'free' | 'premium'
  role: 'parent' | 'relative'
  timeZone: string
  locale: string
  /** Days after which faces of people whom nobody named are erased. */
  unknownFacesDays: number
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
  /** For parents: what the child's pictures say against the date. */
  birthDateDoubt?: {
    kind: 'before-birth' | 'looks-older' | 'looks-younger'
    mediaCount: number
    earliest?: string
    years?: number
    followed: boolean
  }
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
  /** `faceUrl`: of about the same time, to compare with. */
  candidates: { personId: string; confidence: number; faceUrl?: string }[]
}

/** What a parent said about people. */
export interface Correction {
  id: string
  kind: string
  by: string
  at: string
  undone: boolean
  personId?: string
  /** The later word because of which this one does not hold. */
  overruledBy?: { correctionId: string; by: string; at: string; about: 'face' | 'name' | 'child' | 'hidden' }
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

/** Says whether this browser may hold a session. The cookie itself is hidden from scripts, and asking without one is an error in the console. */
const returning = 'keepsake.returning'

/** Keeps the token that a sign-in answered with; undefined forgets the session. */
export function setAccessToken(token: string | undefined): void {
  accessToken = token
  localStorage.setItem(returning, token === undefined ? 'no' : 'yes')
}

/** Whether there may be a session to take up again. */
export function mayReturn(): boolean {
  const known = localStorage.getItem(returning)
  // The app of earlier releases kept no such mark, but the language always: its sessions are still good.
  return known === null ? localStorage.getItem('keepsake.locale') !== null : known === 'yes'
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
      if (response.ok) setAccessToken(((await response.json()) as { accessToken: string }).accessToken)
      // An album that is away or busy says nothing about the session.
      else if (response.status < 500 && response.status !== 429) setAccessToken(undefined)
      else accessToken = undefined
      return response.ok
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
  const deadline = AbortSignal.timeout(requestDeadlineMs)
  const response = await call(method, path, body, signal ? AbortSignal.any([deadline, signal]) : deadline)
  if (response.status === 204) return undefined as T
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/** Erases something for good and answers the id of the receipt. Throws Problem. */
export async function erase(path: string): Promise<string> {
  const response = await call('DELETE', path, undefined, AbortSignal.timeout(requestDeadlineMs))
  return response.headers.get('keepsake-erasure-id') ?? ''
}

/** The bytes of a long answer as they come; only `signal` ends it. Throws Problem. */
export async function download(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { body } = await call('GET', path, undefined, signal)
  return body ?? new ReadableStream()
}

async function call(method: string, path: string, body: unknown, signal: AbortSignal): Promise<Response> {
  const send = () =>
    fetch(`/v1${path}`, {
      method,
      credentials: 'same-origin',
      signal,
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
  if (response.ok) return response
  const text = await response.text()
  const problem = (text ? JSON.parse(text) : {}) as { code?: string; detail?: string; title?: string }
  throw new Problem(response.status, problem.code ?? 'UNKNOWN', problem.detail ?? problem.title ?? response.statusText)
}

/** Query string of the fields that are set. */
export function query(params: Record<string, string | number | boolean | undefined>): string {
  const set = Object.entries(params).filter(([, value]) => value !== undefined && value !== '')
  return set.length === 0 ? '' : `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString()}`
}
