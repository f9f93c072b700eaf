import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findFiles } from './files.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'keepsake-files-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const put = async (name: string, bytes: string | Buffer = 'x') => {
  await mkdir(path.dirname(path.join(dir, name)), { recursive: true })
  await writeFile(path.join(dir, name), bytes)
}
const roles = async () => Object.fromEntries((await findFiles([dir])).files.map(file => [file.relativePath, file.role]))

test('photos, videos and the sidecars beside them are found, everything else is ignored and counted', async () => {
  for (const name of ['a/IMG_1.HEIC', 'a/IMG_1.MOV', 'a/IMG_1.xmp', 'b.jpg', 'b.jpg.json', 'c.PNG', 'c.json'])
    await put(name)
  for (const name of [
    'labels.csv',
    'other.json',
    'lonely.xmp',
    'notes.txt',
    '._b.jpg',
    '.thumbnails/t.jpg',
    'a/Thumbs.db',
  ])
    await put(name)
  expect(await roles()).toEqual({
    'a/IMG_1.HEIC': 'photo',
    'a/IMG_1.MOV': 'video',
    'a/IMG_1.xmp': 'sidecar',
    'b.jpg': 'photo',
    'b.jpg.json': 'sidecar',
    'c.PNG': 'photo',
    'c.json': 'sidecar',
  })
  expect((await findFiles([dir])).ignored.sort()).toEqual([
    '._b.jpg',
    'a/Thumbs.db',
    'labels.csv',
    'lonely.xmp',
    'notes.txt',
    'other.json',
  ])
})

test('a photo that lost its ending is recognised by its first bytes', async () => {
  await put('IMG_0001', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]))
  await put('README', 'just words')
  expect(await roles()).toEqual({ IMG_0001: 'photo' })
})

test('loops and doubles made of symbolic links end, and a dangling link is named', async () => {
  await put('one/a.jpg')
  await symlink(dir, path.join(dir, 'one', 'loop'))
  await symlink(path.join(dir, 'one'), path.join(dir, 'two'))
  await symlink(path.join(dir, 'one', 'a.jpg'), path.join(dir, 'b.jpg'))
  await symlink('nowhere', path.join(dir, 'gone.jpg'))
  await symlink('self', path.join(dir, 'self'))
  const found = await findFiles([dir])
  expect(found.files).toHaveLength(1)
  expect(found.unreadable.map(each => each.relativePath).sort()).toEqual(['gone.jpg', 'self'])
})

test('a link to a folder above the imported one is not followed, and that folder can be imported too', async () => {
  await put('album/a.jpg')
  await put('album/deep/b.jpg')
  await put('private.jpg')
  await symlink(dir, path.join(dir, 'album', 'deep', 'up'))
  const album = path.join(dir, 'album')
  expect((await findFiles([album])).files.map(file => file.relativePath)).toEqual(['a.jpg', 'deep/b.jpg'])
  expect((await findFiles([album, dir])).files).toHaveLength(3)
})

test('several folders keep their names apart, and one file can be named', async () => {
  await put('x/a.jpg')
  await put('y/a.jpg', 'y')
  const found = await findFiles([path.join(dir, 'x'), path.join(dir, 'y')])
  expect(found.files.map(file => file.relativePath)).toEqual(['x/a.jpg', 'y/a.jpg'])
  expect((await findFiles([path.join(dir, 'x/a.jpg')])).files.map(file => file.relativePath)).toEqual(['a.jpg'])
})

test('a file without an ending that cannot be read is named, and the others are found', async () => {
  await put('a.jpg')
  await put('z.jpg')
  // Opens, is a file, and gives an error at the first byte, whoever asks.
  await symlink('/proc/self/mem', path.join(dir, 'mem'))
  const { files, unreadable } = await findFiles([dir])
  expect(files.map(file => file.relativePath)).toEqual(['a.jpg', 'z.jpg'])
  expect(unreadable.map(file => file.relativePath)).toEqual(['mem'])
})
