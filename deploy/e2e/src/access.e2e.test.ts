import path from 'node:path'
import { ApiError, type Api } from 'keepsake'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Album, createAccount, owner } from './album.js'
import { allMedia, settled, upload } from './album-client.js'
import type { Family, Media } from './api-types.js'
import { pictureFolder } from './pictures.js'

describe('who may see what', () => {
  let album: Album
  let parent: Api
  let relative: Api
  let stranger: Api
  let family: string
  let open: string
  let secret: string

  beforeAll(async () => {
    album = await Album.start({ args: ['--family', 'Access'] })
    parent = await album.signIn()
    family = (await parent.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    const files = await pictureFolder(path.join(album.home, 'pictures'), 2)
    open = await upload(parent, family, files[0] ?? '')
    secret = await upload(parent, family, files[1] ?? '', { audience: JSON.stringify({ kind: 'parents' }) })
    await settled(parent, family)
    relative = await createAccount(album.requireUrl(), 'aunt@example.org', 'Aunt')
    const invitation = await parent.post<{ code: string }>(`/v1/families/${family}/invitations`, { role: 'relative' })
    await relative.post(`/v1/invitations/${invitation.code}/accept`, {})
    stranger = await createAccount(album.requireUrl(), 'stranger@example.org', 'Stranger')
    await stranger.post('/v1/families', {
      name: 'Elsewhere',
      timeZone: 'UTC',
      locale: 'en',
      faceRecognition: { consent: false, textVersion: '1' },
    })
  })
  afterAll(() => album?.remove())

  const status = async (work: Promise<unknown>) =>
    work.then(
      () => 200,
      (error: unknown) => (error instanceof ApiError ? error.status : Promise.reject(error as Error)),
    )

  test('a member of another family gets 404 for everything', async () => {
    const base = `/v1/families/${family}`
    const item = `${base}/media/${open}`
    const reads = [
      '',
      '/media',
      `/media/${open}`,
      '/people',
      '/pages',
      '/movies',
      '/members',
      '/children',
      '/processing',
      '/changes',
      '/blocks',
      '/questions',
      '/export',
      '/events',
      '/plan',
      '/groups',
    ]
    for (const read of reads) expect([read, await status(stranger.get(`${base}${read}`))]).toEqual([read, 404])
    for (const rendition of ['thumbnail', 'preview', 'poster', 'playback'])
      expect(await status(stranger.get(`${item}/renditions/${rendition}`))).toBe(404)
    expect(await status(stranger.get(`${item}/original`))).toBe(404)
    expect(await status(stranger.put(`${item}/favourite`, {}))).toBe(404)
    expect(await status(stranger.post(`${item}/comments`, { text: 'hello' }))).toBe(404)
    expect(await status(stranger.patch(item, { description: 'mine' }))).toBe(404)
    expect(
      await status(
        stranger.post(`${base}/movies`, {
          kind: 'one-second',
          period: { from: '2024-01-01T00:00:00Z', to: '2024-12-31T00:00:00Z' },
          length: 'short',
          aspect: '16:9',
        }),
      ),
    ).toBe(404)
    expect(
      await status(
        stranger.post(`${base}/selections`, {
          purpose: 'prints',
          count: 5,
          period: { from: '2024-01-01T00:00:00Z', to: '2024-12-31T00:00:00Z' },
          lock: [],
          ban: [],
        }),
      ),
    ).toBe(404)
  })

  test('an item of one family is not found through another family of the caller', async () => {
    const own = (await stranger.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    expect(await status(stranger.get(`/v1/families/${own}/media/${open}`))).toBe(404)
  })

  test('a relative never sees an item outside its audience: in lists, counts, pages, changes, search', async () => {
    expect((await allMedia(relative, family)).map(item => item.id)).toEqual([open])
    expect((await allMedia(parent, family)).map(item => item.id).sort()).toEqual([open, secret].sort())
    expect(await status(relative.get(`/v1/families/${family}/media/${secret}`))).toBe(404)
    expect(await status(relative.get(`/v1/families/${family}/media/${secret}/original`))).toBe(404)
    expect(await status(relative.get(`/v1/families/${family}/media/${secret}/renditions/thumbnail`))).toBe(404)
    expect(await status(relative.post(`/v1/families/${family}/media/${secret}/comments`, { text: 'x' }))).toBe(404)
    expect(await allMedia(relative, family, '&q=picture-0001')).toEqual([])
    const pages = await relative.get<{ items: { id: string; mediaCount: number }[] }>(`/v1/families/${family}/pages`)
    expect(pages.items.find(page => page.id === 'whole-family')?.mediaCount).toBe(1)
    const changes: string[] = []
    for await (const change of relative.list<{ id: string }>(`/v1/families/${family}/changes`)) changes.push(change.id)
    expect(changes).not.toContain(secret)
  })

  test('opening the audience shows the item, closing it hides it again', async () => {
    await parent.patch(`/v1/families/${family}/media/${secret}`, { audience: { kind: 'everyone' } })
    expect((await allMedia(relative, family)).length).toBe(2)
    await parent.patch(`/v1/families/${family}/media/${secret}`, { audience: { kind: 'parents' } })
    expect((await allMedia(relative, family)).length).toBe(1)
  })

  test('a relative administers nothing', async () => {
    expect(await status(relative.patch(`/v1/families/${family}`, { name: 'Mine now' }))).toBeGreaterThanOrEqual(400)
    expect(
      await status(relative.post(`/v1/families/${family}/invitations`, { role: 'parent' })),
    ).toBeGreaterThanOrEqual(400)
    expect(
      await status(relative.patch(`/v1/families/${family}/media/${open}`, { audience: { kind: 'parents' } })),
    ).toBeGreaterThanOrEqual(400)
    expect((await parent.get<Family>(`/v1/families/${family}`)).name).toBe('Access')
    expect((await parent.get<Media>(`/v1/families/${family}/media/${open}`)).audience.kind).toBe('everyone')
  })

  test('without a token there is only 401', async () => {
    const answer = await fetch(new URL(`/v1/families/${family}/media`, album.requireUrl()), {
      signal: AbortSignal.timeout(10_000),
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
  })

  test('a sign-in with a wrong password is refused with the same words as an unknown address', async () => {
    const answers = await Promise.all(
      [owner.email, 'nobody@example.org'].map(async email => {
        const response = await fetch(new URL('/v1/sessions', album.requireUrl()), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ email, password: 'wrong password!' }),
          signal: AbortSignal.timeout(10_000),
        })
        const { code, detail } = (await response.json()) as { code: string; detail: string }
        return { status: response.status, code, detail }
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]).toMatchObject({ status: 401, code: 'WRONG_CREDENTIALS' })
  })

  test('signing out stops a token at once', async () => {
    const answer = await post(album, '/v1/sessions', owner)
    const { accessToken } = (await answer.json()) as { accessToken: string }
    const ask = () =>
      fetch(new URL('/v1/families', album.requireUrl()), {
        headers: { authorization: `Bearer ${accessToken}` },
        signal: AbortSignal.timeout(10_000),
      })
    expect((await ask()).status).toBe(200)
    await fetch(new URL('/v1/sessions/current', album.requireUrl()), {
      method: 'DELETE',
      headers: { authorization: `Bearer ${accessToken}` },
      signal: AbortSignal.timeout(10_000),
    })
    expect((await ask()).status).toBe(401)
  })

  test('a refresh token that is used twice revokes the whole chain', async () => {
    const first = (await (await post(album, '/v1/sessions', owner)).json()) as { refreshToken: string }
    const second = (await (await post(album, '/v1/sessions/refresh', { refreshToken: first.refreshToken })).json()) as {
      refreshToken: string
      accessToken: string
    }
    expect((await post(album, '/v1/sessions/refresh', { refreshToken: first.refreshToken })).status).toBe(401)
    expect((await post(album, '/v1/sessions/refresh', { refreshToken: second.refreshToken })).status).toBe(401)
    const after = await fetch(new URL('/v1/families', album.requireUrl()), {
      headers: { authorization: `Bearer ${second.accessToken}` },
      signal: AbortSignal.timeout(10_000),
    })
    expect(after.status).toBe(401)
  })
})

const post = (album: Album, where: string, body: unknown) =>
  fetch(new URL(where, album.requireUrl()), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  })
