import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { Loader } from '@keepsake/db'
import { topics } from '@keepsake/events'
import type { ObjectStore } from '@keepsake/media'
import type { DataKey, KeyStore, Tombstone } from '@keepsake/media/key-store'
import { asError, macOf, type Place, type Surroundings } from './backup.js'
import { schemas } from './classify.js'
import { BackupFolder, digestOf, type Manifest, type ObjectEntry } from './folder.js'
import { openObject, openRows, type FindKey } from './sealed.js'
import { Trouble } from './trouble.js'

/** What a restore did. */
export interface RestoreResult {
  readonly id: string
  readonly rows: number
  readonly objects: number
  /** Objects that lay there already, of an interrupted restore. */
  readonly there: number
  /** What was erased since the backup and stays so: rows and objects whose keys are destroyed, and erasures that are replayed. */
  readonly erasedRows: number
  readonly erasedObjects: number
  readonly replayed: number
}

/** Groups that keep tombstones of items. */
const groups = ['album', 'cluster', 'face', 'ingest', 'rating', 'render']
const atOnce = 4

/**
 * Brings a snapshot (the newest, or the one named) into an empty database and an object store. Objects first, rows in one transaction at the end:
 * interrupted, it is run again. What was erased after the snapshot stays erased: its keys are gone, and its erasure is asked for once more.
 */
export async function restore(
  dir: string,
  place: Place,
  around: Surroundings,
  wanted?: string,
): Promise<RestoreResult> {
  const folder = await BackupFolder.open(dir, false)
  const unlock = await folder.lock()
  try {
    const manifest = await chosen(folder, place.keys, wanted)
    const find = finder(place.keys)
    const load = await Loader.open(place.ownerUrl, schemas)
    try {
      await requireEmpty(load, manifest)
      const objects = await restoreObjects(folder, manifest, place.objects, find, around)
      const rows = await restoreRows(folder, manifest, load, find, around)
      const replayed = await replayErasures(load, manifest, place.keys)
      await askAgain(load, [...new Set([...manifest.unsettled, ...rows.families])])
      await load.commit()
      return { id: manifest.id, rows: rows.loaded, erasedRows: rows.erased, ...objects, replayed }
    } finally {
      await load.close()
    }
  } finally {
    await unlock()
  }
}

/** Checks every digest and, where the keys are there, every seal of a snapshot. Answers what is wrong. */
export async function verify(dir: string, keys: KeyStore, around: Surroundings, wanted?: string): Promise<string[]> {
  const folder = await BackupFolder.open(dir, false)
  const manifest = await chosen(folder, keys, wanted)
  const find = finder(keys)
  const wrong: string[] = []
  let done = 0
  for await (const entry of folder.entries(manifest.id)) {
    around.signal.throwIfAborted()
    around.progress('verify', ++done, manifest.objects.count)
    if (!(await alive(entry, find))) continue
    try {
      for await (const _ of plainOf(folder, entry, find)) continue
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error))
    }
  }
  const file = createReadStream(folder.snapshotFile(manifest.id, 'rows')) as AsyncIterable<Buffer>
  try {
    for await (const _ of openRows(file, manifest.id, find)) continue
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error))
  }
  return wrong
}

async function chosen(folder: BackupFolder, keys: KeyStore, wanted: string | undefined): Promise<Manifest> {
  const all = await folder.snapshots()
  const manifest = wanted === undefined ? all.at(-1) : all.find(({ id }) => id === wanted)
  if (manifest === undefined)
    throw new Trouble(
      all.length === 0
        ? `${folder.dir} holds no finished backup.`
        : `There is no backup ${wanted}: there are ${all.map(({ id }) => id).join(', ')}.`,
    )
  if (macOf(manifest, await keys.platform()) !== manifest.mac)
    throw new Trouble('The backup was changed, or the folder of keys is not the one it was made with.')
  for (const [name, said] of [
    ['rows', manifest.rows],
    ['objects.ndjson', manifest.objects],
  ] as const) {
    const found = await digestOf(folder.snapshotFile(manifest.id, name))
    if (found?.sha256 !== said.sha256) throw new Trouble(`${name} of the backup ${manifest.id} is damaged.`)
  }
  return manifest
}

