import { createHmac, timingSafeEqual } from 'node:crypto'
import { mediaError } from './errors.js'
import { requireObjectKey } from './object-key.js'
import type { SignedUrlOptions } from './object-store.js'

/** Path under which signed object URLs are served. */
export const signedUrlPath = '/objects/'

const longestLifeS = 7 * 24 * 3600

/** What a signed URL that was found good allows. */
export interface SignedRequest {
  key: string
  method: 'GET' | 'PUT'
  expiresAt: Date
  disposition?: string
  contentType?: string
  /** PUT: most bytes of the body. */
  maxBytes?: number
}

/**
 * Makes a URL that allows one thing with one object: `{baseUrl}/objects/{key}?…&signature=…`. The signature (HMAC-SHA-256) covers the method, the
 * key, the expiry, the size cap, the disposition and the content type. `baseUrl` may be empty for a URL relative to the host.
 */
export function signObjectUrl(
  secret: string,
  baseUrl: string,
  key: string,
  options: SignedUrlOptions,
  now: Date = new Date(),
): string {
  requireObjectKey(key)
  requireLife(options.expiresInS)
  const request: SignedRequest = {
    key,
    method: options.method,
    expiresAt: new Date(expiry(options, now) * 1000),
    ...(options.disposition === undefined ? {} : { disposition: options.disposition }),
    ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
  }
  const query = new URLSearchParams({ method: request.method, expires: String(request.expiresAt.getTime() / 1000) })
  if (request.maxBytes !== undefined) query.set('max', String(request.maxBytes))
  if (request.disposition !== undefined) query.set('disposition', request.disposition)
  if (request.contentType !== undefined) query.set('type', request.contentType)
  query.set('signature', signature(secret, request).toString('base64url'))
  // Not signed: it says nothing to the server, it only makes another URL of it.
  if (options.version !== undefined) query.set('v', String(options.version))
  return `${baseUrl.replace(/\/$/, '')}${signedUrlPath}${key}?${query.toString()}`
}

/**
 * Checks a request made with a signed URL: `url` is the path and query as received (a full URL is fine too). HEAD is allowed where GET is.
 * Throws SIGNED_URL_INVALID for anything altered, SIGNED_URL_EXPIRED for a good signature that is too old.
 */
export function verifySignedUrl(secret: string, method: string, url: string, now: Date = new Date()): SignedRequest {
  const { pathname, searchParams } = parse(url)
  if (!pathname.startsWith(signedUrlPath)) throw mediaError('SIGNED_URL_INVALID')
  const key = pathname.slice(signedUrlPath.length)
  try {
    requireObjectKey(key)
  } catch {
    throw mediaError('SIGNED_URL_INVALID')
  }
  const signed = searchParams.get('method')
  const expires = Number(searchParams.get('expires'))
  const max = searchParams.get('max')
  if ((signed !== 'GET' && signed !== 'PUT') || !Number.isSafeInteger(expires)) throw mediaError('SIGNED_URL_INVALID')
  if (max !== null && !/^\d{1,15}$/.test(max)) throw mediaError('SIGNED_URL_INVALID')
  const disposition = searchParams.get('disposition')
  const contentType = searchParams.get('type')
  const request: SignedRequest = {
    key,
    method: signed,
    expiresAt: new Date(expires * 1000),
    ...(disposition === null ? {} : { disposition }),
    ...(contentType === null ? {} : { contentType }),
    ...(max === null ? {} : { maxBytes: Number(max) }),
  }
  const given = Buffer.from(searchParams.get('signature') ?? '', 'base64url')
  const right = signature(secret, request)
  if (given.length !== right.length || !timingSafeEqual(given, right)) throw mediaError('SIGNED_URL_INVALID')
  if (method.toUpperCase() !== signed && !(signed === 'GET' && method.toUpperCase() === 'HEAD')) {
    throw mediaError('SIGNED_URL_INVALID')
  }
  if (now.getTime() >= request.expiresAt.getTime()) throw mediaError('SIGNED_URL_EXPIRED')
  return request
}

/** Throws SIGNED_URL_INVALID unless a link may live so many seconds: one to a week. */
export function requireLife(expiresInS: number): void {
  if (!(expiresInS >= 1 && expiresInS <= longestLifeS)) {
    throw mediaError('SIGNED_URL_INVALID', { message: 'A link may live from one second to a week.' })
  }
}

function parse(url: string): URL {
  try {
    return new URL(url, 'http://local')
  } catch {
    throw mediaError('SIGNED_URL_INVALID')
  }
}

/** Seconds between the instants that a GET's expiry may fall on. */
export const expiryGridS = (expiresInS: number): number => Math.max(1, Math.floor(expiresInS / 4))

/** Epoch seconds. GET expiries fall on a grid of a quarter of the life, so that a repeated list carries the same URLs and the browser's cache works. */
function expiry(options: SignedUrlOptions, now: Date): number {
  const plain = now.getTime() / 1000 + options.expiresInS
  if (options.method !== 'GET') return Math.ceil(plain)
  const grid = expiryGridS(options.expiresInS)
  return Math.ceil(plain / grid) * grid
}

/** The list is signed as JSON, so that no field can run into its neighbour; the first word keeps the key apart from its other uses. */
function signature(secret: string, r: SignedRequest): Buffer {
  const fields = [
    r.method,
    r.key,
    r.expiresAt.getTime(),
    r.maxBytes ?? null,
    r.disposition ?? null,
    r.contentType ?? null,
  ]
  return createHmac('sha256', secret)
    .update(JSON.stringify(['keepsake-object-url-v1', ...fields]))
    .digest()
}
