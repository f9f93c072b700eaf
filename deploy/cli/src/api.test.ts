import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api, type Tokens } from './api.js'

let server: Server
let base: string
let seen: { method: string; url: string; authorization: string | undefined; key: string | undefined }[]
let answer: (request: IncomingMessage, response: ServerResponse) => void
beforeEach(async () => {
  seen = []
  server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    seen.push({
      method,
      url,
      authorization: headers.authorization,
      key: headers['idempotency-key'] as string | undefined,
    })
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterEach(() => new Promise(resolve => server.close(resolve)))

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const tokens = (accessToken: string, expiresInS = 600): Tokens => ({
  accessToken,
  refreshToken: `refresh-${accessToken}`,
  expiresAt: new Date(Date.now() + expiresInS * 1000).toISOString(),
})

test('a list is read to its last page', async () => {
  answer = ({ url }, response) =>
    json(response, 200, url?.includes('cursor=two') ? { items: [3] } : { items: [1, 2], nextCursor: 'two' })
  const items: number[] = []
  for await (const item of new Api(base).list<number>('/v1/families?limit=2')) items.push(item)
  expect(items).toEqual([1, 2, 3])
})

test('while the server is away a request is sent again, with the same idempotency key', async () => {
  answer = (_, response) =>
    seen.length < 3 ? json(response, 503, { code: 'UNAVAILABLE' }) : json(response, 201, { id: 1 })
  expect(await new Api(base).post('/v1/x', {})).toEqual({ id: 1 })
  expect(new Set(seen.map(each => each.key)).size).toBe(1)
  expect(seen[0]?.key).toBeDefined()
})

test('a problem comes with its code and its sentence, and is not sent again', async () => {
  answer = (_, response) => json(response, 404, { code: 'MEDIA_NOT_FOUND', detail: 'There is no such item.' })
  await expect(new Api(base).get('/v1/x')).rejects.toMatchObject({
    status: 404,
    code: 'MEDIA_NOT_FOUND',
    message: 'There is no such item.',
  })
  expect(seen).toHaveLength(1)
})

test('an access token that expires is renewed once for many requests, and the new tokens are kept', async () => {
  const kept: Tokens[] = []
  answer = ({ url, headers }, response) => {
    if (url === '/v1/sessions/refresh') return json(response, 201, tokens('new'))
    return json(response, headers.authorization === 'Bearer new' ? 200 : 401, { code: 'UNAUTHENTICATED' })
  }
  const api = new Api(base, { tokens: tokens('old', 5), keep: each => void kept.push(each) })
  await Promise.all([api.get('/v1/a'), api.get('/v1/b'), api.get('/v1/c')])
  expect(seen.filter(each => each.url === '/v1/sessions/refresh')).toHaveLength(1)
  expect(kept.map(each => each.accessToken)).toEqual(['new'])
})

test('tokens that another process has renewed meanwhile are taken from it', async () => {
  answer = ({ headers }, response) => json(response, headers.authorization === 'Bearer theirs' ? 200 : 401, {})
  const api = new Api(base, {
    tokens: tokens('old', 5),
    keep: () => undefined,
    reread: () => Promise.resolve(tokens('theirs')),
  })
  await api.get('/v1/a')
  expect(seen.map(each => each.url)).toEqual(['/v1/a'])
})

test('a download is whole or not there, and a foreign address never sees the token', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'keepsake-download-'))
  const api = new Api('http://127.0.0.1:1', { apiKey: 'secret' })
  answer = (_, response) => response.end('film')
  await api.download(`${base}/signed?x=1`, path.join(dir, 'a.mp4'))
  expect(await readFile(path.join(dir, 'a.mp4'), 'utf8')).toBe('film')
  expect(seen[0]?.authorization).toBeUndefined()

  answer = (_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('fi')
    response.destroy()
  }
  await expect(api.download(`${base}/broken`, path.join(dir, 'b.mp4'), { attempts: 1 })).rejects.toThrow()
  expect(await readdir(dir)).toEqual(['a.mp4'])
  await rm(dir, { recursive: true })
})
