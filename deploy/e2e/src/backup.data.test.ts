import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { stackPlatform } from '@keepsake/local/platform'
import { sharedData, skipUnless, until } from '@keepsake/testing'
import type { Api } from 'keepsake'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album, onStack, repository, stackName } from './album.js'
import { allMedia, settled, upload } from './album-client.js'
import type { Media, Movie } from './api-types.js'
import {
  complete,
  erase,
  liveIn,
  names,
  photosOf,
  placesOf,
  words,
  type Erasure,
  type LivedIn,
} from './lived-in-album.js'
import { pictureFolder } from './pictures.js'
import { found, foundInFiles, inside, pathsWith, text, type Needle } from './scan.js'

const photos = sharedData('deepface')
const { describe, test } = skipUnless(photos, '../shared/data/deepface is missing')

/** The album as a person sees it, without what is of the moment. */
interface State {
  media: unknown[]
  comments: Record<string, unknown>
  originals: Record<string, string>
  people: unknown
  children: unknown
  members: unknown
  movies: unknown
}

describe('an album comes back from its backup, and what was erased does not', () => {
  let root: string
  let album: Album
  let lived: LivedIn
  let state: State
  let oldest = ''
  const running: Album[] = []
  const folder = (name: string) => path.join(root, name)
  const keys = () => path.join(album.home, 'keys')
  const snapshots = () => readdirSync(folder('backup/snapshots')).sort()

  const start = async (home: string) => {
    const made = await Album.start({ home, deadlineMs: 400_000 })
    running.push(made)
    return made
  }

  /** Brings the newest backup, or another, into a new album: on one machine into a home, on the stack as the operator's guide says. */
  const restore = async (name: string, keysOf: string, words: string[] = []): Promise<Outcome> => {
    if (!onStack()) return admin(['restore', folder('backup'), ...words, '--home', folder(name), '--keys', keysOf])
    const stack = stackPlatform({ file: process.env['KEEPSAKE_STACK'] ?? '', name: stackName(folder(name)) })
    const passwords = folder(`${name}-passwords.json`)
    await writeFile(passwords, JSON.stringify(stack.passwords))
    const urlAs = (role?: string) => {
      const url = new URL(stack.adminUrl)
      url.pathname = `/${stack.database}`
      if (role) Object.assign(url, { username: `keepsake_${role}`, password: stack.passwords[role] })
      return url.href
    }
    const places = { ...stack.env, KEEPSAKE_KEYS: pathToFileURL(keysOf).href }
    const migrated = await admin(['migrate'], {
      env: { ...places, DATABASE_URL: urlAs(), KEEPSAKE_ROLE_PASSWORDS: passwords },
    })
    if (migrated.status !== 0) return migrated
    const restored = await admin(['restore', folder('backup'), ...words], {
      env: { ...places, DATABASE_URL: urlAs('owner') },
    })
    // The family service of this album looks for them in its home.
    await cp(keysOf, path.join(folder(name), 'keys'), { recursive: true })
    return restored
  }

  /** What nothing may hold once the first portrait and the third one's face are erased. */
  const erased = (): Needle[] => {
    const [item, , face] = lived.portraits
    return [
      text('the comment', words.erased),
      text('the file name', item.fileName),
      item.file,
      item.vector,
      item.crop,
      face.vector,
      face.crop,
    ]
  }

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'keepsake-backup-'))
    album = await start(folder('a'))
    lived = await liveIn(album, await photosOf(photos ?? '', 'df01', 4), folder('pictures'))
  })
  afterAll(async () => {
    for (const each of running) await each.remove()
    if (root) await rm(root, { recursive: true, force: true })
  })

  test('a backup is made while the album runs; one that was interrupted goes on; nothing in it can be read', async () => {
    const refused = await admin(['backup', folder('backup'), '--home', album.home, '--keys', folder('backup/keys')])
    expect(refused).toMatchObject({ status: 1, output: expect.stringContaining('inside the backup') as string })
    const halfway = () => readdirSync(folder('backup'), { recursive: true }).length > 3
    const interrupted = await admin(['backup', folder('backup'), '--home', album.home], { stop: halfway })
    expect(interrupted.status, interrupted.output).toBe(130)
    const made = await admin(['backup', folder('backup'), '--home', album.home])
    expect(made.status, made.output).toBe(0)
    oldest = snapshots().at(-1) ?? ''
    expect(await admin(['verify', folder('backup'), '--home', album.home])).toMatchObject({ status: 0 })
    const [, portrait] = lived.portraits
    const everything = [
      ...[...Object.values(words), ...Object.values(names), portrait.fileName, 'owner@example.org'].map(value =>
        text(value, value),
      ),
      await inside('a picture', lived.pictures[1]?.file ?? ''),
      portrait.file,
      portrait.vector,
      portrait.crop,
    ]
    expect(await foundInFiles(folder('backup'), everything)).toEqual([])
    const again = await admin(['backup', folder('backup'), '--home', album.home])
    expect(copied(again.output), again.output).toBe(0)
  })

  test('a later backup copies what is new, and comes back item by item', async () => {
    const { api, base, family, portraits } = lived
    await complete(api, `${base}/erasures/${await erase(api, `${base}/media/${portraits[0].id}?now=true`)}`)
    await complete(api, `${base}/erasures/${await erase(api, `${base}/faces/${portraits[2].faceId}`)}`)
    await upload(api, family, (await pictureFolder(folder('more'), 1, 40))[0] ?? '')
    await settled(api, family)
    await filmed(api, base)
    const made = await admin(['backup', folder('backup'), '--home', album.home])
    expect(made.status, made.output).toBe(0)
    expect(copied(made.output), made.output).toBeGreaterThanOrEqual(3)
    expect(copied(made.output), made.output).toBeLessThan(40)
    state = await stateOf(api, lived, folder('download'))
    expect(state.media.length).toBe(portraits.length - 1 + lived.pictures.length + 1)
    await album.stop()

    const restored = await restore('b', keys())
    expect(restored.status, restored.output).toBe(0)
    const b = await start(folder('b'))
    const back = await b.signIn()
    await filmed(back, base)
    expect(await stateOf(back, lived, folder('download'))).toEqual(state)
    const movie = (await back.get<{ items: Movie[] }>(`${base}/movies`)).items[0]
    const { url = '' } = await back.get<Movie>(`${base}/movies/${movie?.id}`)
    await back.download(url, folder('film.mp4'))
    expect((await readFile(folder('film.mp4'))).length).toBeGreaterThan(10_000)
    await b.stop()
  })

  test('the old backup does not bring back what was erased since', async () => {
    const { base, family, portraits, pictures } = lived
    const restored = await restore('c', keys(), ['--snapshot', oldest])
    expect(restored.status, restored.output).toBe(0)
    expect(restored.output).toMatch(/2 erasures .* carried out again/)
    const c = await start(folder('c'))
    const api = await c.signIn()
    const { items: receipts } = await api.get<{ items: Erasure[] }>(`${base}/erasures`)
    expect(receipts.length).toBe(2)
    for (const { id } of receipts) await complete(api, `${base}/erasures/${id}`)
    await settled(api, family)
    const ids = (await allMedia(api, family)).map(({ id }) => id)
    expect(ids).not.toContain(portraits[0].id)
    expect(ids.length).toBe(portraits.length - 1 + pictures.length)
    expect(await found(placesOf(c), erased())).toEqual([])
    expect(await foundInFiles(folder('backup'), erased())).toEqual([])

    // With the family its keys go: the backup is noise.
    const keysOf = async () =>
      // Tombstones stay: they hold ids, and a restore obeys them.
      (await pathsWith(path.join(c.home, 'keys'), family)).filter(each => !each.includes('tombstones'))
    expect(await keysOf()).not.toEqual([])
    const id = await erase(api, base)
    await complete(api, `/v1/erasures/${id}`)
    expect(await keysOf()).toEqual([])
    await c.stop()
    const nothing = await restore('d', path.join(c.home, 'keys'))
    expect(nothing.status, nothing.output).toBe(0)
    expect(nothing.output).toMatch(/ 0 objects/)
  })
})

