import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ChunkSigner, signedChunkBytes, signedLength } from './aws-chunked.js'
import { objectsPublicOrigin, openObjectStore } from './open-object-store.js'
import { parseS3Address, s3Location } from './s3-address.js'
import { presignS3Url } from './s3-presign.js'

const keys = {
  KEEPSAKE_S3_ACCESS_KEY: 'AKIAIOSFODNN7EXAMPLE',
  KEEPSAKE_S3_SECRET_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const parse = (address: string) => parseS3Address(address, keys)

describe('an S3 address', () => {
  test('names bucket, prefix, endpoint, region and style', () => {
    expect(
      parse('s3://photos/home/one?endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=eu-west-1&tags=off'),
    ).toMatchObject({
      bucket: 'photos',
      prefix: 'home/one',
      endpoint: new URL('http://127.0.0.1:9000'),
      region: 'eu-west-1',
      style: 'path',
      tags: false,
    })
    const amazon = parse('s3://photos?region=eu-west-1')
    expect(amazon).toMatchObject({ prefix: '', style: 'host', tags: true })
    expect(amazon.endpoint.href).toBe('https://s3.eu-west-1.amazonaws.com/')
  })

  test('that is wrong says what is wrong, without a key', () => {
    const wrong = [
      's3://',
      's3://UP',
      's3://b',
      's3://bucket/a b',
      's3://bucket/../x?style=path&endpoint=nonsense',
      's3://bucket?style=both',
      's3://bucket?endpoint=ftp://x',
      's3://bucket?endpoint=http://x/path',
      's3://bucket?endpoint=http://user:pass@x',
      's3://bucket?regoin=x',
    ]
    for (const address of wrong) {
      expect(() => parse(address), address).toThrow(
        expect.objectContaining({ reason: 'OBJECTS_ADDRESS_INVALID' }) as Error,
      )
    }
    expect(() => parseS3Address('s3://bucket', {})).toThrow('KEEPSAKE_S3_ACCESS_KEY')
  })

  test('puts a key into the path or the host', () => {
    const path = parse('s3://photos/p?endpoint=http://x:9000')
    expect(s3Location(path, path.endpoint, 'a/b=c')).toEqual({ host: 'x:9000', path: '/photos/p/a/b%3Dc' })
    const host = parse('s3://photos?endpoint=https://store.example&style=host')
    expect(s3Location(host, host.endpoint, 'a/b')).toEqual({ host: 'photos.store.example', path: '/a/b' })
  })

  test('tells which origin pages must be allowed to show', () => {
    const env = { ...keys, KEEPSAKE_OBJECTS: 's3://photos?endpoint=http://minio:9000' }
    expect(objectsPublicOrigin(env)).toBeUndefined()
    const open = { ...env, KEEPSAKE_OBJECTS_PUBLIC_URL: 'https://media.example/' }
    expect(objectsPublicOrigin(open)).toBe('https://media.example')
    expect(objectsPublicOrigin({ ...open, KEEPSAKE_OBJECTS: 's3://photos' })).toBe('https://photos.media.example')
    expect(() => objectsPublicOrigin({ ...env, KEEPSAKE_OBJECTS_PUBLIC_URL: 'media' })).toThrow('PUBLIC_URL')
  })
})

describe('a presigned URL', () => {
  // AWS, "Authenticating Requests: Using Query Parameters", the example of 24 May 2013.
  test('is the one of the documentation', () => {
    const address = parse('s3://examplebucket?endpoint=https://s3.amazonaws.com&style=host')
    const now = new Date('2013-05-24T00:00:00Z')
    const url = new URL(presignS3Url(address, address.endpoint, 'test.txt', { method: 'GET', expiresInS: 69_120 }, now))
    expect(url.host).toBe('examplebucket.s3.amazonaws.com')
    // 86,400 s: the life and the quarter that the grid adds.
    expect(url.searchParams.get('X-Amz-Expires')).toBe('86400')
    expect(url.searchParams.get('X-Amz-Date')).toBe('20130524T000000Z')
    expect(url.searchParams.get('X-Amz-Signature')).toBe(
      'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    )
  })

  test('is the same again within its grid, lives as long as asked for, and differs by version', () => {
    const store = openObjectStore({
      ...keys,
      KEEPSAKE_OBJECTS: 's3://photos?endpoint=http://minio:9000',
      KEEPSAKE_OBJECTS_PUBLIC_URL: 'https://media.example',
    })
    const url = store.signedUrl('a/b', { method: 'GET', expiresInS: 7 * 24 * 3600, version: 2 })
    expect(url).toMatch(/^https:\/\/media\.example\/photos\/a\/b\?/)
    expect(new URL(url).searchParams.get('X-Amz-Expires')).toBe('604800')
    const address = parse('s3://photos?endpoint=http://minio:9000')
    const at = (minute: number, version?: number) =>
      presignS3Url(
        address,
        address.endpoint,
        'a/b',
        { method: 'GET', expiresInS: 3600, ...(version === undefined ? {} : { version }) },
        new Date(Date.UTC(2026, 10, 22, 4, minute)),
      )
    expect(at(1)).toBe(at(14))
    expect(at(1)).not.toBe(at(16))
    expect(at(1)).not.toBe(at(1, 2))
  })

  test('never allows a put: S3 cannot limit its size', () => {
    const address = parse('s3://photos?endpoint=http://minio:9000')
    const put = () => presignS3Url(address, address.endpoint, 'a/b', { method: 'PUT', expiresInS: 60 })
    expect(put).toThrow(expect.objectContaining({ reason: 'SIGNED_URL_INVALID' }) as Error)
  })
})

describe('a body signed in chunks', () => {
  // AWS, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", its example of 65 KiB in two chunks.
  test('has the signatures of the documentation', () => {
    const signer = new ChunkSigner({
      date: '20130524T000000Z',
      region: 'us-east-1',
      secretKey: keys.KEEPSAKE_S3_SECRET_KEY,
      signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    })
    const heads = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1024, 'a'), Buffer.alloc(0)].map(chunk =>
      signer.head([chunk]),
    )
    expect(heads).toEqual([
      '10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n',
      '400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n',
      '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n',
    ])
  })

  test('is as long as was told beforehand', () => {
    const seed = {
      date: '20130524T000000Z',
      region: 'r',
      secretKey: 's',
      signature: createHash('sha256').digest('hex'),
    }
    for (const size of [1, signedChunkBytes - 1, signedChunkBytes, signedChunkBytes + 1, 3 * signedChunkBytes]) {
      const signer = new ChunkSigner(seed)
      let sent = 0
      for (let at = 0; at < size; at += signedChunkBytes) {
        const chunk = Buffer.alloc(Math.min(signedChunkBytes, size - at))
        sent += signer.head([chunk]).length + chunk.length + 2
      }
      sent += signer.head([]).length + 2
      expect(signedLength(size)).toBe(sent)
    }
  })
})
