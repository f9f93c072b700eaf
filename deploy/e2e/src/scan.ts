import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Snapshot } from '@keepsake/db'

/** Something that must not be found: a name for the message, and its bytes. */
export interface Needle {
  readonly what: string
  readonly bytes: Buffer
}

/** Where to look for needles. */
export interface Haystack {
  /** A database's address; every table of every schema of ours is read, the events' tables with their dead letters too. */
  readonly database: string
  /** Folders that are read file by file, and which of their files (default: all). */
  readonly folders: readonly { readonly path: string; readonly only?: RegExp }[]
}

const schemas = ['events', 'family', 'ingest', 'album', 'face', 'cluster', 'rating', 'render', 'gateway', 'db']

/** A text as a needle. */
export const text = (what: string, value: string): Needle => ({ what, bytes: Buffer.from(value) })

/** Some bytes out of a file that no other file has: 48 of them at `at` of its length (0 to 1). */
export async function inside(what: string, file: string, at = 0.5): Promise<Needle> {
  const bytes = await readFile(file)
  const first = Math.floor((bytes.length - 48) * at)
  return { what, bytes: bytes.subarray(first, first + 48) }
}

/** Every place that holds one of the needles: `NEEDLE in PLACE`. */
export async function found({ database, folders }: Haystack, needles: readonly Needle[]): Promise<string[]> {
  const places = await foundInDatabase(database, needles)
  for (const { path: folder, only } of folders) places.push(...(await foundInFiles(folder, needles, only)))
  return places
}

/** Every file below a folder that holds one of the needles, and which. */
export async function foundInFiles(folder: string, needles: readonly Needle[], only = /^/): Promise<string[]> {
  const places: string[] = []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(nothing)
  for (const entry of entries) {
    if (!entry.isFile() || !only.test(entry.name)) continue
    const file = path.join(entry.parentPath, entry.name)
    const bytes = await readFile(file).catch(() => Buffer.alloc(0)) // a file that is gone by now
    for (const needle of needles) if (bytes.includes(needle.bytes)) places.push(`${needle.what} in ${file}`)
  }
  return places
}

/** A store removes a folder with the last that was in it. */
function nothing(error: unknown): [] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
  throw error
}

/** Every table with a row that holds one of the needles: as text, or as hex, which is how bytea is written. */
async function foundInDatabase(url: string, needles: readonly Needle[]): Promise<string[]> {
  const moment = await Snapshot.open(url, schemas)
  try {
    if (moment.tables.length < 50) throw new Error(`the scan sees too few tables: ${moment.tables.length}`)
    const places = new Set<string>()
    for (const table of moment.tables)
      for await (const rows of moment.rows(table, []))
        for (const { row } of rows)
          for (const { what, bytes } of needles)
            if (row.includes(bytes.toString('utf8')) || row.includes(bytes.toString('hex')))
              places.add(`${what} in ${table.name}`)
    return [...places]
  } finally {
    await moment.close()
  }
}

/** Every file below a folder in whose path a word stands, an item's id for one. */
export async function pathsWith(folder: string, word: string): Promise<string[]> {
  const paths = await readdir(folder, { recursive: true }).catch(nothing)
  return paths.filter(each => each.includes(word))
}
