import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signObjectUrl, verifySignedUrl } from './signed-url.js'

const secret = 'a secret of at least 16 characters'
const now = new Date('2026-11-22T04:00:00Z')
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000)
const refused = expect.objectContaining({ reason: 'SIGNED_URL_INVALID' }) as Error

describe('a signed URL', () => {
  test('gives back everything that was signed', () => {
    const options = { method: 'PUT', expiresInS: 60, maxBytes: 1000, contentType: 'image/jpeg' } as const
    const url = signObjectUrl(secret, 'https://album.example/', 'families/f/x', options, now)
    expect(url.startsWith('https://album.example/objects/families/f/x?')).toBe(true)
    expect(verifySignedUrl(secret, 'PUT', url, later(59))).toEqual({
      key: 'families/f/x',
      method: 'PUT',
      expiresAt: later(60),
      maxBytes: 1000,
      contentType: 'image/jpeg',
    })
  })

  test('allows HEAD where GET is allowed, and nothing else', () => {
    const disposition = "attachment; filename*=UTF-8''%C3%A9t%C3%A9.jpg"
    const url = signObjectUrl(secret, '', 'a/b', { method: 'GET', expiresInS: 60, disposition }, now)
    expect(verifySignedUrl(secret, 'GET', url, now)).toMatchObject({ key: 'a/b', disposition })
    expect(verifySignedUrl(secret, 'HEAD', url, now)).toMatchObject({ key: 'a/b' })
    for (const method of ['PUT', 'DELETE', 'POST'])
      expect(() => verifySignedUrl(secret, method, url, now)).toThrow(refused)
  })

  test('expires, at most a quarter of its life late', () => {
    const url = signObjectUrl(secret, '', 'a/b', { method: 'GET', expiresInS: 100 }, now)
    expect(verifySignedUrl(secret, 'GET', url, later(99)).key).toBe('a/b')
    expect(() => verifySignedUrl(secret, 'GET', url, later(126))).toThrow(
      expect.objectContaining({ reason: 'SIGNED_URL_EXPIRED' }) as Error,
    )
    const put = signObjectUrl(secret, '', 'a/b', { method: 'PUT', expiresInS: 100 }, now)
    expect(() => verifySignedUrl(secret, 'PUT', put, later(100))).toThrow()
  })

  test('is the same URL again within its grid, so that browsers cache', () => {
    const sign = (at: Date) => signObjectUrl(secret, '', 'a/b', { method: 'GET', expiresInS: 3600 }, at)
    expect(sign(later(1))).toBe(sign(later(600)))
  })

  test('with any character changed is refused', () => {
    const options = { method: 'GET', expiresInS: 600, disposition: 'inline', contentType: 'image/webp' } as const
    const url = signObjectUrl(secret, '', 'families/f/media/m/original', options, now)
    fc.assert(
      fc.property(fc.nat(url.length - 1), fc.constantFrom(...'abcXYZ019-_./?&=%'), (at, letter) => {
        const changed = url.slice(0, at) + letter + url.slice(at + 1)
        fc.pre(changed !== url)
        let allowed: string | undefined
        try {
          allowed = verifySignedUrl(secret, 'GET', changed, now).key
        } catch {
          return
        }
        // Only spellings that mean the very same request may pass (the padding bits of base64, %-escapes).
        expect(allowed).toBe('families/f/media/m/original')
        expect(new URL(changed, 'http://x').searchParams.get('expires')).toBe(
          new URL(url, 'http://x').searchParams.get('expires'),
        )
      }),
      { numRuns: 500 },
    )
  })

  test('of another secret, or moved to another key, is refused', () => {
    const url = signObjectUrl(secret, '', 'a/b', { method: 'GET', expiresInS: 60 }, now)
    expect(() => verifySignedUrl('another secret, long enough', 'GET', url, now)).toThrow(refused)
    expect(() => verifySignedUrl(secret, 'GET', url.replace('a/b', 'a/c'), now)).toThrow(refused)
    expect(() => verifySignedUrl(secret, 'GET', '/objects/../etc/passwd', now)).toThrow(refused)
    expect(() => verifySignedUrl(secret, 'GET', '/elsewhere/a/b', now)).toThrow(refused)
  })
})
