import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Db, Snapshot, sql } from '@keepsake/db'
import { openObjectStore } from '@keepsake/media'
import { openKeyStore, type KeyStore } from '@keepsake/media/key-store'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backup, type Place, type Surroundings } from './backup.js'
import { isKept, keysOfRow, schemas } from './classify.js'
import { filterOf } from './commands.js'
import { restore, verify } from './restore.js'

const services = schemas.filter(name => name !== 'events')
const family = '0190a5d4-0000-7000-8000-00000000f001'
const account = '0190a5d4-0000-7000-8000-00000000ac01'
const id = (kind: number, n: number) => `0190a5d4-0000-7000-8000-0000000${String(kind * 1000 + n).padStart(5, '0')}`
const media = (n: number) => id(1, n)
const member = (n: number) => id(2, n)
const movie = id(3, 1)
const around = (signal = new AbortController().signal): Surroundings => ({
  signal,
  say: () => undefined,
  progress: () => undefined,
})
const vector = (n: number) => createHash('sha512').update(`vector ${n}`).digest()
const embedding = (n: number) => Buffer.concat(Array.from({ length: 8 }, () => vector(n)))
const bytesOf = new Map<string, Buffer>()

let root: string
let keys: KeyStore
let a: TestDatabase
const databases: TestDatabase[] = []
const folder = (name: string) => path.join(root, name)

async function place(name: string): Promise<Place & { database: TestDatabase }> {
  const database = name === 'a' ? a : await testDatabase(services)
  if (name !== 'a') databases.push(database)
  return {
    database,
    ownerUrl: database.ownerUrl,
    objects: openObjectStore({ KEEPSAKE_OBJECTS: pathToFileURL(folder(`objects-${name}`)).href }),
    keys,
  }
}

async function plantItem(n: number): Promise<void> {
  const { objects } = await place('a')
  const prefix = `families/${family}/media/${media(n)}/`
  for (const [key, size] of [
    [`${prefix}original`, n === 2 ? 2_500_000 : 40_000],
    [`${prefix}renditions/thumbnail`, 3_000],
    [`${prefix}faces/${id(4, n)}`, 500],
  ] as const) {
    bytesOf.set(key, randomBytes(size))
    await objects.put(key, bytesOf.get(key) as Buffer, { contentType: 'image/jpeg' })
  }
  const db = new Db(a.ownerUrl, { max: 1 })
  await db.system('plant', async tx => {
    const [f, m] = [family, media(n)]
    await tx.changed(sql`
      insert into ingest.media (family_id, id, kind, state, file_name, content_type, size, sha256, original_key, thumbnail_key, taken_at, taken, embedded, uploaded_by)
      values (${f}, ${m}, 'photo', 'ready', ${`Strandfoto-${n}.jpg`}, 'image/jpeg', 40000, ${`sum-${n}`}, ${`${prefix}original`},
        ${`${prefix}renditions/thumbnail`}, '2024-05-17T10:00:00.123456Z', '{}', ${sql.json({ deep: [1.1, 'ü', null] })}, ${member(1)})`)
    await tx.changed(sql`
      insert into album.media (family_id, id, version, state, kind, file_name, content_type, size, taken_at, offset_minutes, taken_precision,
        taken_source, time_zone, local_day, month, audience_kind, uploaded_at, ingest_version, ingested)
      values (${f}, ${m}, 1, 'ready', 'photo', ${`Strandfoto-${n}.jpg`}, 'image/jpeg', 9007199254740, now(), 120, 'second', 'exif', 'Europe/Berlin',
        '2024-05-17', '2024-05', 'everyone', now(), 1, '{}')`)
    await tx.changed(sql`
      insert into album.comments (family_id, media_id, member_id, text)
      values (${f}, ${m}, ${member(1)}, ${`Mutters Wort ${n}\nzweite Zeile`}), (${f}, ${m}, ${member(2)}, ${`Onkels Wort ${n}`})`)
    await tx.changed(
      sql`insert into face.items (family_id, media_id, version, pipeline, state) values (${f}, ${m}, 1, 1, 'done')`,
    )
    await tx.changed(sql`
      insert into face.faces (family_id, id, media_id, box, landmarks, score, quality, sharpness, age, age_spread, smile, expression, eyes_open,
        yaw, pitch, roll, embedding, crop_key)
      values (${f}, ${id(4, n)}, ${m}, '{0.1,0.2,0.3,0.123456789012345}', '{0,0,0,0,0,0,0,0,0,0}', 0.9, 0.9, 0.9, 4, 1, 0.8, 'happy', 1, 0, 0, 0,
        ${embedding(n)}, ${`${prefix}faces/${id(4, n)}`})`)
    await tx.changed(sql`insert into cluster.items (family_id, media_id) values (${f}, ${m})`)
    await tx.changed(sql`
      insert into cluster.faces (family_id, face_id, media_id, version, embedding, age, age_spread, quality, box)
      values (${f}, ${id(4, n)}, ${m}, 1, ${embedding(n)}, 4, 1, 0.9, '{}')`)
    await tx.changed(sql`
      insert into rating.items (family_id, media_id, kind, at, exact, place, audience_kind, audience_ids, blocked, mundane, child_ids, person_ids,
        input, solo, value, parts, version)
      values (${f}, ${m}, 'photo', now(), true, 'Sylt', 'everyone', '{}', '', '', '{}', '{}', '{}', 50, 50, '[]', 1)`)
  })
  await db.close()
}

