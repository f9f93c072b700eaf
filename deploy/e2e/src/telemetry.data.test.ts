import { readFile, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import type { Api, Tokens } from 'keepsake'
import { Db } from '@keepsake/db'
import { MediaIngested, publish } from '@keepsake/events'
import { currentTrace, span, startTelemetry } from '@keepsake/telemetry'
import { sharedData, skipUnless, until } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Album, createAccount, owner, repository } from './album.js'
import { allMedia, settled, upload } from './album-client.js'
import type { Family, Movie, Person } from './api-types.js'
import { picture, pictureFolder } from './pictures.js'

/** Everything that people of this run say, in words that no program uses. */
const said = {
  family: 'Zwetschkenbaum',
  owner: 'owner@example.org',
  password: owner.password,
  wrongPassword: 'Rumpelstilzchen!7',
  unknown: 'tantemizzi@example.net',
  relative: 'Euphrosyne Quisp',
  relativeMail: 'euphrosyne.quisp@example.com',
  child: 'Balthasar Quisp',
  group: 'Kegelrunde Grinzing',
  collection: 'Urlaub Hinterstoder',
  caption: 'Erste Schritte am Gosausee',
  comment: 'So ein herziges Bauxerl, bussi!',
  person: 'Theodolinda',
  title: 'Unser Jahr mit Schnackerl',
  search: 'Schnackerlsuche',
  keyName: 'Mein Handytelefon',
  file: 'zugspitze-mit-oma.jpg',
  corrupt: 'verwackelter-mohr.jpg',
  quarrel: 'Wickelkommode',
}
/** What the server made up and only its owner may know. */
const secrets: string[] = []

const faces = sharedData('deepface')
// The stack keeps its databases elsewhere, and Kafka's dead letters have a suite of their own in libs/events.
const isOneMachine = process.env['KEEPSAKE_TARGET'] !== 'stack'
const { test: onOneMachine } = skipUnless(isOneMachine, 'the poison is put into the database of one machine')
const { test: withFaces } = skipUnless(faces, '../shared/data/deepface is missing')

interface Line {
  level: string
  service: string
  msg?: string
  reason?: string
  trace_id?: string
  family_id?: string
}

