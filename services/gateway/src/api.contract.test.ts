import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ExportPersonResponse, GetAssignmentsResponse, Person } from '@keepsake/proto/cluster/v1'
import { GetFacesResponse } from '@keepsake/proto/face/v1'
import { KeepsakeError, type Call } from '@keepsake/rpc'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { apiEndpoints } from './api.js'
import { breakingChanges } from './breaking-changes.js'
import type { LiveEvents } from './live-events.js'
import { originalKey, renditionKey } from './media-urls.js'
import { openApiDocument } from './openapi.js'
import type { RunningGateway } from './service.js'
import { FakeAlbum, familyId, item, mediaId } from './testing/fake-album.js'

let album: FakeAlbum
let gateway: RunningGateway
const base = `/v1/families/${familyId}`

beforeAll(async () => {
  album = await new FakeAlbum().start()
  gateway = await album.gateway({ KEEPSAKE_PUBLIC_URL: 'https://album.example.org' })
})
afterAll(() => album.close())
beforeEach(() => {
  album.keysSeen.length = 0
})

interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

async function ask(
  method: string,
  path: string,
  options: { body?: unknown; token?: string | null; headers?: Record<string, string>; at?: RunningGateway } = {},
): Promise<Answer> {
  const token = options.token === undefined ? 'parent-token' : options.token
  const answer = await fetch((options.at ?? gateway).publicUrl + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.includes('json') === true
  return { status: answer.status, headers: answer.headers, body: isJson && text !== '' ? JSON.parse(text) : { text } }
}

/** What cluster knows of a person, in two pages. */
const exportPerson = ({ personId, cursor }: { personId: string; cursor: string }) =>
  ExportPersonResponse.fromPartial({
    person: { id: personId, name: 'Hana' },
    vectors: 3,
    questions: 1,
    corrections: [
      {
        id: 'c1',
        kind: 'name',
        value: `what was said of ${personId}`,
        overruledBy: { correctionId: 'c2', byMemberId: 'father', about: 'name', faceIds: [] },
      },
    ],
    faces:
      cursor === ''
        ? [
            { faceId: 'f1', mediaId: 'm1', takenAt: new Date('2024-05-01T10:00:00Z'), confirmed: true },
            { faceId: 'f2', mediaId: 'm1' },
          ]
        : [{ faceId: 'f3', mediaId: 'm2', knownSince: new Date('2024-06-01') }],
    nextCursor: cursor === '' ? 'more' : '',
  })

describe('a problem', () => {
  test('is a text that no database stores, wherever it stands', async () => {
    for (const [method, path, body] of [
      ['GET', `${base}/media?q=a%00b`],
      ['DELETE', '/v1/api-keys/a%00b'],
      ['PATCH', base, { faceRecognition: { consent: true, textVersion: 'a\0b' } }],
      ['POST', `${base}/media:edit`, { ids: [mediaId], changes: { description: 'a\0b' } }],
    ] as const)
      expect([path, await ask(method, path, { body })]).toMatchObject([
        path,
        { status: 400, body: { code: 'INVALID_REQUEST' } },
      ])
  })

  test.each(['/a%00.js', '/..%2f..%2fpackage.json', '//:99999999/a.js', '/..%5cpackage.json'])(
    'is %s, which is no file of the app',
    async path => expect((await ask('GET', path)).status).toBe(404),
  )

  test('is a refresh from a page without an origin of its own', async () => {
    const headers = { 'keepsake-client': 'web', cookie: 'keepsake_refresh=abc', origin: 'null' }
    expect(await ask('POST', '/v1/sessions/refresh', { token: null, headers })).toMatchObject({
      status: 403,
      body: { code: 'CROSS_SITE_REQUEST' },
    })
  })

  test('is what RFC 9457 says, with our code, and a 401 says how to sign in', async () => {
    const { status, headers, body } = await ask('GET', `${base}/media`, { token: null })
    expect(status).toBe(401)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(headers.get('www-authenticate')).toBe('Bearer')
    expect(body).toMatchObject({
      type: 'urn:keepsake:problem:UNAUTHENTICATED',
      status: 401,
      code: 'UNAUTHENTICATED',
      detail: 'Please sign in.',
    })
    expect((await ask('GET', `${base}/media`, { token: 'stale' })).body).toMatchObject({ code: 'TOKEN_INVALID' })
  })

  test.each([
    ['NOT_FOUND', 'MEDIA_NOT_FOUND', 404],
    ['FAILED_PRECONDITION', 'PREMIUM_REQUIRED', 402],
    ['PERMISSION_DENIED', 'PARENT_REQUIRED', 403],
    ['ALREADY_EXISTS', 'GROUP_EXISTS', 409],
    ['RESOURCE_EXHAUSTED', 'STORAGE_FULL', 507],
    ['RESOURCE_EXHAUSTED', 'TOO_MANY', 429],
    ['UNAVAILABLE', 'DATABASE_UNAVAILABLE', 503],
    ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 504],
  ] as const)('%s %s is %i', async (code, reason, status) => {
    album.answers['album'] = {
      ...album.answers['album'],
      listPages: () => {
        throw new KeepsakeError({
          code,
          reason,
          message: 'A sentence.',
          details: { a: 'b' },
          cause: new Error('secret'),
        })
      },
    }
    const answer = await ask('GET', `${base}/pages`)
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({ code: reason, detail: 'A sentence.', details: { a: 'b' } })
    expect(JSON.stringify(answer.body)).not.toContain('secret')
    if (status === 503) expect(answer.headers.get('retry-after')).toBe('1')
  })

  test('of the inside tells nothing of it', async () => {
    album.answers['album'] = {
      ...album.answers['album'],
      listPages: () => {
        throw new TypeError('select * from secrets')
      },
    }
    const { status, body } = await ask('GET', `${base}/pages`)
    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toContain('secrets')
  })

  test('of a request names the fields', async () => {
    const { status, body } = await ask('POST', `${base}/children`, { body: { name: 'x', birthDate: '17.5.2020' } })
    expect(status).toBe(400)
    expect(body).toMatchObject({ code: 'INVALID_REQUEST', details: { birthDate: expect.any(String) as string } })
    expect((await ask('GET', `${base}/media?limit=5000`)).status).toBe(400)
    const broken = await fetch(`${gateway.publicUrl}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{broken',
    })
    expect(broken.status).toBe(400)
  })
})

describe('who asks', () => {
  test('is no member: 404 for everything', async () => {
    const foreign = '/v1/families/0190a5d4-0000-7000-8000-000000000002'
    for (const path of ['', '/media', `/media/${mediaId}`, '/people', '/movies', '/export', '/events', '/processing'])
      expect([path, (await ask('GET', foreign + path)).status]).toEqual([path, 404])
  })

  test('has a key that may only read: reads, and nothing else', async () => {
    expect((await ask('GET', `${base}/media`, { token: 'read-key' })).status).toBe(200)
    const refused = await ask('PUT', `${base}/media/${mediaId}/favourite`, { token: 'read-key' })
    expect(refused).toMatchObject({ status: 403, body: { code: 'SCOPE_REQUIRED' } })
    expect((await ask('GET', '/v1/api-keys', { token: 'read-key' })).status).toBe(403)
  })

  test('has a key that may write: changes nothing about who is a member', async () => {
    for (const [method, path, body] of [
      ['POST', `${base}/invitations`, { role: 'parent' }],
      ['PATCH', `${base}/members/m`, { role: 'parent' }],
      ['DELETE', `${base}/members/m`],
    ] as const)
      expect((await ask(method, path, { token: 'write-key', body })).body).toMatchObject({ code: 'SCOPE_REQUIRED' })
  })

  test('has a key: consent is not for it to give or to take back', async () => {
    const { getFamily } = album.answers['family'] ?? {}
    album.answers['family'] = { ...album.answers['family'], updateFamily: getFamily ?? (() => ({})) }
    album.tokens.set('admin-key', { role: 'parent', scopes: ['read', 'write', 'admin'] })
    const faceRecognition = { consent: true, textVersion: '2026-11' }
    for (const token of ['write-key', 'admin-key'])
      for (const [method, path] of [
        ['PATCH', base],
        ['POST', '/v1/families'],
      ] as const)
        expect(await ask(method, path, { token, body: { name: 'Sato', faceRecognition } })).toMatchObject({
          status: 403,
          body: { code: 'SESSION_REQUIRED' },
        })
    expect((await ask('PATCH', base, { token: 'write-key', body: { name: 'Sato' } })).status).toBe(200)
    expect((await ask('PATCH', base, { body: { faceRecognition } })).status).toBe(200)
  })

  test('sends an Idempotency-Key: the service that owns the effect gets it', async () => {
    album.answers['family'] = {
      ...album.answers['family'],
      createChild: () => ({ child: { id: 'c', name: 'Hana', birthDate: '2020-05-17' } }),
    }
    const headers = { 'idempotency-key': 'abc-1' }
    const made = await ask('POST', `${base}/children`, { body: { name: 'Hana', birthDate: '2020-05-17' }, headers })
    expect(made.status).toBe(201)
    expect(album.keysSeen).toContain('abc-1')
    const bad = await ask('POST', `${base}/children`, { body: {}, headers: { 'idempotency-key': 'a b' } })
    expect(bad.body).toMatchObject({ code: 'IDEMPOTENCY_KEY_INVALID' })
  })

  test('asks too much: waits', async () => {
    const slow = await album.gateway({ KEEPSAKE_RATE_PER_ADDRESS: '1' })
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => ask('GET', '/v1/families', { at: slow }).then(a => a.status)),
    )
    // Ten at once, and one more for each second that the answers took.
    expect(answers.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 200))
    expect(answers).toContain(429)
    const refused = await until(async () => {
      const answer = await ask('GET', '/v1/families', { at: slow })
      return answer.status === 429 ? answer : undefined
    })
    expect([refused.headers.get('retry-after'), refused.body['code']]).toEqual(['1', 'RATE_LIMITED'])
  })
})

describe('sessions', () => {
  const tokens = { accessToken: 'a', refreshToken: 'r1', expiresAt: new Date('2030-01-01T00:00:00Z') }
  beforeEach(() => {
    album.answers['family'] = {
      ...album.answers['family'],
      createSession: () => ({ tokens }),
      refreshSession: (r: { refreshToken: string }) => {
        if (r.refreshToken !== 'r1')
          throw new KeepsakeError({ code: 'UNAUTHENTICATED', reason: 'REFRESH_REUSED', message: 'Closed.' })
        return { tokens: { ...tokens, refreshToken: 'r2' } }
      },
      deleteSession: () => ({}),
      changePassword: (r: { currentPassword: string }) => {
        if (r.currentPassword !== credentials.password)
          throw new KeepsakeError({ code: 'INVALID_ARGUMENT', reason: 'PASSWORD_WRONG', message: 'Not that one.' })
        return { tokens: { ...tokens, refreshToken: 'r3' } }
      },
    }
  })
  const credentials = { email: 'a@example.org', password: 'correct horse' }
  const web = { 'keepsake-client': 'web' }

  test('give a JSON client its refresh token in the body', async () => {
    const opened = await ask('POST', '/v1/sessions', { body: credentials, token: null })
    expect(opened).toMatchObject({ status: 201, body: { accessToken: 'a', refreshToken: 'r1' } })
    expect(opened.headers.get('set-cookie')).toBeNull()
    const renewed = await ask('POST', '/v1/sessions/refresh', { body: { refreshToken: 'r1' }, token: null })
    expect(renewed.body).toMatchObject({ refreshToken: 'r2', expiresAt: '2030-01-01T00:00:00.000Z' })
  })

  test('keep the web app’s refresh token in a cookie that no script and no other site can use', async () => {
    const opened = await ask('POST', '/v1/sessions', { body: credentials, token: null, headers: web })
    expect(opened.body['refreshToken']).toBeUndefined()
    const cookie = opened.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^keepsake_refresh=r1; Path=\/v1\/sessions; HttpOnly; SameSite=Strict; Max-Age=\d+$/)
    const headers = { ...web, cookie: 'other=1; keepsake_refresh=r1' }
    const renewed = await ask('POST', '/v1/sessions/refresh', { body: {}, token: null, headers })
    expect(renewed.headers.get('set-cookie')).toContain('keepsake_refresh=r2;')
    const forged = { ...headers, origin: 'https://evil.example' }
    expect(await ask('POST', '/v1/sessions/refresh', { token: null, headers: forged })).toMatchObject({ status: 403 })
    const bare = { cookie: 'keepsake_refresh=r1' }
    expect((await ask('POST', '/v1/sessions/refresh', { token: null, headers: bare })).status).toBe(401)
    const reused = { ...web, cookie: 'keepsake_refresh=old' }
    const closed = await ask('POST', '/v1/sessions/refresh', { token: null, headers: reused })
    expect(closed.status).toBe(401)
    expect(closed.headers.get('set-cookie')).toContain('Max-Age=0')
    expect((await ask('DELETE', '/v1/sessions/current', { headers: web })).headers.get('set-cookie')).toContain(
      'Max-Age=0',
    )
  })

  test('go on under a new password: the answer is a sign-in, given as it was given before', async () => {
    const change = (currentPassword: string, headers = {}) =>
      ask('PUT', '/v1/accounts/me/password', { body: { currentPassword, newPassword: 'battery staple' }, headers })
    expect(await change(credentials.password)).toMatchObject({ status: 200, body: { refreshToken: 'r3' } })
    const inBrowser = await change(credentials.password, web)
    expect(inBrowser.body['refreshToken']).toBeUndefined()
    expect(inBrowser.headers.get('set-cookie')).toContain('keepsake_refresh=r3; Path=/v1/sessions;')
    // Not 401: the web app would take that for its session's end.
    expect(await change('a guess')).toMatchObject({ status: 400, body: { code: 'PASSWORD_WRONG' } })
  })
})

describe('items', () => {
  test('are listed with local times and URLs that a browser can show', async () => {
    const { status, body } = await ask('GET', `${base}/media?kind=photo,video&favourite=true&minRating=3&q=sea`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ nextCursor: null })
    const [first] = body['items'] as Record<string, never>[]
    expect(first).toMatchObject({
      id: mediaId,
      takenAt: '2024-05-17T10:02:03+09:00',
      rating: { value: 61.5 },
      audience: { kind: 'everyone' },
    })
    expect(first?.['urls']?.['thumbnail']).toMatch(/^\/objects\/families\/.*\/renditions\/thumbnail\?.*&v=7$/)
  })

  test('are shown with faces, names and reasons, and still shown while those services are away', async () => {
    album.answers['face'] = {
      ...album.answers['face'],
      getFaces: (r: { embeddings: boolean }, call: Call) => {
        expect(r.embeddings).toBe(false)
        expect(call.caller).toEqual({ kind: 'service', service: 'gateway', familyId })
        const face = { id: 'f1', mediaId, box: { x: 0.1, y: 0.2, w: 0.3, h: 0.4 }, landmarks: [], score: 1, quality: 1 }
        const more = {
          age: 3.14,
          ageSpread: 1,
          smile: 0.5,
          expression: 'happy',
          eyesOpen: 1,
          yaw: 0,
          pitch: 0,
          roll: 0,
        }
        const rest = { embedding: Buffer.alloc(0), ranges: [], cropKey: '', sharpness: 0 }
        return { items: [{ mediaId, version: 1, pipeline: 1, state: 'done', faces: [{ ...face, ...more, ...rest }] }] }
      },
    }
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      getAssignments: () => ({
        assignments: [{ faceId: 'f1', mediaId, personId: 'p1', confidence: 1, confirmed: true }],
        people: [
          {
            id: 'p1',
            name: 'Hana',
            hidden: false,
            faceCount: 1,
            mediaCount: 1,
            coverFaceId: '',
            stage: '',
            childProbability: 0,
            version: 1,
          },
        ],
      }),
    }
    album.answers['rating'] = {
      ...album.answers['rating'],
      getRatings: () => {
        throw new KeepsakeError({ code: 'UNAVAILABLE', reason: 'SERVICE_UNAVAILABLE', message: 'Away.' })
      },
    }
    const { status, body } = await ask('GET', `${base}/media/${mediaId}`)
    expect(status).toBe(200)
    expect(body['faces']).toEqual([
      {
        id: 'f1',
        box: { x: 0.1, y: 0.2, w: 0.3, h: 0.4 },
        personId: 'p1',
        personName: 'Hana',
        confirmed: true,
        age: 3.1,
        smile: 0.5,
        expression: 'happy',
      },
    ])
    expect(body['rating']).toEqual({ value: 61.5 })
  })

  test('are corrected: what is given changes, null takes back, an offset is a time zone', async () => {
    const seen: unknown[] = []
    album.answers['album'] = {
      ...album.answers['album'],
      editMedia: (r: unknown) => {
        seen.push(r)
        return { editId: 'e1' }
      },
    }
    const changed = await ask('PATCH', `${base}/media/${mediaId}`, {
      body: { takenAt: '1999-12-31T23:00:00+09:00', description: null, rotation: 90, audience: { kind: 'parents' } },
    })
    expect(changed.status).toBe(200)
    expect(changed.headers.get('keepsake-edit-id')).toBe('e1')
    // One call: all or nothing.
    expect(seen).toEqual([
      {
        mediaIds: [mediaId],
        audience: { kind: 'parents', ids: [] },
        changes: expect.objectContaining({
          takenAt: '1999-12-31T23:00:00',
          timeZone: '+09:00',
          rotation: 90,
          clear: ['description'],
        }) as object,
      },
    ])
    const shifted = await ask('POST', `${base}/media:edit`, { body: { ids: ['a', 'b'], shift: { seconds: -3600 } } })
    expect(shifted).toMatchObject({ status: 200, body: { editId: 'e1' } })
    expect(seen.at(-1)).toMatchObject({ mediaIds: ['a', 'b'], changes: { shiftSeconds: -3600 } })
    await ask('POST', `${base}/media:edit`, { body: { ids: ['a'], changes: { audience: { kind: 'parents' } } } })
    expect(seen.at(-1)).toEqual({ mediaIds: ['a'], audience: { kind: 'parents', ids: [] } })
    expect((await ask('PATCH', `${base}/media/${mediaId}`, { body: { takenAt: 'yesterday' } })).status).toBe(400)
    expect((await ask('PATCH', `${base}/media/${mediaId}`, { body: { rotation: 45 } })).status).toBe(400)
  })
})

describe('bytes', () => {
  const bytes = Buffer.from('0123456789')
  beforeAll(async () => {
    await album.store.put(renditionKey(familyId, mediaId, 'thumbnail'), bytes, { contentType: 'image/webp' })
    await album.store.put(originalKey(familyId, mediaId), bytes, { contentType: 'image/svg+xml' })
  })

  test('come by a signed URL: whole, in ranges, once, and never as a page', async () => {
    const found = await ask('GET', `${base}/media/${mediaId}/renditions/thumbnail`)
    expect(found.status).toBe(302)
    const url = gateway.publicUrl + (found.headers.get('location') ?? '')
    const whole = await fetch(url)
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'image/webp',
      'accept-ranges': 'bytes',
      'content-length': '10',
      'content-disposition': 'inline',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox') as string,
    })
    const part = async (range: string) => {
      const answer = await fetch(url, { headers: { range } })
      return [answer.status, answer.headers.get('content-range'), await answer.text()]
    }
    expect(await part('bytes=2-4')).toEqual([206, 'bytes 2-4/10', '234'])
    expect(await part('bytes=7-')).toEqual([206, 'bytes 7-9/10', '789'])
    expect(await part('bytes=-3')).toEqual([206, 'bytes 7-9/10', '789'])
    expect(await part('bytes=5-99')).toEqual([206, 'bytes 5-9/10', '56789'])
    expect((await part('bytes=10-'))[0]).toBe(416)
    const etag = whole.headers.get('etag') ?? ''
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304)
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe('10')
    const altered = url.replace('thumbnail', 'preview')
    expect((await fetch(altered)).status).toBe(403)
  })

  test('of an original keep their name and are saved, not shown, when a browser would run them', async () => {
    const found = await ask('GET', `${base}/media/${mediaId}/original`)
    const answer = await fetch(gateway.publicUrl + (found.headers.get('location') ?? ''))
    expect(answer.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''Pict%201.jpg")
  })

  test('that are not there are 404, also those of an item that the member may not see', async () => {
    expect((await ask('GET', `${base}/media/${mediaId}/renditions/playback`)).status).toBe(404)
    expect((await ask('GET', `${base}/media/${mediaId}/renditions/%2e%2e`)).status).toBe(404)
    expect((await ask('GET', `${base}/media/unseen/original`)).status).toBe(404)
  })
})

describe('the album as a whole', () => {
  test('is exported as a zip with every original under its own name and one JSON', async () => {
    album.answers['album'] = {
      ...album.answers['album'],
      listMedia: (r: { cursor: string }) =>
        r.cursor === '' ? { media: [item()], nextCursor: '2' } : { media: [item({ fileName: '../Pict 1.jpg' })] },
    }
    await album.store.put(originalKey(familyId, mediaId), Readable.from([Buffer.from('original bytes')]), {
      contentType: 'image/jpeg',
    })
    const answer = await fetch(`${gateway.publicUrl}${base}/export`, {
      headers: { authorization: 'Bearer parent-token' },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-disposition')).toContain('Sato.zip')
    const zip = Buffer.from(await answer.arrayBuffer()).toString('latin1')
    expect(zip.match(/2024\/2024-05\/Pict 1\.jpg/g)).not.toBeNull()
    expect(zip).toContain('2024/2024-05/__Pict 1.jpg')
    expect(zip.split('original bytes')).toHaveLength(3)
    expect(zip).toContain('album.json')
    expect(zip).not.toContain('/objects/')
  })

  test('is exported whole: both halves of a live photo, every comment, every person, collections', async () => {
    const media = `families/${familyId}/media/${mediaId}`
    const still = `${media}/still-b`
    const clip = `${media}/original`
    album.answers['album'] = {
      ...album.answers['album'],
      getMedia: () => ({ media: item({ kind: 'live', originalKey: still, clipKey: clip }) }),
      listMedia: () => ({
        media: [item({ kind: 'live', fileName: 'IMG_1.HEIC', originalKey: still, clipKey: clip, commentCount: 2 })],
        nextCursor: '',
      }),
      listComments: (r: { cursor: string }) =>
        r.cursor === ''
          ? { comments: [{ id: '1', memberId: 'm', text: 'first words' }], nextCursor: '1' }
          : { comments: [{ id: '2', memberId: 'm', text: 'last words' }], nextCursor: '' },
      listCollections: () => ({ collections: [{ id: 'c', name: 'Summer', mediaCount: 1 }] }),
    }
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      listPeople: (r: { cursor: string }) =>
        r.cursor === ''
          ? { people: [Person.fromPartial({ id: 'p1', name: 'Hana' })], nextCursor: '1' }
          : { people: [Person.fromPartial({ id: 'p2', name: 'Yui' })], nextCursor: '' },
      exportPerson,
    }
    await album.store.put(still, Readable.from([Buffer.from('bytes of the still')]), { contentType: 'image/heic' })
    await album.store.put(clip, Readable.from([Buffer.from('bytes of the clip')]), { contentType: 'video/quicktime' })
    const answer = await fetch(`${gateway.publicUrl}${base}/export`, {
      headers: { authorization: 'Bearer parent-token' },
    })
    const zip = Buffer.from(await answer.arrayBuffer()).toString('latin1')
    for (const part of ['IMG_1.HEIC', 'IMG_1.mov', 'bytes of the still', 'bytes of the clip'])
      expect(zip).toContain(part)
    for (const part of ['first words', 'last words', 'Hana', 'Yui', 'Summer', 'what was said of p2'])
      expect(zip).toContain(part)
    const { headers } = await ask('GET', `${base}/media/${mediaId}/original`)
    const original = await fetch(new URL(headers.get('location') ?? '', gateway.publicUrl))
    expect(await original.text()).toBe('bytes of the still')
  })

  test('says what is known about one person, from every page, and no vector', async () => {
    album.answers['cluster'] = { ...album.answers['cluster'], exportPerson }
    const { status, body } = await ask('GET', `${base}/people/p1/export`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      vectors: 3,
      openQuestions: 1,
      items: [
        { mediaId: 'm1', takenAt: '2024-05-01T10:00:00.000Z', faces: [{ id: 'f1', confirmed: true }, { id: 'f2' }] },
        { mediaId: 'm2', faces: [{ id: 'f3', knownSince: '2024-06-01T00:00:00.000Z' }] },
      ],
      corrections: [{ id: 'c1', value: 'what was said of p1', overruledBy: { by: 'father', about: 'name' } }],
    })
  })

  test('calls a person without a name by the child that the person is', async () => {
    const people = [
      Person.fromPartial({ id: 'p1', childId: 'c1' }),
      Person.fromPartial({ id: 'p2', name: 'Bobbele', childId: 'c1' }),
      Person.fromPartial({ id: 'p3' }),
    ]
    album.answers['family'] = {
      ...album.answers['family'],
      listChildren: () => ({ children: [{ id: 'c1', name: 'Hana', birthDate: '2016-02-01' }] }),
    }
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      listPeople: () => ({ people }),
      getPerson: () => ({ person: people[0] }),
      getAssignments: () =>
        GetAssignmentsResponse.fromPartial({
          assignments: [{ faceId: 'f1', personId: 'p1' }],
          people: people.slice(0, 1),
        }),
    }
    album.answers['face'] = {
      ...album.answers['face'],
      getFaces: () => GetFacesResponse.fromPartial({ items: [{ mediaId, faces: [{ id: 'f1', age: 3 }] }] }),
    }
    const list = await ask('GET', `${base}/people`)
    expect((list.body['items'] as { name?: string }[]).map(person => person.name)).toEqual([
      'Hana',
      'Bobbele',
      undefined,
    ])
    expect((await ask('GET', `${base}/people/p1`)).body).toMatchObject({ name: 'Hana', childId: 'c1' })
    expect((await ask('GET', `${base}/media/${mediaId}`)).body['faces']).toMatchObject([{ personName: 'Hana' }])
  })

  test('asks about a face beside a face of each who it may be', async () => {
    const candidates = ['hana', 'yui'].map(name => ({ personId: name, confidence: 0.5, faceId: `face-of-${name}` }))
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      listQuestions: () => ({ questions: [{ id: 'q', faceId: 'q', mediaId, candidates }], nextCursor: '' }),
    }
    album.answers['face'] = {
      ...album.answers['face'],
      // Yui's has been erased since.
      getFaces: (r: { faceIds: string[] }) =>
        GetFacesResponse.fromPartial({
          items: r.faceIds
            .filter(id => id !== 'face-of-yui')
            .map(id => ({ mediaId, faces: [{ id, cropKey: `families/f/faces/${id}.webp` }] })),
        }),
    }
    const [question] = (await ask('GET', `${base}/questions`)).body['items'] as Record<string, never>[]
    const urlOf = (faceId: string) => expect.stringContaining(`${faceId}.webp`) as string
    expect(question).toEqual({
      id: 'q',
      faceId: 'q',
      faceUrl: urlOf('q'),
      mediaId,
      candidates: [
        { personId: 'hana', confidence: 0.5, faceUrl: urlOf('face-of-hana') },
        { personId: 'yui', confidence: 0.5 },
      ],
    })
  })

  test('tells parents, and nobody else, what pictures say against a birth date', async () => {
    album.answers['family'] = {
      ...album.answers['family'],
      listChildren: () => ({ children: [{ id: 'c1', name: 'Hana', birthDate: '2026-02-01' }] }),
    }
    const earliest = new Date('2018-05-01T10:00:00Z')
    const doubt = { childId: 'c1', personId: 'p1', kind: 'before_birth', mediaCount: 4, earliest, followed: false }
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      listPeople: () => ({ people: [] }),
      listBirthDoubts: () => ({ doubts: [doubt] }),
    }
    const childrenFor = async (token?: string) =>
      (await ask('GET', `${base}/children`, token === undefined ? {} : { token })).body['items']
    expect(await childrenFor()).toEqual([
      {
        id: 'c1',
        name: 'Hana',
        birthDate: '2026-02-01',
        birthDateDoubt: {
          kind: 'before-birth',
          mediaCount: 4,
          earliest: '2018-05-01T10:00:00.000Z',
          followed: false,
        },
      },
    ])
    expect(await childrenFor('relative-token')).toEqual([{ id: 'c1', name: 'Hana', birthDate: '2026-02-01' }])
  })

  test('says how far it is: the stages add up, and a relative is told of what he may see', async () => {
    const parent = await ask('GET', `${base}/processing`)
    expect(parent.body).toEqual({
      items: { total: 3, ready: 2, pending: 1, failed: 0 },
      stages: {
        ingest: { done: 2, pending: 1, failed: 0 },
        faces: { done: 1, pending: 1, failed: 0 },
        people: { done: 1, pending: 0, failed: 0 },
        ratings: { done: 2, pending: 0, failed: 0 },
      },
    })
    album.answers['album'] = {
      ...album.answers['album'],
      listMonths: () => ({ months: [{ month: '2024-05', count: 1 }] }),
    }
    const relative = await ask('GET', `${base}/processing`, { token: 'relative-token' })
    expect(relative.body).toEqual({
      items: { total: 1, ready: 1, pending: 0, failed: 0 },
      stages: { ingest: { done: 1, pending: 1, failed: 0 } },
    })
  })

  test('tells listeners that something moved, and closes when they are signed out', async () => {
    const stop = new AbortController()
    const answer = await fetch(`${gateway.publicUrl}${base}/events`, {
      headers: { authorization: 'Bearer parent-token' },
      signal: stop.signal,
    })
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    let version = 3
    album.answers['cluster'] = {
      ...album.answers['cluster'],
      getProgress: () => ({ done: 1, pending: 0, version: version++, people: 1 }),
    }
    let text = ''
    while (!text.includes('event: people')) text += (await reader?.read())?.value ?? ''
    expect(text).toContain('retry: 3000')
    stop.abort()
  })
})

describe('the document', () => {
  const generated = openApiDocument(apiEndpoints(undefined as unknown as LiveEvents))
  const read = async () =>
    JSON.parse(await readFile(new URL('../openapi.json', import.meta.url), 'utf8')) as Record<string, unknown>

  test('breaks no client of the committed one, and is the committed one', async () => {
    const committed = await read()
    expect(breakingChanges(committed, generated)).toEqual([])
    // A new operation or field: run `node services/gateway/dist/write-openapi.js` and commit openapi.json.
    expect(generated).toEqual(committed)
  })

  test('is served, and every reference in it leads somewhere', async () => {
    const { body } = await ask('GET', '/openapi.json', { token: null })
    expect(body).toEqual(JSON.parse(JSON.stringify(generated)))
    for (const [, ref = ''] of JSON.stringify(body).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = ref
        .split('/')
        .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], body)
      expect([ref, typeof target]).toEqual([ref, 'object'])
      expect((target as { $ref?: string }).$ref).not.toBe(`#/${ref}`)
    }
  })

  test('of another shape is found to break its clients', async () => {
    const before = await read()
    const change = (from: string, to: string) =>
      breakingChanges(before, JSON.parse(JSON.stringify(before).replace(from, to)) as Record<string, unknown>)
    expect(change('"/v1/families/{familyId}/media":', '"/v1/families/{familyId}/items":').join()).toContain('is gone')
    expect(change('"blurHash":', '"blur":').join()).toContain('blurHash is gone')
    expect(change('"fileName":{"type":"string"}', '"fileName":{"type":"integer"}').join()).toContain('its type was')
    expect(
      change('"required":["email","password","name"]', '"required":["email","password","name","age"]').join(),
    ).toContain('age is required now')
  })
})

test('a gateway that stops ends its streams and finishes the answers under way', async () => {
  // What would be cut off late is not cut off at all here: it ends by itself or the test does not.
  const leaving = await album.gateway({ KEEPSAKE_DRAIN_MS: '600000' })
  const headers = { authorization: 'Bearer parent-token' }
  const stream = await fetch(`${leaving.publicUrl}${base}/events`, { headers })
  let asked = false
  let release: () => void = () => {}
  album.answers['album'] = {
    ...album.answers['album'],
    listPages: () => {
      asked = true
      return new Promise(resolve => (release = () => resolve({ pages: [] })))
    },
  }
  const pending = fetch(`${leaving.publicUrl}${base}/pages`, { headers })
  await until(() => asked)
  const closed = leaving.close()
  expect(await stream.text()).toContain('retry')
  release()
  expect((await pending).status).toBe(200)
  await closed
  await expect(fetch(`${leaving.publicUrl}/readyz`)).rejects.toThrow()
})

test('the public readiness tells nothing but that it is there', async () => {
  expect(await ask('GET', '/readyz', { token: null })).toMatchObject({ status: 200, body: { status: 'ok' } })
  const page = await fetch(`${gateway.publicUrl}/readyz`)
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
})
