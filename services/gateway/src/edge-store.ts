import type { ObjectStore, SignedUrlOptions } from '@keepsake/media'

/** What the gateway does with the object store. */
export interface EdgeStore extends Pick<ObjectStore, 'put' | 'get' | 'stat' | 'remove' | 'signedUrl'> {
  /** The URLs that `sign` answers, remembered under a name that must change when one of them would. */
  signedUrls<T extends object>(name: string, sign: () => T): T
}

// A signed URL is made of an HMAC and escaping, about 20 µs; a page of 200 items carries 600 and more, and to look each up by its long name
// still costs a tenth of a page. Expiries lie on a grid, so the same URL comes out for minutes: it is kept so long, at most this many (about 20 MB).
const keptMs = 10 * 60_000
const mostUrls = 40_000
const mostItems = 10_000

/** The object store, with the URLs it signs remembered for ten minutes. A URL from here may live that much shorter; one
 * that is to live for less than an hour is signed each time. */
export function rememberUrls(store: ObjectStore, now: () => number = Date.now): EdgeStore {
  let urls = new Map<string, string>()
  let items = new Map<string, object>()
  let since = now()
  const forgetOld = () => {
    if (now() - since <= keptMs && urls.size < mostUrls && items.size < mostItems) return
    urls = new Map()
    items = new Map()
    since = now()
  }
  const signedUrl = (key: string, options: SignedUrlOptions): string => {
    if (options.method !== 'GET' || options.expiresInS * 1000 < keptMs * 6) return store.signedUrl(key, options)
    forgetOld()
    const name = `${key} ${options.expiresInS} ${options.version ?? ''} ${options.contentType ?? ''} ${options.disposition ?? ''}`
    const known = urls.get(name)
    if (known !== undefined) return known
    const made = store.signedUrl(key, options)
    urls.set(name, made)
    return made
  }
  const signedUrls = <T extends object>(name: string, sign: () => T): T => {
    forgetOld()
    const known = items.get(name)
    if (known !== undefined) return known as T
    const made = sign()
    items.set(name, made)
    return made
  }
  return {
    put: (key, body, options) => store.put(key, body, options),
    get: (key, options) => store.get(key, options),
    stat: key => store.stat(key),
    remove: key => store.remove(key),
    signedUrl,
    signedUrls,
  }
}
