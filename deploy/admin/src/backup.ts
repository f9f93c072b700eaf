import { createHash, createHmac } from 'node:crypto'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Snapshot } from '@keepsake/db'
import type { ObjectStore } from '@keepsake/media'
import type { DataKey, KeyStore } from '@keepsake/media/key-store'
import { KeepsakeError } from '@keepsake/rpc'
import { concerns, deciding, isKept, keysOfObject, keysOfRow, schemas, type FamilyObjects } from './classify.js'
import { BackupFolder, digestOf, formatVersion, writeStream, type Manifest, type ObjectEntry } from './folder.js'
import { rowsHead, sealObject, sealRows } from './sealed.js'

/** An album as operators reach it: the database as its owner, the objects, the keys of backups. */
export interface Place {
  readonly ownerUrl: string
  readonly objects: ObjectStore
  readonly keys: KeyStore
}

/** What a command is told besides. */
export interface Surroundings {
  progress(stage: string, done: number, total: number): void
  say(line: string): void
  signal: AbortSignal
}

/** What a backup did. */
export interface BackupResult {
  readonly id: string
  readonly families: number
  readonly rows: number
  /** Objects in the snapshot, those of them that were written now, and bytes written. */
  readonly objects: number
  readonly copied: number
  readonly copiedBytes: number
  /** Sealed files that no key opens any more, removed. */
  readonly removed: number
  readonly missing: number
}

/** Objects sealed at a time. */
const atOnce = 4
/** A snapshot whose objects were removed while they were copied is taken again, so many times. */
const attempts = 5

/**
 * Makes a snapshot in `dir`. The database is read at one moment; objects are copied after it, and where one that the database speaks of went meanwhile, a
 * new moment is read: so both fit together. Objects that lie in the folder already are not copied again. Interrupted, it goes on where it was.
 */
export async function backup(dir: string, place: Place, around: Surroundings): Promise<BackupResult> {
  const folder = await BackupFolder.open(dir, true)
  const unlock = await folder.lock()
  try {
    for (let attempt = 1; ; attempt++) {
      const result = await snapshot(folder, place, around, attempt === attempts)
      if (result !== undefined) return result
      around.say('Something was removed while it was copied: the database is read again.')
    }
  } finally {
    await unlock()
  }
}

class Keys {
  private readonly known = new Map<string, Promise<DataKey | undefined>>()
  private complete = new Set<string>()

  constructor(private readonly store: KeyStore) {}

  /** Erasures whose end is in the snapshot. */
  finished(ids: readonly string[]): void {
    this.complete = new Set(ids)
  }

  /** All of the keys, or undefined when one of them is destroyed. */
  async all(familyId: string, names: readonly string[]): Promise<DataKey[] | undefined> {
    const found = await Promise.all(names.map(name => this.one(familyId, name)))
    return found.every(key => key !== undefined) ? found : undefined
  }

  private one(familyId: string, name: string): Promise<DataKey | undefined> {
    const id = `${familyId}/${name}`
    const known =
      this.known.get(id) ??
      this.store.make(familyId, name, graves => graves.some(t => concerns(t, name, this.complete)))
    this.known.set(id, known)
    return known
  }
}