/** Keys as they were: one that was made anew under the same name does not count. Asked for once each. */
function finder(keys: KeyStore): FindKey {
  const known = new Map<string, Promise<DataKey | undefined>>()
  return async (familyId, ref) => {
    const id = `${familyId}/${ref.name}`
    const key = known.get(id) ?? (familyId === undefined ? keys.platform() : keys.read(familyId, ref.name))
    known.set(id, key)
    const found = await key
    return found?.id === ref.id ? found : undefined
  }
}

async function alive(entry: ObjectEntry, find: FindKey): Promise<boolean> {
  for (const ref of entry.keys) if ((await find(entry.familyId, ref)) === undefined) return false
  return true
}

async function* plainOf(folder: BackupFolder, entry: ObjectEntry, find: FindKey): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const sealed = createReadStream(folder.objectFile(entry.file)) as AsyncIterable<Buffer>
  for await (const chunk of openObject(sealed, { object: entry.key, familyId: entry.familyId }, find)) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== entry.sha256) throw new Trouble(`The backup of ${entry.key} is damaged.`)
}

async function requireEmpty(load: Loader, manifest: Manifest): Promise<void> {
  const [there] = await load.run<{ n: number }>(
    'select ((select count(*) from family.families) + (select count(*) from family.accounts))::int as n',
  )
  if ((there?.n ?? 0) > 0) throw new Trouble('There is an album already: a backup is restored into an empty one.')
  const applied = await load.run<{ schema: string; checksum: string }>('select schema, checksum from db.migrations')
  const known = new Set(applied.map(({ schema, checksum }) => `${schema} ${checksum}`))
  for (const [schema, checksums] of Object.entries(manifest.migrations))
    if (checksums.some(checksum => !known.has(`${schema} ${checksum}`)))
      throw new Trouble(
        `The backup was made by a newer Keepsake: it has a schema ${schema} that this one does not know.`,
      )
}

async function restoreObjects(
  folder: BackupFolder,
  manifest: Manifest,
  objects: ObjectStore,
  find: FindKey,
  { signal, progress }: Surroundings,
): Promise<{ objects: number; there: number; erasedObjects: number }> {
  let [restored, there, erasedObjects] = [0, 0, 0]
  let failed: Error | undefined
  const one = async (entry: ObjectEntry) => {
    if (!(await alive(entry, find))) {
      erasedObjects++
      return
    }
    // What an interrupted restore has put there is not trusted by its size alone.
    const found = await objects.stat(entry.key)
    if (found?.size === entry.size && (await digestIn(objects, entry.key)) === entry.sha256) there++
    else
      await objects.put(entry.key, Readable.from(plainOf(folder, entry, find)), {
        contentType: entry.contentType,
        signal,
      })
    restored++
    progress('objects', restored + erasedObjects, manifest.objects.count)
  }
  const waiting = new Set<Promise<void>>()
  for await (const entry of folder.entries(manifest.id)) {
    signal.throwIfAborted()
    if (failed !== undefined) break
    const task = one(entry)
      .catch((error: unknown) => {
        failed ??= asError(error)
      })
      .finally(() => waiting.delete(task))
    waiting.add(task)
    if (waiting.size >= atOnce) await Promise.race(waiting)
  }
  await Promise.all(waiting)
  if (failed !== undefined) throw failed
  return { objects: restored, there, erasedObjects }
}

async function digestIn(objects: ObjectStore, key: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of objects.get(key) as AsyncIterable<Buffer>) hash.update(chunk)
  return hash.digest('hex')
}

/** Rows inserted at a time. */
const perInsert = 1_000

