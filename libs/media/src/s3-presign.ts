import { presignSignatureV4 } from 'minio/dist/esm/signing.mjs'
import { mediaError } from './errors.js'
import { requireObjectKey } from './object-key.js'
import type { SignedUrlOptions } from './object-store.js'
import { s3Location, type S3Address } from './s3-address.js'
import { expiryGridS, requireLife } from './signed-url.js'

const longestS = 7 * 24 * 3600

/**
 * A URL that leads to the store itself (Signature Version 4, signed query). It is dated at the last mark of a grid of a quarter of its life and
 * lives that much longer, so that lists repeat it. S3 cannot be made to check the size of what is put, so only GET is signed.
 */
export function presignS3Url(
  address: S3Address,
  publicEndpoint: URL,
  key: string,
  options: SignedUrlOptions,
  now: Date = new Date(),
): string {
  requireObjectKey(key)
  requireLife(options.expiresInS)
  if (options.method !== 'GET') {
    throw mediaError('SIGNED_URL_INVALID', {
      message: 'The store itself takes no uploads: it cannot limit their size.',
    })
  }
  // A signature lives a week at most, so what is to live nearly so long cannot be dated back far.
  const grid = Math.min(expiryGridS(options.expiresInS), Math.max(1, longestS - options.expiresInS))
  const date = new Date(Math.floor(now.getTime() / 1000 / grid) * grid * 1000)
  const query = [
    ['response-content-disposition', options.disposition],
    ['response-content-type', options.contentType],
    // S3 ignores what it does not know, but wants it signed.
    ['v', options.version?.toString()],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${escape(value)}`]))
  const { host, path } = s3Location(address, publicEndpoint, key)
  return presignSignatureV4(
    {
      method: 'GET',
      path: query.length === 0 ? path : `${path}?${query.join('&')}`,
      protocol: publicEndpoint.protocol,
      headers: { host },
    } as Parameters<typeof presignSignatureV4>[0],
    address.accessKey,
    address.secretKey,
    undefined,
    address.region,
    date,
    Math.min(longestS, options.expiresInS + grid),
  )
}

/** Everything but the unreserved characters of RFC 3986, as signatures want it. */
const escape = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