/** Every movie is there: what was under way at the backup, or while events were, is made again. */
const filmed = (api: Api, base: string) =>
  until(
    async () => (await api.get<{ items: Movie[] }>(`${base}/movies`)).items.every(({ status }) => status === 'ready'),
    { deadlineMs: 180_000, everyMs: 300, what: 'every movie' },
  )

/** How many objects a backup found new. */
const copied = (output: string) => Number(/; (\d+) new/.exec(output)?.[1])

/** How a command ended, and everything it said. */
interface Outcome {
  status: number | null
  output: string
}

/** Runs `keepsake-admin` as an operator would, who presses Ctrl-C as soon as `stop` is true. */
async function admin(
  args: string[],
  { stop, env = {} }: { stop?: () => boolean; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(repository, 'deploy/admin/keepsake-admin.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let output = ''
  const take = (chunk: Buffer) => (output += chunk.toString())
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const over = () => child.exitCode !== null
  if (stop !== undefined) {
    await until(() => over() || stop(), { deadlineMs: 60_000, everyMs: 2, what: 'the moment to interrupt' })
    child.kill('SIGINT')
  }
  const status = await ended
  return { status, output }
}

async function stateOf(api: Api, { base, family }: LivedIn, file: string): Promise<State> {
  const media: unknown[] = []
  const comments: State['comments'] = {}
  const originals: State['originals'] = {}
  for (const { id } of await allMedia(api, family)) {
    media.push(plain(await api.get<Media>(`${base}/media/${id}`)))
    comments[id] = plain(await api.get(`${base}/media/${id}/comments`))
    await api.download(`${base}/media/${id}/original`, file)
    originals[id] = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  }
  const part = async (name: string) => plain(await api.get(`${base}/${name}`))
  return {
    media,
    comments,
    originals,
    people: await part('people'),
    children: await part('children'),
    members: await part('members'),
    movies: await part('movies'),
  }
}

/** Without signed links, and without counters that grow with every event. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !/url$/i.test(name) && !['version', 'urls'].includes(name))
      .map(([name, each]) => [name, plain(each)]),
  )
}
