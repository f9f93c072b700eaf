import type { ObjectStore, SignedUrlOptions } from '@keepsake/media'

/** What the gateway does with the object store. */
export type EdgeStore = Pick<ObjectStore, 'put' | 'get' | 'stat' | 'remove' | 'signedUrl'>

// A signed URL is made of an HMAC and escaping, about 20 µs; a page of 200 items carries 600 and more. Expiries lie on a
// grid, so the same URL comes out for minutes: it is kept so long, at most this many (about 20 MB).
const keptMs = 10 * 60_000
const mostUrls = 40_000

/** The object store, with the URLs it signs remembered for ten minutes. A URL from here may live that much shorter; one
 * that is to live for less than an hour is signed each time. */
export function rememberUrls(store: ObjectStore, now: () => number = Date.now): EdgeStore {
  let urls = new Map<string, string>()
  let since = now()
  const signedUrl = (key: string, options: SignedUrlOptions): string => {
    if (options.method !== 'GET' || options.expiresInS * 1000 < keptMs * 6) return store.signedUrl(key, options)
    if (now() - since > keptMs || urls.size >= mostUrls) {
      urls = new Map()
      since = now()
    }
    const name = `${key} ${options.expiresInS} ${options.version ?? ''} ${options.contentType ?? ''} ${options.disposition ?? ''}`
    const known = urls.get(name)
    if (known !== undefined) return known
    const made = store.signedUrl(key, options)
    urls.set(name, made)
    return made
  }
  return {
    put: (key, body, options) => store.put(key, body, options),
    get: (key, options) => store.get(key, options),
    stat: key => store.stat(key),
    remove: key => store.remove(key),
    signedUrl,
  }
}
