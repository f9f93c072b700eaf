import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { KeyRef } from './sealed.js'
import { Trouble } from './trouble.js'

/** The layout that this version reads and writes. */
export const formatVersion = 1

/** An object in a snapshot. */
export interface ObjectEntry {
  readonly key: string
  readonly familyId: string
  /** File under `objects/`, by its name. */
  readonly file: string
  readonly keys: readonly KeyRef[]
  readonly contentType: string
  /** Of the plain bytes. */
  readonly size: number
  readonly sha256: string
  /** Of the sealed file. */
  readonly sealedBytes: number
  readonly sealedSha256: string
}

/** What a snapshot says of itself. */
export interface Manifest {
  readonly format: 'keepsake-backup'
  readonly version: number
  readonly id: string
  /** The moment of the database, RFC 3339. */
  readonly at: string
  readonly families: readonly string[]
  /** Families with events under way: they are told of everything again after a restore. */
  readonly unsettled: readonly string[]
  /** Erasures that were complete. */
  readonly completeErasures: readonly string[]
  /** Migrations of each schema, in order, by checksum. */
  readonly migrations: Readonly<Record<string, readonly string[]>>
  /** Rows by table. */
  readonly tables: Readonly<Record<string, number>>
  readonly rows: { readonly bytes: number; readonly sha256: string }
  readonly objects: { readonly count: number; readonly bytes: number; readonly sha256: string }
  /** Objects that were gone before they could be copied. */
  readonly missing: readonly string[]
  /** HMAC of everything above under the platform's key. */
  readonly mac?: string
}

/** The folder of a backup. One command at a time works on it. */
export class BackupFolder {
  private constructor(readonly dir: string) {}

  /** Opens a folder, or makes it with `create`. Throws a Trouble where it holds other things, or is of a newer version. */
  static async open(dir: string, create: boolean): Promise<BackupFolder> {
    const mark = path.join(dir, 'keepsake-backup.json')
    if (!existsSync(mark)) {
      if (!create) throw new Trouble(`${dir} holds no backup of Keepsake.`)
      await mkdir(dir, { recursive: true, mode: 0o700 })
      const foreign = (await readdir(dir)).filter(name => name !== 'lock')
      if (foreign.length > 0) throw new Trouble(`${dir} holds other things (${foreign.slice(0, 3).join(', ')}).`)
      await writeFile(mark, `${JSON.stringify({ format: 'keepsake-backup', version: formatVersion })}\n`)
    }
    const said = JSON.parse(readFileSync(mark, 'utf8')) as { format?: string; version?: number }
    if (said.format !== 'keepsake-backup' || (said.version ?? 0) > formatVersion)
      throw new Trouble(`The backup in ${dir} was made by a newer Keepsake.`)
    await mkdir(path.join(dir, 'snapshots'), { recursive: true })
    return new BackupFolder(dir)
  }

  /** Takes the lock; answers how to give it back. A lock of a process that is gone is taken over. */
  async lock(): Promise<() => Promise<void>> {
    const file = path.join(this.dir, 'lock')
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await writeFile(file, String(process.pid), { flag: 'wx' })
        return () => rm(file, { force: true })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const pid = Number(readFileSync(file, 'utf8'))
      if (pid > 0 && isAlive(pid)) throw new Trouble(`Another command (process ${pid}) works on ${this.dir}.`)
      await rm(file, { force: true })
    }
    throw new Trouble(`${this.dir} is locked.`)
  }

  /** Finished snapshots, oldest first. */
  async snapshots(): Promise<Manifest[]> {
    const found: Manifest[] = []
    for (const name of (await readdir(path.join(this.dir, 'snapshots'))).sort())
      if (!name.startsWith('.'))
        found.push(
          JSON.parse(readFileSync(path.join(this.dir, 'snapshots', name, 'manifest.json'), 'utf8')) as Manifest,
        )
    return found
  }

  snapshotFile(id: string, name: string): string {
    return path.join(this.dir, 'snapshots', id, name)
  }

  objectFile(name: string): string {
    return path.join(this.dir, 'objects', name.slice(0, 2), name)
  }

  /** The objects of a snapshot, one after another; none where an interrupted backup left no list. */
  async *entries(id: string): AsyncGenerator<ObjectEntry> {
    const file = this.snapshotFile(id, 'objects.ndjson')
    if (!existsSync(file)) return
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity }))
      if (line !== '') yield JSON.parse(line) as ObjectEntry
  }

  /** Begins a snapshot's folder; what interrupted ones left is removed. */
  async begin(id: string): Promise<string> {
    const all = path.join(this.dir, 'snapshots')
    for (const name of await readdir(all)) if (name.startsWith('.')) await rm(path.join(all, name), { recursive: true })
    const partial = `.${id}`
    await mkdir(path.join(all, partial), { mode: 0o700 })
    return partial
  }

  /** The snapshot is whole from here on. */
  async finish(partial: string, manifest: Manifest): Promise<void> {
    await writeWhole(this.snapshotFile(partial, 'manifest.json'), JSON.stringify(manifest, null, 1))
    await rename(path.join(this.dir, 'snapshots', partial), path.join(this.dir, 'snapshots', manifest.id))
    await syncFolder(path.join(this.dir, 'snapshots'))
  }

  /** Removes sealed objects that `keep` does not name; says how many. */
  async prune(keep: ReadonlySet<string>): Promise<number> {
    let removed = 0
    const root = path.join(this.dir, 'objects')
    if (!existsSync(root)) return 0
    for (const part of await readdir(root))
      for (const name of await readdir(path.join(root, part)))
        if (!keep.has(name)) {
          await unlink(path.join(root, part, name))
          if (!/\.(json|part)$/.test(name)) removed++
        }
    return removed
  }
}

/** Writes chunks to a file that is there whole or not at all, and flushed; answers size and SHA-256. */
export async function writeStream(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  await mkdir(path.dirname(file), { recursive: true })
  const part = `${file}.part`
  const hash = createHash('sha256')
  let bytes = 0
  const target = await open(part, 'w', 0o600)
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted()
      hash.update(chunk)
      bytes += chunk.length
      await target.writeFile(chunk)
    }
    await target.sync()
  } catch (error) {
    await target.close()
    await rm(part, { force: true })
    throw error
  }
  await target.close()
  await rename(part, file)
  return { bytes, sha256: hash.digest('hex') }
}

/** SHA-256 and size of a file; undefined where there is none. */
export async function digestOf(file: string): Promise<{ bytes: number; sha256: string } | undefined> {
  if (!(await stat(file).catch(() => undefined))) return undefined
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeStream(
    file,
    (async function* () {
      yield Buffer.from(text)
    })(),
  )
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r')
  await folder.sync().catch(() => undefined)
  await folder.close()
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