/** What the services do with an item, for the database and objects of this test. */
async function eraseItem(n: number, erasureId: string): Promise<void> {
  const { objects } = await place('a')
  const db = new Db(a.ownerUrl, { max: 1 })
  await db.system('erase', async tx => {
    for (const table of [sql`album.media`, sql`ingest.media`])
      await tx.changed(sql`delete from ${table} where id = ${media(n)}`)
    for (const table of [sql`face.items`, sql`cluster.items`, sql`rating.items`, sql`render.movie_items`])
      await tx.changed(sql`delete from ${table} where media_id = ${media(n)}`)
    await tx.changed(sql`update render.movies set film = null`)
    await tx.changed(sql`insert into family.erasures (family_id, erasure_id, kind, ids, completed_at)
      values (${family}, ${erasureId}, 'item', ${[media(n)]}::uuid[], now())`)
  })
  await db.close()
  await objects.removePrefix(`families/${family}/media/${media(n)}/`)
  await objects.removePrefix(`families/${family}/movies/`)
  const tombstone = { familyId: family, kind: 'item', ids: [media(n)], mediaIds: [], at: new Date().toISOString() }
  expect(await keys.erase({ ...tombstone, erasureId })).toBe(2)
}

/** Every row that a backup keeps, table by table, as text. */
async function rowsOf(database: TestDatabase): Promise<Record<string, string[]>> {
  const moment = await Snapshot.open(database.ownerUrl, schemas)
  try {
    const out: Record<string, string[]> = {}
    for (const table of moment.tables.filter(({ name }) => isKept(name))) {
      const rows: string[] = []
      for await (const batch of moment.rows(table, [])) rows.push(...batch.map(({ row }) => row))
      if (rows.length > 0) out[table.name] = rows
    }
    return out
  } finally {
    await moment.close()
  }
}

async function objectsOf(where: Place): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { key } of where.objects.list('families/')) {
    const hash = createHash('sha256')
    for await (const chunk of where.objects.get(key)) hash.update(chunk as Buffer)
    found.set(key, hash.digest('hex'))
  }
  return found
}

const files = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => path.join(entry.parentPath, entry.name))
    : []

function foundIn(dir: string, needles: readonly Buffer[]): string[] {
  return files(dir).filter(file => {
    const bytes = readFileSync(file)
    return needles.some(needle => bytes.includes(needle) || bytes.includes(needle.toString('hex')))
  })
}

let oldest = ''

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'keepsake-admin-'))
  keys = openKeyStore({ KEEPSAKE_KEYS: pathToFileURL(folder('keys')).href }) as KeyStore
  a = await testDatabase(services)
  databases.push(a)
  const db = new Db(a.ownerUrl, { max: 1 })
  await db.system('plant', async tx => {
    for (const n of [1, 2])
      await tx.changed(sql`insert into family.accounts (account_id, email, name, password_hash)
        values (${n === 1 ? account : id(5, n)}, ${`person${n}@example.org`}, ${`Anmeldename ${n}`}, 'x')`)
    await tx.changed(sql`insert into family.families (family_id, name, plan, time_zone, locale)
      values (${family}, 'Familie Sonderbar', 'premium', 'Europe/Berlin', 'en')`)
    for (const n of [1, 2])
      await tx.changed(sql`insert into family.members (family_id, member_id, account_id, name, role)
        values (${family}, ${member(n)}, ${n === 1 ? account : id(5, n)}, ${n === 1 ? 'Mutter' : 'Wendelin Q'}, 'parent')`)
    await tx.changed(sql`insert into family.consents (family_id, purpose, given, member_id, text_version)
      values (${family}, 'face_recognition', true, ${member(1)}, '1')`)
    await tx.changed(sql`insert into album.families (family_id) values (${family})`)
    await tx.changed(
      sql`insert into album.people (family_id, id, name) values (${family}, ${id(6, 1)}, 'Hanakolein Q')`,
    )
    await tx.changed(sql`insert into render.movies (family_id, id, kind, title, from_at, to_at, mood, length, aspect, music, audience_kind, status, film, created_by)
      values (${family}, ${movie}, 'one-second', 'Sommer', now(), now(), 'calm', 'short', '16:9', true, 'everyone', 'ready', 1, ${member(1)})`)
  })
  await db.close()
  for (let n = 1; n <= 10; n++) await plantItem(n)
  const { objects } = await place('a')
  const film = `families/${family}/movies/${movie}/1/movie.mp4`
  bytesOf.set(film, randomBytes(90_000))
  await objects.put(film, bytesOf.get(film) as Buffer, { contentType: 'video/mp4' })
  const more = new Db(a.ownerUrl, { max: 1 })
  await more.system('plant', tx =>
    tx.changed(sql`insert into render.movie_items (family_id, movie_id, media_id)
      select ${family}, ${movie}, unnest(${[media(1), media(2)]}::uuid[])`),
  )
  await more.close()
})
afterAll(async () => {
  for (const database of databases) await database.close()
  await rm(root, { recursive: true, force: true })
})