describe('what a run tells of itself', () => {
  let album: Album
  let api: Api
  let family: string
  let base: string
  let texts: Map<string, string>
  let shown: Map<string, string>
  let poisoned: string | undefined

  beforeAll(async () => {
    album = await Album.start({ args: ['--family', said.family], env: { KEEPSAKE_LOG_LEVEL: 'trace' } })
    api = await album.signIn()
    family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    base = `/v1/families/${family}`
    await liveFamilyLife()
    if (isOneMachine) await poison()
    shown = await scrape()
    await album.stop()
    texts = new Map()
    for (const file of await readdir(album.home, { recursive: true }))
      if (/\.log(\.\d)?$/.test(file)) texts.set(file, await readFile(path.join(album.home, file), 'utf8'))
  })
  afterAll(() => album?.remove())

  test('no log holds a name, an address, a caption, a comment, a file name or a secret', () => {
    expect(texts.size).toBeGreaterThanOrEqual(2)
    const forms = [...Object.values(said), ...secrets].flatMap(text => [
      text,
      JSON.stringify(text).slice(1, -1),
      encodeURIComponent(text),
      new URLSearchParams({ q: text }).toString().slice(2),
      Buffer.from(text).toString('base64').replace(/=+$/, ''),
    ])
    const found = [...texts].flatMap(([file, text]) =>
      text.split('\n').flatMap(line => {
        const lower = line.toLowerCase()
        const form = forms.find(each => lower.includes(each.toLowerCase()))
        return form === undefined ? [] : [`${file}: "${form}" in ${line.slice(0, 600)}`]
      }),
    )
    expect(found.slice(0, 20)).toEqual([])
    // Anything that looks like a signed token, a hash of a password or a link's signature, whosever it is.
    for (const text of texts.values()) expect(text).not.toMatch(/eyJ[\w-]{8,}\.[\w-]+|scrypt\$|[?&]signature=/i)
  })

  test('every line of a service is JSON with its time, level and service; work for a family names it and its trace', () => {
    const lines = serviceLines()
    for (const line of lines) {
      expect(Date.parse(line.time), JSON.stringify(line)).not.toBeNaN()
      expect(line.level).toMatch(/^(trace|debug|info|warn|error|fatal)$/)
      expect(line.service).toMatch(/^[\w.]+$/)
    }
    expect(new Set(lines.map(line => line.service)).size).toBeGreaterThanOrEqual(8)
    // A refusal is logged by the service and by the gateway, in one trace and for the family of the person who asked.
    const refused = lines.filter(line => line.reason === 'MEDIA_NOT_FOUND')
    expect(refused.map(line => line.service).sort()).toEqual(['album', 'gateway'])
    expect(refused.map(line => line.family_id)).toEqual([family, family])
    expect(new Set(refused.map(line => line.trace_id)).size).toBe(1)
  })

  test('every declared metric is emitted, and no label holds an id or a word of the family', async () => {
    const table = await readFile(path.join(repository, 'libs/telemetry/METRICS.md'), 'utf8')
    const declared = [...table.matchAll(/^\| `(\w+)` +\| (\w+) .*\|$/gm)]
    expect(declared.length).toBeGreaterThan(25)
    const all = [...shown.values()].join('\n')
    const silent = declared
      .filter(([row]) => !/ Only /.test(row))
      .map(([, name = '', kind]) => (kind === 'histogram' ? `${name}_count` : name))
      .filter(name => !new RegExp(`^${name}(\\{.*\\})? [0-9.e+-]+$`, 'm').test(all))
    expect(silent.filter(name => faces || !/^(cluster|face)_/.test(name))).toEqual([])
    for (const [service, text] of shown) expect(text, service).toContain('process_event_loop_delay_seconds_count')
    const labels = [...all.matchAll(/="((?:[^"\\]|\\.)*)"/g)].map(match => match[1] ?? '')
    expect(labels.filter(label => /[0-9a-f]{8}-[0-9a-f]{4}|@/.test(label))).toEqual([])
    for (const word of [...Object.values(said), ...secrets]) expect(all).not.toContain(word)
  })

  test('what happened is counted', () => {
    const all = [...shown.values()].join('\n')
    const value = (series: string) =>
      Number(
        all
          .split('\n')
          .find(line => line.startsWith(`${series} `))
          ?.split(' ')
          .at(-1),
      )
    expect(value('family_sign_ins_total{outcome="refused"}')).toBe(2)
    expect(value('ingest_work_seconds_count{kind="photo",outcome="failed"}')).toBe(1)
    expect(value('render_film_seconds_count{outcome="ready"}')).toBe(1)
    expect(value('gateway_upload_bytes_total')).toBeGreaterThan(100_000)
    expect(
      value(
        'rpc_server_seconds_count{service="album",method="/keepsake.album.v1.AlbumService/CreateComment",code="OK"}',
      ),
    ).toBe(2)
  })

  onOneMachine('an event that nobody can read is a dead letter, in the trace and family of who published it', () => {
    expect([...shown.values()].join('\n')).toMatch(/^events_dead_letters\{group="album"\} 1$/m)
    const dead = serviceLines().filter(line => line.msg === 'an event was given up')
    expect(dead.length).toBeGreaterThanOrEqual(1)
    for (const line of dead) {
      expect(line.family_id).toBe(family)
      expect(line.trace_id).toBe(poisoned)
    }
  })

  withFaces('a person was named in this run', async () => {
    expect(named).toBe(true)
  })
  let named = false

  /** Every line of the services' own logs. */
  function serviceLines(): (Line & { time: string })[] {
    return [...texts]
      .filter(([file]) => file.startsWith('logs'))
      .flatMap(([, text]) => text.trim().split('\n'))
      .map(line => JSON.parse(line) as Line & { time: string })
  }

  /** The main actions of a family, and what goes wrong in them. */
  async function liveFamilyLife(): Promise<void> {
    await api.patch(base, { faceRecognition: { consent: true, textVersion: 'telemetry' } })
    const folder = path.join(album.home, 'pictures')
    const ids: string[] = []
    for (const file of await pictureFolder(folder, 12))
      ids.push(await upload(api, family, file, { filename: said.file.replace('.', `-${ids.length}.`) }))
    const [first = '', second = ''] = ids
    // Three pictures of one woman.
    for (const file of faces === undefined ? [] : ['img2.jpg', 'img5.jpg', 'img6.jpg'])
      await upload(api, family, path.join(faces ?? '', file), { filename: `${said.person}-${file}` })
    const corrupt = path.join(folder, said.corrupt)
    await writeFile(
      corrupt,
      Buffer.concat([(await picture(99, '2024:01:01 10:00:00')).subarray(0, 400), randomBytes(4000)]),
    )
    const broken = await upload(api, family, corrupt)
    await settled(api, family)
    expect((await allMedia(api, family)).find(item => item.id === broken)?.state).toBe('failed')

    await api.patch(`${base}/media/${first}`, { description: said.caption })
    await api.post(`${base}/media/${first}/comments`, { text: said.comment })
    await api.put(`${base}/media/${first}/favourite`, {})
    await api.get(`${base}/media?q=${encodeURIComponent(said.search)}`)
    await api.post(`${base}/collections`, { name: said.collection, mediaIds: [first] })
    await api.post(`${base}/groups`, { name: said.group })
    await api.post(`${base}/children`, { name: said.child, birthDate: '2021-05-04' })
    if (faces !== undefined) {
      const person = await until(async () => (await api.get<{ items: Person[] }>(`${base}/people`)).items[0], {
        deadlineMs: 30_000,
        everyMs: 100,
        what: 'a person',
      })
      await api.patch(`${base}/people/${person.id}`, { name: said.person })
      named = true
    }
    const movie = await api.post<Movie>(`${base}/movies`, {
      kind: 'one-second',
      period: { from: '2024-03-01T00:00:00Z', to: '2024-03-31T00:00:00Z' },
      length: 'short',
      aspect: '1:1',
      title: said.title,
    })

    // Another person comes by an invitation, says something and looks around.
    const invitation = await api.post<{ code: string }>(`${base}/invitations`, { role: 'relative' })
    secrets.push(invitation.code)
    const relative = await createAccount(album.requireUrl(), said.relativeMail, said.relative)
    await relative.post(`/v1/invitations/${invitation.code}/accept`, {})
    await relative.post(`${base}/media/${second}/comments`, { text: said.comment })
    const key = await api.post<{ id: string; key: string }>('/v1/api-keys', { name: said.keyName, scopes: ['read'] })
    const tokens = (await (
      await ask('POST', '/v1/sessions', { body: { email: owner.email, password: owner.password } })
    ).json()) as Tokens
    secrets.push(key.key, tokens.accessToken, tokens.refreshToken)
    expect((await ask('GET', `${base}/media`, { token: key.key })).status).toBe(200)

    // What goes wrong.
    const refused = async (status: number, ...asked: Parameters<typeof ask>) => {
      const answer = await ask(...asked)
      expect([asked[1], answer.status, await answer.text()]).toEqual([asked[1], status, expect.anything()])
    }
    await refused(401, 'POST', '/v1/sessions', { body: { email: owner.email, password: said.wrongPassword } })
    await refused(401, 'POST', '/v1/sessions', { body: { email: said.unknown, password: said.wrongPassword } })
    await refused(401, 'POST', '/v1/sessions/refresh', {
      body: { refreshToken: `${tokens.refreshToken}${said.quarrel}` },
    })
    await refused(401, 'GET', `${base}/media`, { token: `${key.key}${said.quarrel}` })
    await refused(409, 'POST', '/v1/accounts', {
      body: { email: said.relativeMail, password: owner.password, name: said.relative },
    })
    await refused(400, 'POST', '/v1/accounts', {
      body: { email: `${said.quarrel} ${said.unknown}`, password: 'x', name: said.relative },
    })
    await refused(404, 'POST', `/v1/invitations/${said.quarrel}/accept`, { body: {}, token: tokens.accessToken })
    await refused(403, 'POST', `${base}/media/${first}/comments`, { body: { text: said.comment }, token: key.key })
    await refused(404, 'POST', `${base}/media/${said.quarrel}/comments`, {
      body: { text: said.comment },
      token: tokens.accessToken,
    })
    await refused(400, 'PATCH', `${base}/media/${first}`, {
      body: { takenAt: said.quarrel },
      token: tokens.accessToken,
    })
    await refused(404, 'PATCH', `${base}/people/${said.quarrel}`, {
      body: { name: said.person },
      token: tokens.accessToken,
    })
    await refused(400, 'POST', `${base}/children`, {
      body: { name: said.child, birthDate: said.quarrel },
      token: tokens.accessToken,
    })
    await refused(404, 'GET', `/v1/${said.quarrel}?name=${said.person}`, { token: tokens.accessToken })

    await until(async () => (await api.get<Movie>(`${base}/movies/${movie.id}`)).status === 'ready', {
      deadlineMs: 120_000,
      everyMs: 100,
      what: 'the movie',
    })
    const { url } = await api
      .post<{ url: string }>(`${base}/movies/${movie.id}/share`, { expiresInSeconds: 60 })
      .catch(() => ({ url: '' }))
    const signature = /[?&](?:signature|sig|s)=([^&]+)/.exec(url)?.[1]
    if (signature !== undefined) secrets.push(signature)
    expect((await ask('DELETE', `${base}/media/${second}?now=true`, { token: tokens.accessToken })).ok).toBe(true)
    expect((await ask('DELETE', `/v1/api-keys/${key.id}`, { token: tokens.accessToken })).ok).toBe(true)
    await settled(api, family)
  }

  /** An event that nobody can read, as a fault in a service would publish it: it ends as a dead letter of each group that listens. */
  async function poison(): Promise<void> {
    const { database } = JSON.parse(await readFile(path.join(album.home, 'secrets.json'), 'utf8')) as {
      database: Record<string, string>
    }
    const { postgres } = JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as {
      postgres: { port: number }
    }
    const db = new Db(`postgres://keepsake_ingest:${database['ingest']}@127.0.0.1:${postgres.port}/keepsake`)
    secrets.push(...Object.values(database))
    const codec = {
      ...MediaIngested.codec,
      encode: () => ({ finish: () => Buffer.from(`\u00ff${said.caption}`, 'latin1') }),
    }
    const telemetry = startTelemetry('telemetry-test', {})
    const garbled = { ...MediaIngested, codec } as unknown as typeof MediaIngested
    try {
      await span('poison', async () => {
        poisoned = currentTrace()?.traceId
        const message = { mediaId: crypto.randomUUID(), version: 1, kind: 'photo' }
        await db.family(family, tx => publish(tx, garbled, message))
      })
    } finally {
      await db.close()
      await telemetry.shutdown()
    }
    await until(
      async () => /^events_dead_letters\{group="album"\} 1$/m.test([...(await scrape()).values()].join('\n')),
      { deadlineMs: 20_000, everyMs: 200, what: 'the dead letter' },
    )
  }

  /** The metrics of every service, from its internal port. */
  async function scrape(): Promise<Map<string, string>> {
    const run = JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as {
      services: Record<string, { internalUrl: string }>
    }
    const texts = Object.entries(run.services).map(async ([name, { internalUrl }]) => {
      const answer = await fetch(`${internalUrl}/metrics`, { signal: AbortSignal.timeout(10_000) })
      return [name, await answer.text()] as const
    })
    return new Map(await Promise.all(texts))
  }

  function ask(
    method: string,
    where: string,
    { body, token }: { body?: unknown; token?: string } = {},
  ): Promise<Response> {
    return fetch(new URL(where, album.requireUrl()), {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
  }
})
