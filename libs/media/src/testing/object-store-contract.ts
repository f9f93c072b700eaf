import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ObjectStore } from '../object-store.js'
import { storeReached } from '../store-reached.js'

/** An adapter under test and how to take it away again. */
export interface ContractSubject {
  store: ObjectStore
  close(): Promise<void>
}

/** What every adapter of `ObjectStore` promises. Call it in a test file with a maker of fresh, empty stores. */
export function objectStoreContract(name: string, make: () => Promise<ContractSubject>): void {
  describe(`object store contract: ${name}`, () => {
    let subject: ContractSubject
    let store: ObjectStore
    const type = { contentType: 'image/jpeg' }
    const read = (key: string, start?: number, end?: number) =>
      buffer(store.get(key, start === undefined ? {} : { range: { start, ...(end === undefined ? {} : { end }) } }))
    const keys = async (prefix: string) => {
      const found: string[] = []
      for await (const entry of store.list(prefix)) found.push(entry.key)
      return found
    }
    const failsWith = (reason: string) => expect.objectContaining({ name: 'KeepsakeError', reason })

    beforeEach(async () => {
      subject = await make()
      store = subject.store
    })
    afterEach(() => subject.close())

    test('what was put comes back, with its size, hash, type and an etag', async () => {
      const bytes = randomBytes(700_001)
      const stored = await store.put('families/f/media/m/original', bytes, type)
      expect(stored).toEqual({ size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
      expect((await read('families/f/media/m/original')).equals(bytes)).toBe(true)
      const stat = await store.stat('families/f/media/m/original')
      expect(stat).toMatchObject({ size: bytes.length, contentType: 'image/jpeg' })
      expect(stat?.etag).toMatch(/^[\w-]+$/)
    })

    test('a store that is empty can be reached', async () => {
      await storeReached(store)()
    })

    test('a stream is stored as it comes', async () => {
      const parts = [randomBytes(10), randomBytes(300_000), Buffer.alloc(0), randomBytes(1)]
      const stored = await store.put('a/b', Readable.from(parts), type)
      expect(stored.size).toBe(300_011)
      expect((await read('a/b')).equals(Buffer.concat(parts))).toBe(true)
    })

    test('an empty object is an object', async () => {
      expect(await store.put('a/empty', Buffer.alloc(0), type)).toMatchObject({ size: 0 })
      expect((await read('a/empty')).length).toBe(0)
      expect(await store.stat('a/empty')).toMatchObject({ size: 0 })
    })

    test('ranges are inclusive, end early at the end, and behind the end fail', async () => {
      await store.put('a/r', Buffer.from('0123456789'), type)
      expect((await read('a/r', 0, 0)).toString()).toBe('0')
      expect((await read('a/r', 3, 5)).toString()).toBe('345')
      expect((await read('a/r', 7)).toString()).toBe('789')
      expect((await read('a/r', 8, 100)).toString()).toBe('89')
      await expect(read('a/r', 10)).rejects.toEqual(failsWith('RANGE_INVALID'))
      await expect(read('a/r', 5, 4)).rejects.toEqual(failsWith('RANGE_INVALID'))
      await expect(read('a/r', -1)).rejects.toEqual(failsWith('RANGE_INVALID'))
    })

    test('what is not there says so', async () => {
      await expect(read('a/none')).rejects.toEqual(failsWith('OBJECT_NOT_FOUND'))
      expect(await store.stat('a/none')).toBeUndefined()
      expect(await store.remove('a/none')).toBe(false)
      expect(await store.removePrefix('a/none/')).toBe(0)
      expect(await keys('a/none/')).toEqual([])
      await expect(store.withFile('a/none', async () => 1)).rejects.toEqual(failsWith('OBJECT_NOT_FOUND'))
    })

    test('a put replaces, and the etag changes; ifAbsent does neither', async () => {
      await store.put('a/x', Buffer.from('one'), type)
      const before = await store.stat('a/x')
      await store.put('a/x', Buffer.from('two'), { contentType: 'image/png' })
      const after = await store.stat('a/x')
      expect(after?.etag).not.toBe(before?.etag)
      expect(after?.contentType).toBe('image/png')
      await expect(store.put('a/x', Buffer.from('three'), { ...type, ifAbsent: true })).rejects.toEqual(
        failsWith('OBJECT_EXISTS'),
      )
      expect((await read('a/x')).toString()).toBe('two')
      expect(await store.stat('a/x')).toEqual(after)
      await store.put('a/y', Buffer.from('new'), { ...type, ifAbsent: true })
      expect((await read('a/y')).toString()).toBe('new')
    })

    test('of many that put the same key with ifAbsent exactly one wins', async () => {
      const tries = Array.from({ length: 8 }, (_, i) =>
        store.put('race/key', Buffer.from(String(i)), { ...type, ifAbsent: true }).then(
          () => String(i),
          () => undefined,
        ),
      )
      const won = (await Promise.all(tries)).filter(winner => winner !== undefined)
      expect(won).toHaveLength(1)
      expect((await read('race/key')).toString()).toBe(won[0])
    })

    test('a body that breaks leaves what was there and nothing else', async () => {
      await store.put('a/x', Buffer.from('old'), type)
      async function* breaking() {
        yield Buffer.from('new')
        throw new Error('the connection went')
      }
      await expect(store.put('a/x', Readable.from(breaking()), type)).rejects.toThrow('the connection went')
      await expect(store.put('a/z', Readable.from(breaking()), type)).rejects.toThrow('the connection went')
      expect((await read('a/x')).toString()).toBe('old')
      expect(await keys('')).toEqual(['a/x'])
    })

    test('an aborted put leaves nothing', async () => {
      const stop = new AbortController()
      async function* slow() {
        yield Buffer.from('x')
        stop.abort()
        yield Buffer.from('y')
      }
      const put = store.put('a/x', Readable.from(slow()), { ...type, signal: stop.signal })
      await expect(put).rejects.toEqual(failsWith('CANCELLED'))
      expect(await store.stat('a/x')).toBeUndefined()
    })

    test('a body above the cap is refused and not kept', async () => {
      const put = store.put('a/x', Buffer.alloc(101), { ...type, maxBytes: 100 })
      await expect(put).rejects.toEqual(failsWith('OBJECT_TOO_LARGE'))
      expect(await store.stat('a/x')).toBeUndefined()
      expect(await store.put('a/x', Buffer.alloc(100), { ...type, maxBytes: 100 })).toMatchObject({ size: 100 })
    })

    test('parts are joined in order and stay', async () => {
      const parts = [randomBytes(5), randomBytes(400_000), Buffer.alloc(0), randomBytes(3)]
      for (const [i, part] of parts.entries()) await store.put(`up/${i}`, part, type)
      const joined = await store.compose(['up/0', 'up/1', 'up/2', 'up/3'], 'm/original', { contentType: 'video/mp4' })
      const whole = Buffer.concat(parts)
      expect(joined).toEqual({ size: whole.length, sha256: createHash('sha256').update(whole).digest('hex') })
      expect((await read('m/original')).equals(whole)).toBe(true)
      expect(await store.stat('m/original')).toMatchObject({ contentType: 'video/mp4' })
      expect(await keys('up/')).toHaveLength(4)
      const missing = store.compose(['up/0', 'up/9'], 'm/two', { contentType: 'video/mp4' })
      await expect(missing).rejects.toEqual(failsWith('OBJECT_NOT_FOUND'))
      expect(await store.stat('m/two')).toBeUndefined()
      expect(await store.compose([], 'm/none', type)).toMatchObject({ size: 0 })
    })

    test('a stream of an announced size passes through; one that ends early is read by its own size', async () => {
      const bytes = randomBytes(300_000)
      const sha256 = (of: Buffer) => createHash('sha256').update(of).digest('hex')
      const put = (key: string, announced: number) =>
        store.put(key, Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), { ...type, announced })
      expect(await put('up/whole', 300_000)).toEqual({ size: 300_000, sha256: sha256(bytes) })
      expect((await read('up/whole')).equals(bytes)).toBe(true)
      expect(await put('up/short', 1_000_000)).toEqual({ size: 300_000, sha256: sha256(bytes) })
      await expect(put('up/long', 299_999)).rejects.toEqual(failsWith('OBJECT_TOO_LARGE'))
      expect(await store.stat('up/long')).toBeUndefined()
      const sized = [
        { key: 'up/short', size: 300_000 },
        'up/whole',
        { key: 'up/whole', size: 7 },
        { key: 'up/short', size: 0 },
      ]
      const whole = Buffer.concat([bytes, bytes, bytes.subarray(0, 7)])
      expect(await store.compose(sized, 'm/sized', type)).toEqual({ size: whole.length, sha256: sha256(whole) })
      expect((await read('m/sized')).equals(whole)).toBe(true)
      const more = store.compose([{ key: 'up/whole', size: 300_001 }], 'm/more', type)
      await expect(more).rejects.toEqual(failsWith('RANGE_INVALID'))
    })

    describe('parts that are put for one target', () => {
      const target = 'families/f/media/u/original'
      const octets = { contentType: 'application/octet-stream' }
      const digest = (of: Buffer) => createHash('sha256').update(of).digest('hex')
      const part = async (number: number, bytes: Buffer, announced = bytes.length) => {
        const key = `families/f/uploads/u/${number}`
        const partOf = { target, number }
        const stored = await store.put(key, Readable.from([bytes]), { ...octets, announced, partOf })
        expect(stored).toEqual({ size: bytes.length, sha256: digest(bytes) })
        return { key, size: bytes.length }
      }
      const composed = async (parts: { key: string; size: number }[], whole: Buffer, sha256?: string) => {
        const options = { ...octets, ...(sha256 === undefined ? {} : { sha256 }) }
        const made = await store.compose(parts, target, options)
        expect(made).toEqual({ size: whole.length, sha256: digest(whole) })
        expect((await read(target)).equals(whole)).toBe(true)
      }
      const large = () => randomBytes(9_000_000)

      test('are whole in it: large ones with a small one behind, composed twice', async () => {
        const bytes = [large(), large(), randomBytes(300_000)]
        const parts = [await part(1, bytes[0] ?? large()), await part(3, bytes[1] ?? large())]
        parts.push(await part(4, bytes[2] ?? large()))
        expect(await store.stat(target)).toBeUndefined()
        await composed(parts, Buffer.concat(bytes), digest(Buffer.concat(bytes)))
        await composed(parts, Buffer.concat(bytes)) // whose first answer was lost
        await store.removePrefix('families/f/uploads/u/')
        expect((await read(target)).equals(Buffer.concat(bytes))).toBe(true)
      })

      test('are whole in it also when some ended early, in the middle and at the end', async () => {
        const bytes = [large(), randomBytes(1_000_000), randomBytes(2_000), large(), randomBytes(700_000)]
        const [a = large(), b = large(), c = large(), d = large(), e = large()] = bytes
        const parts = [await part(1, a), await part(2, b, 9_000_000), await part(3, c), await part(4, d)]
        parts.push(await part(5, e, 12_000_000))
        await composed(parts, Buffer.concat(bytes))
        await composed(parts, Buffer.concat(bytes), digest(Buffer.concat(bytes)))
      })

      test('leave nothing when they are removed before that', async () => {
        const parts = [await part(1, large()), await part(2, large())]
        await store.removePrefix('families/f/uploads/u/')
        await expect(store.compose(parts, target, octets)).rejects.toEqual(failsWith('OBJECT_NOT_FOUND'))
        expect(await keys('')).toEqual([])
      })
    })

    test('an announced stream that breaks or is aborted leaves what was there', async () => {
      await store.put('a/x', Buffer.from('old'), type)
      const stop = new AbortController()
      async function* breaking(by: () => void) {
        yield randomBytes(200_000)
        by()
        yield randomBytes(200_000)
      }
      const fails = () => {
        throw new Error('the connection went')
      }
      const put = (by: () => void) =>
        store.put('a/x', Readable.from(breaking(by)), { ...type, announced: 400_000, signal: stop.signal })
      await expect(put(fails)).rejects.toThrow('the connection went')
      await expect(put(() => stop.abort())).rejects.toEqual(failsWith('CANCELLED'))
      expect((await read('a/x')).toString()).toBe('old')
      expect(await keys('')).toEqual(['a/x'])
    })

    test('large parts and small ones are joined, with or without a hash that is known', async () => {
      const sizes = [6_000_000, 10, 2_000_000, 5_300_000, 9_000_000, 1]
      const parts = sizes.map(size => randomBytes(size))
      for (const [i, part] of parts.entries()) await store.put(`up/${i}`, part, type)
      const whole = Buffer.concat(parts)
      const sha256 = createHash('sha256').update(whole).digest('hex')
      const names = sizes.map((_, i) => `up/${i}`)
      expect(await store.compose(names, 'm/a', type)).toEqual({ size: whole.length, sha256 })
      expect(await store.compose(names, 'm/b', { ...type, sha256 })).toEqual({ size: whole.length, sha256 })
      expect(await store.compose(['m/b'], 'm/c', type)).toEqual({ size: whole.length, sha256 })
      for (const key of ['m/a', 'm/b', 'm/c']) expect((await read(key)).equals(whole)).toBe(true)
    })

    test('a body of unknown length that is larger than a part is stored whole', async () => {
      const bytes = randomBytes(12_000_000)
      async function* chunks() {
        for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000)
      }
      const stored = await store.put('a/large', Readable.from(chunks()), type)
      expect(stored).toEqual({ size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
      expect((await read('a/large')).equals(bytes)).toBe(true)
      expect(await read('a/large', 5_242_870, 5_242_890)).toEqual(bytes.subarray(5_242_870, 5_242_891))
      const twice = store.put('a/large', Readable.from(chunks()), { ...type, ifAbsent: true })
      await expect(twice).rejects.toEqual(failsWith('OBJECT_EXISTS'))
    })

    test('a removed prefix is gone and its neighbours are not', async () => {
      for (const key of ['f/a/1', 'f/a/b/2', 'f/ab/3', 'f/a.b', 'g/a/4']) await store.put(key, Buffer.from(key), type)
      expect(await store.removePrefix('f/a/')).toBe(2)
      expect(await keys('')).toEqual(['f/a.b', 'f/ab/3', 'g/a/4'])
      expect(await store.remove('g/a/4')).toBe(true)
      expect(await store.stat('g/a/4')).toBeUndefined()
      await store.put('f/a/1', Buffer.from('again'), type)
      expect((await read('f/a/1')).toString()).toBe('again')
    })

    test('a listing is in the order of the keys, with sizes', async () => {
      for (const key of ['l/b', 'l/a/z', 'l/a.x', 'l/a-b', 'l/a/a', 'm/x']) await store.put(key, Buffer.from(key), type)
      const found = await keys('l/')
      expect(found).toEqual(['l/a-b', 'l/a.x', 'l/a/a', 'l/a/z', 'l/b'])
      for await (const entry of store.list('m/')) expect(entry).toMatchObject({ key: 'm/x', size: 3 })
    })

    test('keys that could leave the store or mean two things are refused everywhere', async () => {
      const bad = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '..',
        'a/../b',
        './a',
        'a/.',
        'a\\b',
        'a\0b',
        'a b',
        'ä',
        'a/%2e%2e/b',
        'x'.repeat(300),
      ]
      const refused = failsWith('OBJECT_KEY_INVALID')
      for (const key of bad) {
        await expect(store.put(key, Buffer.alloc(1), type)).rejects.toEqual(refused)
        expect(() => store.get(key)).toThrow(expect.objectContaining({ reason: 'OBJECT_KEY_INVALID' }) as Error)
        await expect(store.stat(key)).rejects.toEqual(refused)
        await expect(store.remove(key)).rejects.toEqual(refused)
        await expect(store.compose(['a'], key, type)).rejects.toEqual(refused)
        await expect(store.withFile(key, async () => 1)).rejects.toEqual(refused)
        expect(() => store.signedUrl(key, { method: 'GET', expiresInS: 60 })).toThrow()
      }
      for (const prefix of ['', 'a', '/', '../', 'a/../']) {
        await expect(store.removePrefix(prefix)).rejects.toEqual(refused)
      }
    })

    test('a local file is lent and holds the bytes', async () => {
      await store.put('a/x', Buffer.from('bytes'), type)
      expect(await store.withFile('a/x', path => readFile(path, 'utf8'))).toBe('bytes')
      await expect(store.withFile('a/x', () => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
    })

    test('many writers and removers of one folder do not trip over each other', async () => {
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          await store.put(`busy/${i % 3}/${i}`, Buffer.from(String(i)), type)
          if (i % 2 === 0) await store.remove(`busy/${i % 3}/${i}`)
        }),
      )
      expect(await keys('busy/')).toHaveLength(30)
    })

    test('a reader keeps what it opened while the object is replaced', async () => {
      await store.put('a/x', Buffer.alloc(2_000_000, 1), type)
      const stream = store.get('a/x')
      const first = (await stream[Symbol.asyncIterator]().next()) as IteratorResult<Buffer>
      await store.put('a/x', Buffer.alloc(2_000_000, 2), type)
      expect(first.value[0]).toBe(1)
      stream.destroy()
    })

    test('a signed URL names one key and carries no secret', () => {
      const url = store.signedUrl('families/f/media/m/original', { method: 'GET', expiresInS: 300 })
      expect(url).toContain('families/f/media/m/original')
    })
  })
}