test('a backup comes back row by row and byte by byte, and tells nothing without the keys', async () => {
  const from = await place('a')
  const made = await backup(folder('backup'), from, around())
  oldest = made.id
  expect(made).toMatchObject({ families: 1, objects: 31, copied: 31, missing: 0 })
  expect(await verify(folder('backup'), keys, around())).toEqual([])
  const to = await place('b')
  expect(await restore(folder('backup'), to, around())).toMatchObject({ objects: 31, erasedRows: 0, replayed: 0 })
  expect(await rowsOf(to.database)).toEqual(await rowsOf(a))
  expect(await objectsOf(to)).toEqual(await objectsOf(from))
  const needles = ['Familie Sonderbar', 'Hanakolein', 'Wendelin', 'Mutters Wort', 'Strandfoto', 'Anmeldename', 'Sommer']
  const secret = [
    ...needles.map(word => Buffer.from(word)),
    ...[...bytesOf.values()].map(bytes => bytes.subarray(100, 140)),
    vector(1).subarray(0, 40),
  ]
  expect(foundIn(folder('backup'), secret)).toEqual([])
  expect(foundIn(folder('objects-a'), secret).length).toBe(31) // the scan does find
  await expect(restore(folder('backup'), to, around())).rejects.toThrow(/There is an album already/)
})

test('a second backup copies nothing, and an interrupted one goes on where it was', async () => {
  const from = await place('a')
  expect((await backup(folder('backup'), from, around())).copied).toBe(0)
  const stop = new AbortController()
  let seen = 0
  const stopping: Surroundings = {
    ...around(stop.signal),
    progress: stage => {
      if (stage === 'objects' && ++seen === 10) stop.abort(new Error('Ctrl-C'))
    },
  }
  await expect(backup(folder('other'), from, stopping)).rejects.toThrow(/Ctrl-C/)
  const again = await backup(folder('other'), from, around())
  expect(again.objects).toBe(31)
  expect(await verify(folder('other'), keys, around())).toEqual([])
})

test('an erased item is in no later backup, and the old one does not bring it back', async () => {
  await eraseItem(1, id(7, 1))
  await plantItem(11)
  const from = await place('a')
  const made = await backup(folder('backup'), from, around())
  expect(made).toMatchObject({ objects: 30, copied: 3 })
  expect(made.removed).toBe(4) // three objects of the item, and the film that showed it
  const newest = await place('c')
  expect(await restore(folder('backup'), newest, around())).toMatchObject({ replayed: 0 })
  expect(await rowsOf(newest.database)).toEqual(await rowsOf(a))

  const old = await place('d')
  const back = await restore(folder('backup'), old, around(), oldest)
  expect(back).toMatchObject({ replayed: 1, erasedObjects: 4, objects: 27 })
  expect(back.erasedRows).toBeGreaterThanOrEqual(8)
  const rows = await rowsOf(old.database)
  for (const [table, content] of Object.entries(rows))
    if (!table.startsWith('family.erasures') && table !== 'events.tombstones' && !table.startsWith('render.'))
      expect(
        content.filter(row => row.includes(media(1))),
        table,
      ).toEqual([])
  expect(rows['events.tombstones']?.length).toBe(6)
  expect(rows['family.erasures']?.[0]).toContain('"completed_at": null')
  expect(JSON.stringify(rows)).not.toContain('Mutters Wort 1\\\\n')
  expect([...(await objectsOf(old)).keys()].filter(key => key.includes(media(1)))).toEqual([])
})

