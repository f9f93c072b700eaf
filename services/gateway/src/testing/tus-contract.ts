import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { until } from '@keepsake/testing'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningGateway } from '../service.js'
import { FakeAlbum, familyId, item } from './fake-album.js'

/** What a client may expect of an upload, wherever the bytes are kept (`objects`: the environment that names it). */
export function tusContract(name: string, objects: Readonly<Record<string, string>> = {}): void {
  describe(`tus: ${name}`, () => {
    let album: FakeAlbum
    let one: RunningGateway
    let two: RunningGateway
    const partBytes = 1024 * 1024
    const auth = { authorization: 'Bearer parent-token' }
    const tus = { ...auth, 'tus-resumable': '1.0.0' }
    const path = `/v1/families/${familyId}/uploads`

    beforeAll(async () => {
      album = await new FakeAlbum(objects).start()
      one = await album.gateway({ KEEPSAKE_UPLOAD_PART_BYTES: String(partBytes) })
      two = await album.gateway()
    })
    afterAll(() => album.close())

    const send = (
      gateway: RunningGateway,
      method: string,
      at: string,
      headers: Record<string, string>,
      body?: Buffer,
    ) => fetch(gateway.publicUrl + at, { method, headers, ...(body !== undefined && { body: new Uint8Array(body) }) })

    const open = async (size: number, headers: Record<string, string> = {}) => {
      const answer = await send(one, 'POST', path, { ...tus, 'upload-length': String(size), ...headers })
      expect(answer.status).toBe(201)
      return answer.headers.get('location') ?? ''
    }

    const write = (gateway: RunningGateway, at: string, offset: number, body: Buffer, headers = {}) =>
      send(
        gateway,
        'PATCH',
        at,
        { ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream', ...headers },
        body,
      )

    function byTusJsClient(file: Buffer, options: Partial<ConstructorParameters<typeof Upload>[1]> = {}) {
      return new Promise<{ mediaId: string | undefined; duplicate: string | undefined }>((resolve, reject) => {
        new Upload(file, {
          endpoint: one.publicUrl + path,
          headers: auth,
          retryDelays: [0, 50, 100, 200],
          onError: reject,
          onSuccess: ({ lastResponse }) =>
            resolve({
              mediaId: lastResponse.getHeader('Keepsake-Media-Id'),
              duplicate: lastResponse.getHeader('Keepsake-Duplicate'),
            }),
          ...options,
        }).start()
      })
    }

    describe('tus-js-client', () => {
      test('uploads a file in chunks, and the same file again is told as a duplicate', async () => {
        const file = randomBytes(700_000)
        const metadata = { filename: 'ümlaut 写真.jpg', lastModified: '1715900000000', audience: '{"kind":"parents"}' }
        const first = await byTusJsClient(file, { chunkSize: 200_000, metadata })
        expect(album.ingest.hashed).toHaveLength(1) // carried on from chunk to chunk
        expect(album.ingest.files.get(first.mediaId ?? '')?.equals(file)).toBe(true)
        expect(first.duplicate).toBeUndefined()
        const kept = [...album.ingest.uploads.values()].find(u => u.mediaId === first.mediaId)
        expect(kept).toMatchObject({ fileName: metadata.filename, metadata: { audience: '{"kind":"parents"}' } })
        expect(kept?.metadata['lastModified']).toEqual(new Date(1_715_900_000_000))
        const second = await byTusJsClient(file, { uploadDataDuringCreation: true })
        expect(second).toEqual({ mediaId: first.mediaId, duplicate: 'true' })
      })

      test('brings back what lies in the trash when its file is uploaded again', async () => {
        const file = randomBytes(1000)
        const { mediaId = '' } = await byTusJsClient(file)
        const restored: unknown[] = []
        const before = album.answers['album']
        album.answers['album'] = {
          ...before,
          getMedia: (r: { mediaId: string }) => ({ media: item({ id: r.mediaId, trashedAt: new Date() }) }),
          restoreMedia: (r: { mediaIds: string[] }) => (restored.push(r.mediaIds), {}),
        }
        expect(await byTusJsClient(file)).toEqual({ mediaId, duplicate: 'true' })
        expect(restored).toEqual([[mediaId]])
        album.answers['album'] = { ...before }
      })

      test('uploads an empty file', async () => {
        const { mediaId } = await byTusJsClient(Buffer.alloc(0))
        expect(album.ingest.files.get(mediaId ?? '')?.length).toBe(0)
      })
    })

    describe('an upload', () => {
      test('that was begun at one replica goes on at another', async () => {
        const file = randomBytes(100_000)
        const at = await open(file.length)
        expect((await write(one, at, 0, file.subarray(0, 40_000))).headers.get('upload-offset')).toBe('40000')
        const head = await send(two, 'HEAD', at, tus)
        expect([head.status, head.headers.get('upload-offset'), head.headers.get('upload-length')]).toEqual([
          200,
          '40000',
          '100000',
        ])
        expect(head.headers.get('cache-control')).toBe('no-store')
        expect(new Date(head.headers.get('upload-expires') ?? '').getUTCFullYear()).toBe(2030)
        const last = await write(two, at, 40_000, file.subarray(40_000))
        expect(last.status).toBe(204)
        const mediaId = last.headers.get('keepsake-media-id') ?? ''
        expect(album.ingest.files.get(mediaId)?.equals(file)).toBe(true)
        expect(album.ingest.hashed).not.toContain(at.split('/').at(-1)) // neither gateway saw all of it
        // The answer got lost: asking again names the item again.
        expect((await send(one, 'HEAD', at, tus)).headers.get('keepsake-media-id')).toBe(mediaId)
      })

      test('keeps what had arrived when the connection broke', async () => {
        const file = randomBytes(300_000)
        const at = await open(file.length)
        const broken = httpRequest(one.publicUrl + at, {
          method: 'PATCH',
          headers: {
            ...tus,
            'upload-offset': '0',
            'content-type': 'application/offset+octet-stream',
            'content-length': String(file.length),
          },
        })
        broken.on('error', () => undefined)
        broken.write(file.subarray(0, 120_000))
        const kept = [...album.ingest.uploads.values()].at(-1)
        await until(() => kept?.lease !== undefined)
        broken.destroy()
        await until(() => kept?.lease === undefined)
        const offset = Number((await send(two, 'HEAD', at, tus)).headers.get('upload-offset'))
        expect(offset).toBeGreaterThan(0)
        expect(offset).toBeLessThanOrEqual(120_000)
        const last = await write(two, at, offset, file.subarray(offset))
        expect(album.ingest.files.get(last.headers.get('keepsake-media-id') ?? '')?.equals(file)).toBe(true)
      })

      test('of one long body is committed part by part', async () => {
        const file = randomBytes(2.5 * partBytes)
        const at = await open(file.length)
        const before = album.ingest.parts.length
        const last = await write(one, at, 0, file)
        expect(last.status).toBe(204)
        expect(album.ingest.parts.slice(before)).toEqual([partBytes, partBytes, partBytes / 2])
        expect(album.ingest.files.get(last.headers.get('keepsake-media-id') ?? '')?.equals(file)).toBe(true)
      })

      test('is refused at a wrong offset, with a wrong type, after its end, and while another writes', async () => {
        const at = await open(10)
        expect((await write(one, at, 5, Buffer.alloc(5))).status).toBe(409)
        expect((await write(one, at, 0, Buffer.alloc(5), { 'content-type': 'image/jpeg' })).status).toBe(415)
        expect((await write(one, at, 0, Buffer.alloc(11))).status).toBe(413)
        const busy = await open(10)
        const kept = [...album.ingest.uploads.values()].at(-1)
        if (kept !== undefined) kept.lease = 'another'
        const answer = await write(one, busy, 0, Buffer.alloc(10))
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([423, '1'])
      })

      test('with a checksum is kept only when it is right', async () => {
        const file = randomBytes(1000)
        const at = await open(file.length)
        const wrong = await write(one, at, 0, file, { 'upload-checksum': 'sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=' })
        expect(wrong.status).toBe(460)
        expect((await send(one, 'HEAD', at, tus)).headers.get('upload-offset')).toBe('0')
        expect((await write(one, at, 0, file, { 'upload-checksum': 'crc99 AAAA' })).status).toBe(400)
        const sha256 = createHash('sha256').update(file).digest('base64')
        const right = await write(one, at, 0, file, { 'upload-checksum': `sha256 ${sha256}` })
        expect([right.status, right.headers.get('upload-offset')]).toEqual([204, '1000'])
      })

      test('can be given up', async () => {
        const at = await open(10)
        expect((await send(one, 'DELETE', at, tus)).status).toBe(204)
        expect((await send(one, 'HEAD', at, tus)).status).toBe(404)
      })
    })

    describe('the protocol', () => {
      test('is told to whoever asks', async () => {
        const answer = await send(one, 'OPTIONS', path, {})
        expect(answer.status).toBe(204)
        expect(Object.fromEntries(answer.headers)).toMatchObject({
          'tus-version': '1.0.0',
          'tus-extension': 'creation,creation-with-upload,checksum,termination,expiration',
          'tus-checksum-algorithm': 'sha1,sha256,md5',
        })
        expect(Number(answer.headers.get('tus-max-size'))).toBeGreaterThan(1e9)
      })

      test.each([
        ['another version', 412, { ...tus, 'tus-resumable': '0.2.2', 'upload-length': '1' }],
        ['no length', 400, { ...tus }],
        ['a length that is too much', 413, { ...tus, 'upload-length': '999999999999999' }],
        ['metadata of rubbish', 400, { ...tus, 'upload-length': '1', 'upload-metadata': 'filename !!!' }],
        [
          'an audience that is none',
          400,
          { ...tus, 'upload-length': '1', 'upload-metadata': `audience ${btoa('[]')}` },
        ],
        ['a text with a NUL', 400, { ...tus, 'upload-length': '1', 'upload-metadata': `importId ${btoa('a\0b')}` }],
        ['nobody', 401, { 'tus-resumable': '1.0.0', 'upload-length': '1' }],
        ['a key that may only read', 403, { ...tus, authorization: 'Bearer read-key', 'upload-length': '1' }],
      ])('refuses %s with %i', async (_, status, headers) => {
        const answer = await send(one, 'POST', path, headers as Record<string, string>)
        expect(answer.status).toBe(status)
        expect(answer.headers.get('content-type')).toContain('application/problem+json')
      })

      test('does not let a stranger find an upload through another family', async () => {
        const answer = await send(one, 'POST', path.replace(familyId, '0190a5d4-0000-7000-8000-000000000002'), {
          ...tus,
          'upload-length': '1',
        })
        expect(answer.status).toBe(404)
      })
    })
  })
}
