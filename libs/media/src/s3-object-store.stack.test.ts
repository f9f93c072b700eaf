import { execFileSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { skipUnless, until } from '@keepsake/testing'
import { expect, test } from 'vitest'
import { openObjectStore, prepareBucket, S3ObjectStore, storeReached } from './index.js'
import { minioProgram, testMinio } from './testing/minio.js'
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

  test('wrong keys and a bucket that is not there are found before the first use', async () => {
    const locked = open({ ...environment(), KEEPSAKE_S3_SECRET_KEY: 'wrong-secret' })
    const elsewhere = environment().KEEPSAKE_OBJECTS?.replace(/^s3:[/][/][^/]+/, 's3://no-such-bucket')
    const missing = open({ ...environment(), KEEPSAKE_OBJECTS: elsewhere ?? '' })
    for (const store of [locked, missing]) {
      await expect(storeReached(store)()).rejects.toThrow()
      store.close()
    }
    const store = open()
    await storeReached(store)()
    store.close()
  })
})

const program = minioProgram()
const mountsTmpfs = canMount()

skipUnless(program, 'MinIO is not built (npm run stack -- up)').describe('MinIO', () => {
  test('killed in the middle of a put leaves what was there; a reader goes on when it is back', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keepsake-minio-'))
    const minio = await testMinio(program ?? '', folder)
    const store = open(minio.env)
    try {
      await minio.start()
      const old = randomBytes(24_000_000)
      await store.put('a/x', Readable.from([old]), { ...type, announced: old.length })
      const failsLater = { reason: 'STORAGE_FAILED', code: 'UNAVAILABLE', retryable: true }
      for (const announced of [24_000_000, undefined]) {
        async function* body() {
          for (let i = 0; i < 24; i++) {
            if (i === 13) await minio.kill()
            yield randomBytes(1_000_000)
          }
        }
        const put = store.put('a/x', Readable.from(body()), { ...type, ...(announced && { announced }) })
        await expect(put).rejects.toMatchObject(failsLater)
        await expect(store.stat('a/x')).rejects.toMatchObject(failsLater)
        await minio.start()
        expect((await buffer(store.get('a/x'))).equals(old)).toBe(true)
      }

      const chunks: Buffer[] = []
      for await (const chunk of store.get('a/x')) {
        if (chunks.length === 3) {
          await minio.kill()
          await minio.start()
        }
        chunks.push(chunk as Buffer)
      }
      expect(Buffer.concat(chunks).equals(old)).toBe(true)

      // Half of a compose is no object either, and the whole works again.
      await store.put('a/y', Buffer.from('end'), type)
      const joined = await store.compose(['a/x', 'a/y'], 'b/z', type)
      expect(joined.size).toBe(old.length + 3)
    } finally {
      store.close()
      await minio.kill()
      await rm(folder, { recursive: true, force: true })
    }
  }, 120_000)

  skipUnless(mountsTmpfs, 'a tmpfs cannot be mounted here (needs root)').test(
    'with a full disk says so, keeps what it has, and works again when there is room',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'keepsake-minio-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', folder])
      const minio = await testMinio(program ?? '', folder)
      const store = open(minio.env)
      try {
        await minio.start()
        await store.put('a/kept', randomBytes(1_000_000), type)
        const full = { reason: 'STORAGE_FULL', code: 'RESOURCE_EXHAUSTED', retryable: true }
        const large = () => Readable.from(Array.from({ length: 120 }, () => randomBytes(1_000_000)))
        await expect(store.put('a/large', large(), { ...type, announced: 120_000_000 })).rejects.toMatchObject(full)
        await expect(store.put('a/large', large(), type)).rejects.toMatchObject(full)
        expect(await store.stat('a/large')).toBeUndefined()
        expect(await store.stat('a/kept')).toMatchObject({ size: 1_000_000 })
        await until(
          () =>
            store.put('a/small', randomBytes(100_000), type).then(
              () => true,
              () => false,
            ),
          { deadlineMs: 30_000 },
        )
      } finally {
        store.close()
        await minio.kill()
        execFileSync('umount', [folder])
        await rm(folder, { recursive: true, force: true })
      }
    },
    120_000,
  )
})

function canMount(): boolean {
  try {
    const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  }
}