test('faces, consent, a member and a family are gone from old backups as soon as they are erased', async () => {
  const tombstone = { familyId: family, ids: [] as string[], mediaIds: [] as string[], at: new Date().toISOString() }
  const from = await place('a')
  const { id: snapshot } = await backup(folder('backup'), from, around())

  await keys.erase({ ...tombstone, kind: 'face', erasureId: id(7, 2), ids: [id(4, 2)], mediaIds: [media(2)] })
  const withoutFace = await place('e')
  await restore(folder('backup'), withoutFace, around(), snapshot)
  expect((await rowsOf(withoutFace.database))['face.faces']?.length).toBe(9)

  await keys.erase({ ...tombstone, kind: 'member', erasureId: id(7, 3), ids: [member(2)] })
  await keys.erase({ ...tombstone, kind: 'consent', erasureId: id(7, 4) })
  const some = await place('f')
  await restore(folder('backup'), some, around(), snapshot)
  const rows = await rowsOf(some.database)
  expect(JSON.stringify(rows)).not.toMatch(/Onkels Wort|Wendelin|Hanakolein/)
  expect(rows['album.comments']?.length).toBe(10)
  expect(rows['face.faces']).toBeUndefined()
  expect(rows['cluster.faces']).toBeUndefined()
  expect(rows['family.consents']?.at(-1)).toContain('"given": false')
  expect(JSON.stringify(rows)).not.toContain(vector(3).toString('hex'))
  // A backup that is made before the owners are done does not seal it under new keys.
  const late = await backup(folder('backup'), from, around())
  const still = await place('g')
  await restore(folder('backup'), still, around(), late.id)
  const now = await rowsOf(still.database)
  expect(now['face.faces']).toBeUndefined()
  expect(JSON.stringify(now)).not.toMatch(/Onkels Wort|Wendelin|Hanakolein/)

  await keys.erase({ ...tombstone, kind: 'family', erasureId: id(7, 5) })
  const nobody = await place('h')
  expect(await restore(folder('backup'), nobody, around(), snapshot)).toMatchObject({ objects: 0 })
  const left = await rowsOf(nobody.database)
  expect(Object.keys(left).sort()).toEqual([
    'events.tombstones',
    'family.accounts',
    'family.erasures',
    'family.families',
  ])
  expect(left['family.families']?.[0]).toContain('"removed_at": "')
  expect(JSON.stringify(left)).not.toContain('Sonderbar')
  expect(files(folder('keys/objects/families'))).toEqual([])
})

test('a changed byte is found', async () => {
  const target = files(folder('other/objects')).find(file => !file.endsWith('.json')) ?? ''
  const bytes = readFileSync(target)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  writeFileSync(target, bytes)
  const manifest = files(folder('other/snapshots')).find(file => file.endsWith('manifest.json')) ?? ''
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"missing": []', '"missing": ["x"]'))
  await expect(verify(folder('other'), keys, around())).rejects.toThrow(/was changed/)
})

test('every table of a family is under keys, and every schema is in the backup', async () => {
  const moment = await Snapshot.open(a.ownerUrl, schemas)
  try {
    for (const table of moment.tables.filter(({ name }) => isKept(name))) {
      const needed = keysOfRow(table.name, {
        family_id: family,
        media_id: media(3),
        id: media(3),
        member_id: member(1),
      })
      expect(needed === 'platform' ? [] : needed?.names.length, table.name).toBeGreaterThan(0)
      expect(table.columns.includes('family_id') || table.name.startsWith('family.'), table.name).toBe(true)
    }
    const told = await moment.ask<{ name: string }>(
      "select nspname as name from pg_namespace where nspname not like 'pg\\_%' and nspname not in ('information_schema', 'public', 'db')",
    )
    expect(told.map(({ name }) => name).sort()).toEqual([...schemas].sort())
  } finally {
    await moment.close()
  }
})

test('which dead letters are meant is said in words that are checked', () => {
  expect(filterOf('media.rated', ['family=f,key=a', 'key=b', 'since=2026-01-01'])).toEqual({
    topic: 'media.rated',
    familyId: 'f',
    keys: ['a', 'b'],
    since: new Date('2026-01-01'),
  })
  expect(() => filterOf(undefined, [])).toThrow(/Say which/)
  expect(() => filterOf('nothing.happened', [])).toThrow(/There is no topic/)
  expect(() => filterOf(undefined, ['moon=full'])).toThrow(/--where knows/)
})