async function restoreRows(
  folder: BackupFolder,
  manifest: Manifest,
  load: Loader,
  find: FindKey,
  { signal, progress }: Surroundings,
): Promise<{ loaded: number; erased: number; families: Set<string> }> {
  const total = Object.values(manifest.tables).reduce((sum, count) => sum + count, 0)
  const families = new Set<string>()
  let [loaded, erased, table] = [0, 0, '']
  let rows: string[] = []
  const flush = async () => {
    await load.insert(table, rows)
    loaded += rows.length
    rows = []
    progress('rows', loaded + erased, total)
  }
  const file = createReadStream(folder.snapshotFile(manifest.id, 'rows')) as AsyncIterable<Buffer>
  for await (const frame of openRows(file, manifest.id, find)) {
    signal.throwIfAborted()
    if (frame.rows === undefined) {
      erased += frame.count
      // A rating that was made with an erased face is made again.
      if (frame.familyId !== null) families.add(frame.familyId)
      continue
    }
    if (frame.table !== table || rows.length >= perInsert) await flush()
    table = frame.table
    rows.push(...frame.rows)
  }
  await flush()
  // A family that is gone is told of nothing.
  const there = await load.run<{ family_id: string }>('select family_id from family.families')
  return { loaded, erased, families: new Set(there.map(row => row.family_id).filter(id => families.has(id))) }
}

/**
 * Asks for every erasure once more that the snapshot has not seen the end of: the receipts are opened again, and the album's first look at what is
 * overdue goes to every owner. What decides at once (consent, tombstones) is written here.
 */
async function replayErasures(load: Loader, manifest: Manifest, keys: KeyStore): Promise<number> {
  const complete = new Set(manifest.completeErasures)
  const due = (await keys.tombstones()).filter(
    ({ familyId, erasureId }) => manifest.families.includes(familyId) && !complete.has(erasureId),
  )
  for (const tombstone of due) await replay(load, tombstone)
  return due.length
}

async function replay(load: Loader, { erasureId, familyId, kind, ids, mediaIds, at }: Tombstone): Promise<void> {
  await load.run(
    `insert into family.erasures (family_id, erasure_id, kind, ids, media_ids, started_at, asked_at)
     values ($1, $2, $3, $4, $5, $6, 'epoch')
     on conflict (family_id, erasure_id) do update set asked_at = 'epoch', completed_at = null`,
    [familyId, erasureId, kind, ids, mediaIds, at],
  )
  await load.run('delete from family.erasure_reports where family_id = $1 and erasure_id = $2', [familyId, erasureId])
  if (kind === 'item')
    await load.run(
      `insert into events.tombstones (grp, family_id, kind, id) select g, $1, 'media', i from unnest($2::text[]) g, unnest($3::text[]) i
       on conflict do nothing`,
      [familyId, groups, ids],
    )
  if (kind === 'face')
    await load.run(
      `insert into events.tombstones (grp, family_id, kind, id) select g, $1, 'face', i from unnest($2::text[]) g, unnest($3::text[]) i
       on conflict do nothing`,
      [familyId, ['cluster', 'face'], ids],
    )
  if (kind === 'consent') {
    await load.run(
      `insert into family.consents (family_id, purpose, given, member_id, text_version, at)
       select family_id, purpose, false, member_id, '', $2 from family.consents c
       where family_id = $1 and at < $2 order by at desc, consent_id desc limit 1`,
      [familyId, at],
    )
    await load.run(
      `update face.families set consent = false where family_id = $1
       and not exists (select 1 from family.consents where family_id = $1 and given and at > $2)`,
      [familyId, at],
    )
  }
  if (kind === 'family')
    await load.run(
      `insert into family.families (family_id, name, plan, time_zone, locale, removed_at) values ($1, '', 'free', 'UTC', 'en', $2)
       on conflict (family_id) do update set removed_at = excluded.removed_at, name = ''`,
      [familyId, at],
    )
}

/** Has every owner publish the present state again, for families that had events under way: those are not in a backup. */
async function askAgain(load: Loader, familyIds: readonly string[]): Promise<void> {
  await load.run(
    `insert into events.resync_requests (topic, family_id) select t, f from unnest($1::text[]) t, unnest($2::uuid[]) f`,
    [topics.map(({ name }) => name).filter(name => resyncable.has(name)), familyIds],
  )
}

/** Topics whose owners can tell the present state. */
const resyncable = new Set([
  'family.changed',
  'media.ingested',
  'media.changed',
  'media.removed',
  'faces.detected',
  'people.changed',
  'media.rated',
])