async function snapshot(
  folder: BackupFolder,
  place: Place,
  around: Surroundings,
  last: boolean,
): Promise<BackupResult | undefined> {
  const { signal } = around
  const keys = new Keys(place.keys)
  const platform = await place.keys.platform()
  const known = new Map<string, ObjectEntry>()
  for (const { id } of await folder.snapshots())
    for await (const entry of folder.entries(id)) known.set(entry.file, entry)

  const moment = await Snapshot.open(place.ownerUrl, schemas)
  const id = moment.at.toISOString().replaceAll(/[:.]/g, '-')
  const partial = await folder.begin(id)
  const tables: Record<string, number> = {}
  let rowsFile: { bytes: number; sha256: string }
  let facts: Facts
  try {
    facts = await factsOf(moment)
    keys.finished(facts.complete)
    rowsFile = await writeStream(
      folder.snapshotFile(partial, 'rows'),
      sealedRows(moment, id, keys, platform, tables, around),
      signal,
    )
  } finally {
    await moment.close()
  }

  const entries = new Map<string, ObjectEntry>()
  let copied = 0
  let copiedBytes = 0
  const total = [...facts.families.values()].reduce((sum, { required }) => sum + required.size, 0)
  for (const [familyId, family] of facts.families) {
    const waiting = new Set<Promise<void>>()
    let failed: Error | undefined
    for await (const listed of place.objects.list(`families/${familyId}/`)) {
      signal.throwIfAborted()
      if (failed !== undefined) break
      const names = keysOfObject(familyId, listed.key, family)
      if (names === undefined) continue
      const task = (async () => {
        const found = await keys.all(familyId, names)
        if (found === undefined) return // erased since
        const file = nameOf(listed, found)
        const entry =
          (await unchanged(folder, known.get(file))) ??
          (await copy(folder, place.objects, { familyId, file, key: listed.key }, found, signal).then(made => {
            if (made === undefined) return undefined
            copied++
            copiedBytes += made.size
            return made
          }))
        if (entry !== undefined) entries.set(listed.key, entry)
        around.progress('objects', entries.size, Math.max(total, entries.size))
      })()
        .catch((error: unknown) => {
          failed ??= asError(error)
        })
        .finally(() => waiting.delete(task))
      waiting.add(task)
      if (waiting.size >= atOnce) await Promise.race(waiting)
    }
    await Promise.all(waiting)
    if (failed !== undefined) throw failed
  }

  const missing: string[] = []
  for (const [familyId, { required }] of facts.families)
    for (const key of required)
      if (!entries.has(key)) {
        const names = keysOfObject(familyId, key, facts.families.get(familyId) as FamilyObjects)
        // What was erased since is not missed: its key is gone.
        if (names !== undefined && (await new Keys(place.keys).all(familyId, names)) !== undefined) missing.push(key)
      }
  if (missing.length > 0 && !last) return undefined

  const sorted = [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  const list = await writeStream(folder.snapshotFile(partial, 'objects.ndjson'), lines(sorted), signal)
  const manifest: Manifest = {
    format: 'keepsake-backup',
    version: formatVersion,
    id,
    at: moment.at.toISOString(),
    families: [...facts.families.keys()],
    unsettled: facts.unsettled,
    completeErasures: facts.complete,
    migrations: facts.migrations,
    tables,
    rows: rowsFile,
    objects: { count: sorted.length, bytes: list.bytes, sha256: list.sha256 },
    missing,
  }
  await folder.finish(partial, { ...manifest, mac: macOf(manifest, platform) })
  const removed = await prune(folder, place.keys)
  return {
    id,
    families: facts.families.size,
    rows: Object.values(tables).reduce((sum, count) => sum + count, 0),
    objects: sorted.length,
    copied,
    copiedBytes,
    removed,
    missing: missing.length,
  }
}

/** What vouches for a manifest. */
export function macOf(manifest: Manifest, platform: DataKey): string {
  const { mac: _, ...said } = manifest
  return createHmac('sha256', createHash('sha256').update('keepsake manifest 1').update(platform.key).digest())
    .update(JSON.stringify(said))
    .digest('hex')
}

interface Facts {
  families: Map<string, FamilyObjects & { required: Set<string> }>
  unsettled: string[]
  complete: string[]
  migrations: Record<string, string[]>
}

async function factsOf(moment: Snapshot): Promise<Facts> {
  const families = new Map<
    string,
    {
      media: Set<string>
      segments: Map<string, string[]>
      films: Map<string, { film: number; items: string[] }>
      required: Set<string>
    }
  >()
  const of = (id: string) => {
    const known = families.get(id) ?? { media: new Set(), segments: new Map(), films: new Map(), required: new Set() }
    families.set(id, known)
    return known
  }
  const there = await moment.ask<{ family_id: string }>(
    'select family_id from family.families where removed_at is null',
  )
  for (const row of there) of(row.family_id)
  const media = await moment.ask<{ family_id: string; id: string; keys: (string | null)[] }>(`
    select family_id, id, array[original_key, clip_key, thumbnail_key, preview_key, poster_key, playback_key] as keys from ingest.media`)
  for (const { family_id, id, keys } of media) {
    of(family_id).media.add(id)
    for (const key of keys) if (key !== null && key !== '') of(family_id).required.add(key)
  }
  const crops = await moment.ask<{ family_id: string; crop_key: string }>('select family_id, crop_key from face.faces')
  for (const { family_id, crop_key } of crops) of(family_id).required.add(crop_key)
  const segments = await moment.ask<{ family_id: string; hash: string; media_ids: string[] }>(
    'select family_id, hash, media_ids from render.segments',
  )
  for (const { family_id, hash, media_ids } of segments) of(family_id).segments.set(hash, media_ids)
  const films = await moment.ask<{ family_id: string; id: string; film: number; items: string[] }>(`
    select m.family_id, m.id, m.film, array(select media_id::text from render.movie_items i
      where i.family_id = m.family_id and i.movie_id = m.id) as items
    from render.movies m where film is not null`)
  for (const { family_id, id, film, items } of films) {
    of(family_id).films.set(id, { film, items })
    of(family_id).required.add(`families/${family_id}/movies/${id}/${film}/movie.mp4`)
  }
  // Nobody's families (an import that is under way when its family goes) are left out.
  for (const id of families.keys()) if (!there.some(row => row.family_id === id)) families.delete(id)
  const complete = await moment.ask<{ erasure_id: string }>(
    'select erasure_id from family.erasures where completed_at is not null',
  )
  // On Kafka too: a group's place is kept in the books once it is kept there.
  const unsettled = await moment.ask<{ family_id: string }>(`
    select distinct family_id from events.outbox o
    where (not exists (select 1 from events.cursors c where c.topic = o.topic and c.partition = o.partition)
        and exists (select 1 from events.cursors c where c.topic = o.topic)) -- else nobody listens to the topic
      or exists (select 1 from events.cursors c
        where c.topic = o.topic and c.partition = o.partition and (c.txid, c.position) < (o.txid, o.position))
    union select family_id from events.parked
    union select family_id from events.dead_letters
    union select family_id from events.resync_requests where family_id is not null`)
  const everybody = await moment.ask('select 1 from events.resync_requests where family_id is null limit 1')
  const migrations: Record<string, string[]> = {}
  const applied = await moment.ask<{ schema: string; checksum: string }>(
    'select schema, checksum from db.migrations order by schema, version',
  )
  for (const { schema, checksum } of applied) (migrations[schema] ??= []).push(checksum)
  return {
    families,
    unsettled:
      everybody.length > 0 ? [...families.keys()] : unsettled.map(row => row.family_id).filter(id => families.has(id)),
    complete: complete.map(row => row.erasure_id),
    migrations,
  }
}

async function* sealedRows(
  moment: Snapshot,
  id: string,
  keys: Keys,
  platform: DataKey,
  tables: Record<string, number>,
  { progress }: Surroundings,
): AsyncGenerator<Buffer> {
  yield rowsHead(id)
  let frame = 0
  const wanted = moment.tables.filter(({ name }) => isKept(name))
  for (const [done, table] of wanted.entries()) {
    progress('tables', done, wanted.length)
    tables[table.name] = 0
    const picked = deciding.filter(column => table.columns.includes(column))
    for await (const batch of moment.rows(table, picked)) {
      const groups = new Map<string, { familyId: string | null; names: string[]; rows: string[] }>()
      for (const { row, picked: beside } of batch) {
        const needed = keysOfRow(table.name, beside)
        if (needed === undefined) continue
        const familyId = needed === 'platform' ? null : needed.familyId
        const names = needed === 'platform' ? [] : needed.names
        const name = `${familyId}/${names.join('+')}`
        const group = groups.get(name) ?? { familyId, names, rows: [] }
        group.rows.push(row)
        groups.set(name, group)
      }
      for (const { familyId, names, rows } of groups.values()) {
        const found = familyId === null ? [platform] : await keys.all(familyId, names)
        if (found === undefined) continue // erased: not even sealed
        tables[table.name] = (tables[table.name] ?? 0) + rows.length
        yield sealRows(id, frame++, table.name, familyId, found, rows)
      }
    }
  }
  progress('tables', wanted.length, wanted.length)
}

/** A sealed object's name: of what it is, in which state, under which keys. An object that was replaced gets another name. */
function nameOf(object: { key: string; size: number; modifiedAt: Date }, keys: readonly DataKey[]): string {
  const ids = keys.map(key => key.id).sort()
  return createHash('sha256')
    .update([object.key, object.size, object.modifiedAt.getTime(), ...ids].join('\n'))
    .digest('hex')
}

/** The entry, where its sealed file lies there as it was written. */
async function unchanged(folder: BackupFolder, entry: ObjectEntry | undefined): Promise<ObjectEntry | undefined> {
  if (entry === undefined) return undefined
  const found = await stat(folder.objectFile(entry.file)).catch(() => undefined)
  return found?.size === entry.sealedBytes ? entry : undefined
}

async function copy(
  folder: BackupFolder,
  objects: ObjectStore,
  about: { familyId: string; file: string; key: string },
  keys: readonly DataKey[],
  signal: AbortSignal,
): Promise<ObjectEntry | undefined> {
  const found = await objects.stat(about.key)
  if (found === undefined) return undefined
  const target = folder.objectFile(about.file)
  const note = `${target}.json`
  // An interrupted backup may have sealed it already: its note says how.
  const noted = await readFile(note, 'utf8').then(
    text => JSON.parse(text) as ObjectEntry,
    () => undefined,
  )
  const lying = noted && (await digestOf(target))
  if (noted && lying?.sha256 === noted.sealedSha256) return noted
  const hash = createHash('sha256')
  let size = 0
  const head = { object: about.key, familyId: about.familyId, contentType: found.contentType }
  try {
    const plain = objects.get(about.key, { signal }) as AsyncIterable<Uint8Array>
    const sealed = await writeStream(
      target,
      sealObject(head, keys, plain, bytes => {
        hash.update(bytes)
        size += bytes.length
      }),
      signal,
    )
    const entry: ObjectEntry = {
      ...about,
      keys: keys.map(({ name, id }) => ({ name, id })),
      contentType: found.contentType,
      size,
      sha256: hash.digest('hex'),
      sealedBytes: sealed.bytes,
      sealedSha256: sealed.sha256,
    }
    await writeFile(`${note}.part`, JSON.stringify(entry))
    await rename(`${note}.part`, note)
    return entry
  } catch (error) {
    if (KeepsakeError.is(error) && error.reason === 'OBJECT_NOT_FOUND') return undefined
    throw error
  }
}

/** What was thrown, as an error. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

async function* lines(entries: readonly ObjectEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) yield Buffer.from(`${JSON.stringify(entry)}\n`)
}

/** Removes sealed objects that no snapshot names or that no key opens any more, and the notes of interrupted backups. */
async function prune(folder: BackupFolder, store: KeyStore): Promise<number> {
  const keep = new Set<string>()
  const alive = new Map<string, Promise<DataKey | undefined>>()
  for (const { id } of await folder.snapshots())
    for await (const { file, familyId, keys } of folder.entries(id)) {
      const living = await Promise.all(
        keys.map(async ref => {
          const name = `${familyId}/${ref.name}`
          const key = alive.get(name) ?? store.read(familyId, ref.name)
          alive.set(name, key)
          return (await key)?.id === ref.id
        }),
      )
      if (living.every(Boolean)) keep.add(path.basename(file))
    }
  return folder.prune(keep)
}
