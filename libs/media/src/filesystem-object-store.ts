import { createHash, randomUUID } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import {
  access,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { KeepsakeError } from '@keepsake/rpc'
import { mediaError } from './errors.js'
import { requireFits } from './put-limits.js'
import { requireObjectKey, requirePrefix } from './object-key.js'
import type {
  ByteRange,
  ComposeOptions,
  GetOptions,
  ObjectEntry,
  ObjectPart,
  ObjectStat,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoredObject,
} from './object-store.js'
import { sniff } from './sniff.js'
import { signObjectUrl } from './signed-url.js'

/** What the filesystem adapter needs. */
export interface FilesystemObjectStoreOptions {
  /** Folder of everything; made when it is missing. */
  root: string
  /** Secret of signed URLs, at least 16 characters. Without it `signedUrl` fails. */
  urlKey?: string
  /** Put before signed paths; empty (the default) makes URLs relative to the host that serves them. */
  publicUrl?: string
}

/** Bytes read at a time. */
const chunkBytes = 256 * 1024

/** A temporary file older than this (ms) is left over from a crash. */
const staleMs = 24 * 3600 * 1000

/**
 * Objects as plain files: `objects/` holds the bytes under their keys, `types/` the content types, `tmp/` what is being written.
 * A write goes to `tmp/`, is flushed to the disk, then renamed, and the folder is flushed: it is there whole or not at all.
 */
export class FilesystemObjectStore implements ObjectStore {
  private readonly objects: string
  private readonly types: string
  private readonly temporary: string
  private swept = false

  constructor(private readonly options: FilesystemObjectStoreOptions) {
    this.objects = join(options.root, 'objects')
    this.types = join(options.root, 'types')
    this.temporary = join(options.root, 'tmp')
  }

  async put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<StoredObject> {
    requireObjectKey(key)
    return this.write(key, body instanceof Uint8Array ? [body] : body, options)
  }

  get(key: string, options: GetOptions = {}): Readable {
    requireObjectKey(key)
    return readFileRange(this.path(key), options)
  }

  async stat(key: string): Promise<ObjectStat | undefined> {
    requireObjectKey(key)
    try {
      const found = await stat(this.path(key), { bigint: true })
      if (!found.isFile()) return undefined
      return {
        size: Number(found.size),
        contentType: await this.contentType(key),
        // A replaced object is another file (inode) written at another time: no two states share all three.
        etag: `${found.size.toString(36)}-${found.mtimeNs.toString(36)}-${found.ino.toString(36)}`,
        modifiedAt: found.mtime,
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw readFailure(error)
    }
  }

  async compose(
    parts: readonly (string | ObjectPart)[],
    target: string,
    options: ComposeOptions,
  ): Promise<StoredObject> {
    requireObjectKey(target)
    const whole = parts.map(part => (typeof part === 'string' ? { key: part } : part))
    const sizes: number[] = []
    for (const { key, size } of whole) {
      const found = await stat(this.path(requireObjectKey(key))).catch((error: unknown) => {
        throw isMissing(error) ? mediaError('OBJECT_NOT_FOUND', { details: { key } }) : readFailure(error)
      })
      if (size !== undefined && found.size < size) throw mediaError('RANGE_INVALID', { details: { key } })
      sizes.push(found.size)
    }
    const { signal, sha256 } = options
    const [only] = whole
    const [size = 0] = sizes
    if (sha256 !== undefined && only !== undefined && whole.length === 1 && (only.size ?? size) === size) {
      if (await this.adopt(this.path(only.key), target, options)) return { size, sha256 }
    }
    // Every chunk is hashed and written before the next is read: one buffer serves for all, and a big video leaves no garbage.
    const buffer = Buffer.allocUnsafe(chunkBytes)
    const read = (part: ObjectPart) =>
      fileChunks(
        this.path(part.key),
        {
          ...(part.size === undefined ? {} : { range: { start: 0, end: part.size - 1 } }),
          ...(signal ? { signal } : {}),
        },
        size => buffer.subarray(0, size),
      )
    async function* bytes(): AsyncIterable<Uint8Array> {
      for (const part of whole) if (part.size !== 0) yield* read(part)
    }
    return this.write(target, bytes(), { contentType: options.contentType, ...(signal ? { signal } : {}) })
  }

  async remove(key: string): Promise<boolean> {
    requireObjectKey(key)
    try {
      await unlink(this.path(key))
    } catch (error) {
      if (isMissing(error) || isCode(error, 'EISDIR', 'EPERM')) return false
      throw writeFailure(error)
    }
    await unlink(join(this.types, key)).catch((error: unknown) => {
      if (!isMissing(error)) throw writeFailure(error)
    })
    await prune(this.objects, dirname(this.path(key)))
    await prune(this.types, dirname(join(this.types, key)))
    return true
  }

  async removePrefix(prefix: string): Promise<number> {
    requirePrefix(prefix, false)
    let removed = 0
    for await (const entry of this.list(prefix)) if (await this.remove(entry.key)) removed++
    return removed
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    requirePrefix(prefix, true)
    yield* walk(join(this.objects, prefix), prefix)
  }

  signedUrl(key: string, options: SignedUrlOptions): string {
    const { urlKey, publicUrl } = this.options
    if (urlKey === undefined || urlKey.length < 16) {
      throw new KeepsakeError({
        code: 'FAILED_PRECONDITION',
        reason: 'OBJECTS_URL_KEY_MISSING',
        message: 'Signed links need KEEPSAKE_OBJECTS_URL_KEY, a secret of at least 16 characters.',
      })
    }
    return signObjectUrl(urlKey, publicUrl ?? '', key, options)
  }

  async withFile<T>(key: string, fn: (path: string) => Promise<T>, options: { signal?: AbortSignal } = {}): Promise<T> {
    options.signal?.throwIfAborted()
    const path = this.path(requireObjectKey(key))
    await access(path, constants.R_OK).catch((error: unknown) => {
      throw readFailure(error)
    })
    return fn(path)
  }

  private path(key: string): string {
    return join(this.objects, key)
  }

  private async contentType(key: string): Promise<string> {
    try {
      return await readFile(join(this.types, key), 'utf8')
    } catch {
      // The type is not flushed with the bytes; after a crash of the machine the bytes themselves tell.
      const sniffed = sniff(await firstBytes(this.path(key)))
      return 'contentType' in sniffed ? sniffed.contentType : 'application/octet-stream'
    }
  }

  private async write(
    key: string,
    body: AsyncIterable<unknown> | Iterable<Uint8Array>,
    options: PutOptions,
  ): Promise<StoredObject> {
    const temporary = join(this.temporary, randomUUID())
    try {
      await this.sweep()
      const stored = await writeFlushed(temporary, body, options)
      await this.place(temporary, this.path(key), options.ifAbsent === true)
      if (options.partOf === undefined) await this.writeType(key, options.contentType) // nobody reads a part
      return stored
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw writeFailure(error)
    }
  }

  /**
   * Gives a file that is on the disk another name: objects are replaced, never written into, so that two may be one file. False where the
   * filesystem has one name a file.
   */
  private async adopt(file: string, key: string, options: ComposeOptions): Promise<boolean> {
    options.signal?.throwIfAborted()
    try {
      await this.name(this.path(key), to =>
        link(file, to).catch((error: unknown) =>
          isCode(error, 'EEXIST') ? this.replaceByLink(file, to) : Promise.reject(error as Error),
        ),
      )
      await this.writeType(key, options.contentType)
      return true
    } catch (error) {
      if (isCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK')) return false
      throw writeFailure(error)
    }
  }

  private async replaceByLink(file: string, to: string): Promise<void> {
    const temporary = join(this.temporary, randomUUID())
    try {
      await inFolder(temporary, () => link(file, temporary))
      await rename(temporary, to)
    } finally {
      // Renaming one name of a file onto another of the same file leaves both (POSIX rename).
      await rm(temporary, { force: true }).catch(() => undefined)
    }
  }

  private async writeType(key: string, contentType: string): Promise<void> {
    const path = join(this.types, key)
    const temporary = join(this.temporary, randomUUID())
    await inFolder(temporary, () => writeAll(temporary, contentType))
    await intoFolder(path, () => rename(temporary, path))
  }

  private async place(from: string, to: string, ifAbsent: boolean): Promise<void> {
    await this.name(to, async () => {
      if (!ifAbsent) return rename(from, to)
      await link(from, to).catch((error: unknown) => {
        throw isCode(error, 'EEXIST') ? mediaError('OBJECT_EXISTS') : error
      })
      await unlink(from)
    })
  }

  /** Has `act` give a file the name `to`, and the name on the disk when it returns. */
  private async name(to: string, act: (to: string) => Promise<void>): Promise<void> {
    const made = await intoFolder(to, () => act(to))
    // The name is only as durable as the folder that holds it, and that folder's name as durable as its own.
    for (let folder = dirname(to); ; folder = dirname(folder)) {
      await flushFolder(folder)
      if (folder === this.objects || made === undefined || folder === dirname(made)) break
    }
  }

  /** Once per process: what a crash left in `tmp/`. */
  private async sweep(): Promise<void> {
    if (this.swept) return
    this.swept = true
    const names = await readdir(this.temporary).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    for (const name of names) {
      const path = join(this.temporary, name)
      const found = await lstat(path).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > staleMs) await rm(path, { force: true }).catch(() => undefined)
    }
  }
}

/** Writes the bytes, counts and hashes them, and has them on the disk when it returns. */
async function writeFlushed(
  path: string,
  body: AsyncIterable<unknown> | Iterable<Uint8Array>,
  options: PutOptions,
): Promise<StoredObject> {
  const hash = createHash('sha256')
  let size = 0
  const file = await inFolder(path, () => open(path, 'wx', 0o640))
  try {
    for await (const chunk of body) {
      options.signal?.throwIfAborted()
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
      size += bytes.byteLength
      requireFits(size, options)
      hash.update(bytes)
      await writeChunk(file, bytes)
    }
    options.signal?.throwIfAborted()
    await file.sync()
  } finally {
    await file.close()
  }
  return { size, sha256: hash.digest('hex') }
}

async function writeChunk(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done)
    done += bytesWritten
  }
}

