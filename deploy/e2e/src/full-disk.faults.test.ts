import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, statfsSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { skipUnless, until } from '@keepsake/testing'
import { afterEach, expect } from 'vitest'
import { Album } from './album.js'
import { allMedia, settled, upload } from './album-client.js'
import type { Family, Media } from './api-types.js'
import { pictureFolder } from './pictures.js'

const MiB = 2 ** 20
/** What the first upload finds: less than it needs, and enough for the database to write down that it was refused. */
const room = 32 * MiB
/** What the second one finds: not even the database has room to write. */
const hardlyAny = 40 * 1024

const root = process.getuid?.() === 0 && process.platform === 'linux'
const { describe, test } = skipUnless(root, 'only root can mount a small disk')
describe('a full disk', () => {
  let disk: string
  const large = path.join(tmpdir(), `keepsake-large-${process.pid}.jpg`)
  afterEach(async () => {
    await rm(large, { force: true })
    execFileSync('umount', ['-l', disk])
    await rm(disk, { recursive: true, force: true })
  })

  test('a disk that fills up: the upload is refused in words, what was there stays, and with room again it goes on', async () => {
    disk = await mkdtemp(path.join(tmpdir(), 'keepsake-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1200m', 'tmpfs', disk])
    const album = await Album.start({ home: path.join(disk, 'home') })
    try {
      const api = await album.signIn()
      const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
      const files = await pictureFolder(path.join(disk, 'pictures'), 4)
      const kept = await upload(api, family, files[0] ?? '')
      await settled(api, family)
      const ballast = path.join(disk, 'ballast')
      const fill = (left: number) => {
        const { bavail, bsize } = statfsSync(disk)
        const more = bavail * bsize - left
        const from = existsSync(ballast) ? statSync(ballast).size : 0
        if (more > 0) execFileSync('fallocate', ['-o', String(from), '-l', String(more), ballast])
      }
      const problemOf = (file: string) =>
        upload(api, family, file).then(
          () => 'it was accepted',
          (error: Error) => error.message,
        )
      fill(room)
      await writeFile(large, Buffer.concat([await readFile(files[1] ?? ''), randomBytes(2 * room)]))
      expect(await problemOf(large)).toMatch(/full|space|room/i)
      await rm(ballast)
      await until(async () => (await upload(api, family, files[2] ?? '')) !== kept, {
        deadlineMs: 60_000,
        everyMs: 500,
      })

      fill(hardlyAny)
      expect(await problemOf(large)).not.toBe('it was accepted')
      // The database may have thrown a file away meanwhile.
      fill(hardlyAny)
      expect(await problemOf(files[3] ?? '')).not.toBe('it was accepted')
      await rm(ballast)
      await until(async () => (await upload(api, family, files[3] ?? '')) !== kept, {
        deadlineMs: 60_000,
        everyMs: 500,
      })
      await settled(api, family)
      expect((await allMedia(api, family)).every(media => media.state === 'ready')).toBe(true)
      expect((await api.get<Media>(`/v1/families/${family}/media/${kept}`)).state).toBe('ready')
    } finally {
      await album.stop()
    }
  }, 240_000)
})
