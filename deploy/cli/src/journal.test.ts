import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Journal } from './journal.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'keepsake-journal-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const file = { relativePath: 'a.jpg', size: 3, modified: 7 }

test('a second run knows what the first one finished, under the same import', async () => {
  const first = await Journal.open(dir, 'f', ['/photos'])
  await first.put({ ...file, uploadUrl: 'http://x/1' })
  await first.put({ ...file, mediaId: 'm1' })
  const second = await Journal.open(dir, 'f', ['/photos'])
  expect(second.importId).toBe(first.importId)
  expect(second.get(file)).toMatchObject({ mediaId: 'm1' })
  expect(second.get({ ...file, size: 4 })).toBeUndefined()
})

test('a torn last line is ignored and the next line stays whole', async () => {
  const first = await Journal.open(dir, 'f', ['/photos'])
  await first.put({ ...file, mediaId: 'm1' })
  const [name = ''] = await readdir(dir)
  await appendFile(path.join(dir, name), '{"relativePath":"b.j')
  const second = await Journal.open(dir, 'f', ['/photos'])
  expect(second.get(file)).toMatchObject({ mediaId: 'm1' })
  await second.put({ ...file, relativePath: 'c.jpg', mediaId: 'm3' })
  expect((await Journal.open(dir, 'f', ['/photos'])).get({ ...file, relativePath: 'c.jpg' })).toMatchObject({
    mediaId: 'm3',
  })
})

test('another family or another folder has another journal', async () => {
  const one = await Journal.open(dir, 'f', ['/photos'])
  expect((await Journal.open(dir, 'g', ['/photos'])).importId).not.toBe(one.importId)
  expect((await Journal.open(dir, 'f', ['/videos'])).importId).not.toBe(one.importId)
})
