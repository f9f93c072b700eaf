import type { ObjectStore } from '@keepsake/media'
import { expect, test } from 'vitest'
import { rememberUrls } from './edge-store.js'

test('a URL is signed once in ten minutes, and apart for every name it is saved under', () => {
  let now = 0
  let made = 0
  const signing = { signedUrl: (key: string) => `/${key}?${++made}` } as unknown as ObjectStore
  const store = rememberUrls(signing, () => now)
  const options = { method: 'GET', expiresInS: 3600 } as const
  expect([store.signedUrl('a', options), store.signedUrl('a', options)]).toEqual(['/a?1', '/a?1'])
  expect(store.signedUrl('a', { ...options, disposition: 'attachment' })).toBe('/a?2')
  expect(store.signedUrl('b', options)).toBe('/b?3')
  now = 10 * 60_000 + 1
  expect(store.signedUrl('a', options)).toBe('/a?4')
})

test('the URLs of an item are signed anew for another version and after ten minutes', () => {
  let now = 0
  let made = 0
  const store = rememberUrls({} as ObjectStore, () => now)
  const sign = () => ({ thumbnail: `${++made}` })
  expect([store.signedUrls('item 1', sign), store.signedUrls('item 1', sign)]).toEqual([
    { thumbnail: '1' },
    { thumbnail: '1' },
  ])
  expect(store.signedUrls('item 2', sign)).toEqual({ thumbnail: '2' })
  now = 10 * 60_000 + 1
  expect(store.signedUrls('item 2', sign)).toEqual({ thumbnail: '3' })
})
