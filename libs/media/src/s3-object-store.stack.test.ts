import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { skipUnless } from '@keepsake/testing'
import { expect, test } from 'vitest'
import { openObjectStore, prepareBucket, S3ObjectStore } from './index.js'
import { objectStoreContract } from './testing/object-store-contract.js'

const given = process.env['KEEPSAKE_TEST_S3']
const why = 'KEEPSAKE_TEST_S3 names no S3 store'
const type = { contentType: 'image/jpeg' }

/** The environment of a store under a prefix of its own. */
function environment(prefix = `test-${randomUUID()}`): Record<string, string> {
  const url = new URL(given ?? 'http://a:b@127.0.0.1:1/none')
  return {
    KEEPSAKE_OBJECTS: `s3://${url.pathname.slice(1)}/${prefix}?endpoint=${encodeURIComponent(url.origin)}`,
    KEEPSAKE_S3_ACCESS_KEY: decodeURIComponent(url.username),
    KEEPSAKE_S3_SECRET_KEY: decodeURIComponent(url.password),
    KEEPSAKE_OBJECTS_URL_KEY: 'a secret of at least 16 characters',
  }
}

async function emptied(store: S3ObjectStore): Promise<void> {
  for await (const { key } of store.list('')) await store.remove(key)
  store.close()
}

const open = (env = environment()) => openObjectStore(env) as S3ObjectStore

if (given !== undefined) {
  objectStoreContract('S3', async () => {
    const store = open()
    return { store, close: () => emptied(store) }
  })
}

skipUnless(given, why).describe('S3 adapter', () => {
  test('a browser reaches the store itself with a presigned URL: range, name, type; altered it is refused', async () => {
    const origin = new URL(given ?? '').origin
    const store = open({ ...environment(), KEEPSAKE_OBJECTS_PUBLIC_URL: origin })
    await store.put('families/f/media/m/original', Buffer.from('0123456789'), type)
    const disposition = "attachment; filename*=UTF-8''%C3%A9t%C3%A9%20%281%29.jpg"
    const url = store.signedUrl('families/f/media/m/original', {
      method: 'GET',
      expiresInS: 60,
      disposition,
      contentType: 'image/png',
      version: 3,
    })
    expect(url.startsWith(`${origin}/`)).toBe(true)
    const part = await fetch(url, { headers: { range: 'bytes=3-5' } })
    expect([part.status, await part.text()]).toEqual([206, '345'])
    expect(part.headers.get('content-disposition')).toBe(disposition)
    expect(part.headers.get('content-type')).toBe('image/png')
    expect((await fetch(url.replace('v=3', 'v=4'))).status).toBe(403)
    expect((await fetch(url.replace('original', 'other'))).status).toBe(403)
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403)
    await emptied(store)
  })

  test('one store per prefix, in one bucket', async () => {
    const [one, two] = [open(), open()]
    await one.put('a/x', Buffer.from('1'), type)
    expect(await two.stat('a/x')).toBeUndefined()
    expect(await two.removePrefix('a/')).toBe(0)
    await emptied(one)
    await emptied(two)
  })

  test('thirty uploads at once are stored as they came', async () => {
    const store = open()
    const bytes = Array.from({ length: 30 }, () => randomBytes(3_000_000))
    await Promise.all(
      bytes.map((each, i) => store.put(`a/${i}`, Readable.from([each]), { ...type, announced: each.length })),
    )
    for (const [i, each] of bytes.entries()) expect((await buffer(store.get(`a/${i}`))).equals(each)).toBe(true)
    await emptied(store)
  })

  test('the bucket is prepared by a call of its own, as often as it is made', async () => {
    const first = await prepareBucket(environment())
    const again = await prepareBucket(environment())
    expect(again).toEqual({ ...first, created: false })
    expect(again?.rules).toContain('keepsake-upload-parts')
  })

  test('a store that is not there is told in time and may be tried again', async () => {
    const store = open({ ...environment(), KEEPSAKE_OBJECTS: 's3://bucket?endpoint=http%3A%2F%2F127.0.0.1%3A1' })
    const away = { reason: 'STORAGE_FAILED', code: 'UNAVAILABLE', retryable: true }
    await expect(store.stat('a/x')).rejects.toMatchObject(away)
    await expect(buffer(store.get('a/x'))).rejects.toMatchObject(away)
    await expect(store.put('a/x', Readable.from(['x']), { ...type, announced: 1 })).rejects.toMatchObject(away)
    store.close()
  })

  test('wrong keys are no reason to think that an object is missing', async () => {
    const store = open({ ...environment(), KEEPSAKE_S3_SECRET_KEY: 'wrong-secret' })
    await expect(store.stat('a/x')).rejects.toMatchObject({ reason: 'STORAGE_FAILED' })
    await expect(store.put('a/x', Buffer.from('x'), type)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    store.close()
  })
})
