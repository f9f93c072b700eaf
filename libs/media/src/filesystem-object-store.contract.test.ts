import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { skipUnless } from '@keepsake/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { FilesystemObjectStore, openObjectStore } from './index.js'
import { objectStoreContract } from './testing/object-store-contract.js'

const urlKey = 'a secret of at least 16 characters'
const type = { contentType: 'image/jpeg' }
const folders: string[] = []

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keepsake-store-'))
  folders.push(folder)
  return folder
}

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

objectStoreContract('filesystem', async () => {
  const root = await mkdtemp(join(tmpdir(), 'keepsake-store-'))
  const store = openObjectStore({ KEEPSAKE_OBJECTS: pathToFileURL(root).href, KEEPSAKE_OBJECTS_URL_KEY: urlKey })
  return { store, close: () => rm(root, { recursive: true, force: true }) }
})

describe('filesystem adapter', () => {
  test('leaves no temporary file, no empty folder, and sweeps what a crash left', async () => {
    const root = await temporaryFolder()
    const store = new FilesystemObjectStore({ root, urlKey })
    await store.put('a/b/c', Buffer.from('x'), type)
    const left = join(root, 'tmp', 'left-by-a-crash')
    await writeFile(left, 'x')
    await utimes(left, new Date(0), new Date(0))
    await new FilesystemObjectStore({ root, urlKey }).put('a/b/d', Buffer.from('x'), type)
    expect(await readdir(join(root, 'tmp'))).toEqual([])
    await store.removePrefix('a/')
    expect(await readdir(join(root, 'objects'))).toEqual([])
    expect(await readdir(join(root, 'types'))).toEqual([])
  })

  test('a lost content type is told from the bytes', async () => {
    const root = await temporaryFolder()
    const store = new FilesystemObjectStore({ root })
    await store.put('a/x', Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1'), { contentType: 'image/png' })
    await rm(join(root, 'types'), { recursive: true })
    expect(await store.stat('a/x')).toMatchObject({ contentType: 'image/png' })
  })

  test('an address that is no folder is refused at once', () => {
    const wrong = expect.objectContaining({ reason: 'OBJECTS_ADDRESS_INVALID' }) as Error
    expect(() => openObjectStore({})).toThrow(wrong)
    expect(() => openObjectStore({ KEEPSAKE_OBJECTS: 'ftp://bucket' })).toThrow(wrong)
    const store = openObjectStore({ KEEPSAKE_OBJECTS: 'file:///nowhere' })
    expect(() => store.signedUrl('a', { method: 'GET', expiresInS: 1 })).toThrow('KEEPSAKE_OBJECTS_URL_KEY')
  })
})

const small = mountedTmpfs()
skipUnless(small, 'a tmpfs cannot be mounted here (needs root)').describe('a small disk', () => {
  test('that is full says so, keeps what it has, and works again when there is room', async () => {
    const mount = small ?? ''
    try {
      const store = new FilesystemObjectStore({ root: join(mount, 'store') })
      await store.put('a/kept', Buffer.alloc(300_000, 1), type)
      await expect(store.put('a/large', Buffer.alloc(2_000_000), type)).rejects.toMatchObject({
        reason: 'STORAGE_FULL',
        code: 'RESOURCE_EXHAUSTED',
        retryable: true,
      })
      expect(await store.stat('a/large')).toBeUndefined()
      expect(await store.stat('a/kept')).toMatchObject({ size: 300_000 })
      expect(await readdir(join(mount, 'store', 'tmp'))).toEqual([])
      await store.put('a/small', Buffer.alloc(100_000), type)

      execFileSync('mount', ['-o', 'remount,ro', mount])
      await expect(store.put('a/more', Buffer.alloc(1), type)).rejects.toMatchObject({ reason: 'STORAGE_READ_ONLY' })
      await expect(store.remove('a/kept')).rejects.toMatchObject({ reason: 'STORAGE_READ_ONLY' })
      expect(await store.stat('a/kept')).toMatchObject({ size: 300_000 })
    } finally {
      execFileSync('umount', [mount])
    }
  })
})

/** A 1 MiB disk, or undefined where this user may not mount one. */
function mountedTmpfs(): string | undefined {
  try {
    const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    return undefined
  }
}