async function writeAll(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o640)
  try {
    await file.write(text)
  } finally {
    await file.close()
  }
}

/** Runs `act`, which makes something in the folder of `path`: nearly always it is there. */
async function inFolder<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    await mkdir(dirname(path), { recursive: true })
    return act()
  }
}

/** Makes the folder of `path` and runs `act`; again when a neighbour's removal took the empty folder away in between. Gives the first folder made. */
async function intoFolder(path: string, act: () => Promise<void>): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const made = await mkdir(dirname(path), { recursive: true })
    try {
      await act()
      return made
    } catch (error) {
      if (attempt === 5 || !isCode(error, 'ENOENT')) throw error
    }
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined) // Windows cannot open folders and needs no flush
  try {
    await folder?.sync()
  } catch (error) {
    if (!isCode(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR')) throw error
  } finally {
    await folder?.close()
  }
}

function readFileRange(path: string, options: GetOptions): Readable {
  const chunks = fileChunks(path, options, size => Buffer.allocUnsafe(size))
  return Readable.from(chunks, { objectMode: false, highWaterMark: chunkBytes })
}

/** The bytes of a file, at most `chunkBytes` at a time, each chunk in what `bufferOf` gives for its size. */
async function* fileChunks(
  path: string,
  { range, signal }: GetOptions,
  bufferOf: (size: number) => Buffer,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted()
  const file = await open(path, 'r').catch((error: unknown) => {
    throw readFailure(error)
  })
  try {
    const found = await file.stat()
    if (!found.isFile()) throw mediaError('OBJECT_NOT_FOUND')
    const { from, to } = requireRange(range, found.size)
    for (let at = from; at < to;) {
      signal?.throwIfAborted()
      const buffer = bufferOf(Math.min(chunkBytes, to - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0)
        throw mediaError('STORAGE_FAILED', { message: 'A stored file became shorter while it was read.' })
      yield buffer.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}

function requireRange(range: ByteRange | undefined, size: number): { from: number; to: number } {
  if (!range) return { from: 0, to: size }
  const { start, end } = range
  const wrong = !Number.isSafeInteger(start) || start < 0 || start >= size || (end !== undefined && !(end >= start))
  if (wrong) throw mediaError('RANGE_INVALID', { details: { size: String(size) } })
  return { from: start, to: end === undefined ? size : Math.min(size, end + 1) }
}

async function firstBytes(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(4096)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Depth first in the order of the keys: a folder sorts as its name and a slash. */
async function* walk(folder: string, prefix: string): AsyncIterable<ObjectEntry> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (isMissing(error)) return
    throw readFailure(error)
  }
  const sorted = entries.map(entry => ({ entry, name: entry.isDirectory() ? `${entry.name}/` : entry.name }))
  sorted.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { entry, name } of sorted) {
    if (entry.isDirectory()) yield* walk(join(folder, entry.name), prefix + name)
    else if (entry.isFile()) {
      const found = await stat(join(folder, entry.name)).catch(() => undefined)
      if (found) yield { key: prefix + name, size: found.size, modifiedAt: found.mtime }
    }
  }
}

/** Removes empty folders from `folder` upwards, never the root. */
async function prune(root: string, folder: string): Promise<void> {
  for (let at = folder; at.length > root.length; at = dirname(at)) {
    try {
      await rmdir(at)
    } catch (error) {
      if (!isMissing(error)) return
    }
  }
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

function isMissing(error: unknown): boolean {
  return isCode(error, 'ENOENT', 'ENOTDIR')
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}

function writeFailure(error: unknown): unknown {
  if (KeepsakeError.is(error)) return error
  if (isAbort(error)) return KeepsakeError.from(error)
  if (isCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) return mediaError('STORAGE_FULL', { cause: error })
  if (isCode(error, 'EROFS', 'EACCES', 'EPERM')) return mediaError('STORAGE_READ_ONLY', { cause: error })
  // The body's own failure (a broken upload) is the caller's business and passes as it is.
  return error instanceof Error && 'syscall' in error ? mediaError('STORAGE_FAILED', { cause: error }) : error
}

function readFailure(error: unknown): unknown {
  if (KeepsakeError.is(error) || isAbort(error)) return KeepsakeError.from(error)
  return isMissing(error) ? mediaError('OBJECT_NOT_FOUND') : mediaError('STORAGE_FAILED', { cause: error })
}
