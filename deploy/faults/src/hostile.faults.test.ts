import path from 'node:path'
import { Album } from '@keepsake/e2e/album'
import { settled, upload } from '@keepsake/e2e/album-client'
import type { Family, Media } from '@keepsake/e2e/api-types'
import { pictureFolder } from '@keepsake/e2e/pictures'
import { makeHostileCorpus, makeLinkTraps, type HostileFile } from '@keepsake/media/testing/hostile-corpus'
import { treePssMiB } from '@keepsake/testing'
import { importFolders, type Api } from 'keepsake'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** Node and its children (without Postgres) may take so much while the corpus is worked on, MiB. */
const mostMemoryMiB = 2_500
const uploadsAtOnce = 4

describe('hostile files end in a clear state, each for itself', () => {
  let album: Album
  let api: Api
  let family: string
  let corpus: HostileFile[]
  const outcomes = new Map<HostileFile, { state: string; code: string; message: string }>()
  let neighbours: string[]
  let highest = 0

  beforeAll(async () => {
    album = await Album.start()
    api = await album.signIn()
    family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'faults' } })
    corpus = await makeHostileCorpus(path.join(album.home, 'hostile'))
    const good = await pictureFolder(path.join(album.home, 'pictures'), 12)
    const watch = setInterval(() => (highest = Math.max(highest, treePssMiB(album.pid))), 1_000)
    neighbours = []
    const ids = new Map<HostileFile, string>()
    const queue = corpus.map((file, index) => ({ file, neighbour: index % 10 === 0 ? good[index / 10] : undefined }))
    await Promise.all(
      Array.from({ length: uploadsAtOnce }, async () => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const { file, neighbour } = next
          try {
            ids.set(file, await upload(api, family, file.path, { filename: file.name }))
          } catch (error) {
            outcomes.set(file, refusal(error as Error))
          }
          if (neighbour) neighbours.push(await upload(api, family, neighbour))
        }
      }),
    )
    await settled(api, family, 400_000)
    clearInterval(watch)
    for (const [file, id] of ids) {
      const item = await api.get<Media>(`/v1/families/${family}/media/${id}`)
      outcomes.set(file, {
        state: item.state,
        code: item.stateReason?.code ?? '',
        message: item.stateReason?.message ?? '',
      })
    }
  }, 600_000)
  afterAll(() => album?.remove())

  test('there are at least 60 of them, and every one ends ready, failed or refused as it should', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(60)
    const wrong = corpus.flatMap(file => {
      const outcome = outcomes.get(file)
      const got = outcome?.state === 'ready' ? 'ready' : outcome?.code
      return file.expect.some(each => each === got)
        ? []
        : [`${file.name} (${file.why}): ${got} instead of ${file.expect.join(' or ')}`]
    })
    expect(wrong).toEqual([])
  })

  test('every failure is a sentence that a parent understands', () => {
    for (const [file, outcome] of outcomes)
      if (outcome.state !== 'ready') {
        expect(outcome.message, file.name).toMatch(/^[A-Z].{15,}[.!]$/)
        expect(outcome.message, file.name).not.toMatch(/Error|undefined|null|0x|\bat \//)
      }
  })

  test('their neighbours are ready', async () => {
    expect(neighbours.length).toBeGreaterThanOrEqual(6)
    for (const id of neighbours)
      expect((await api.get<Media>(`/v1/families/${family}/media/${id}`)).state).toBe('ready')
  })

  test('memory stays bounded', () => {
    console.log(`highest PSS of Node and its children ${highest.toFixed(0)} MiB`)
    expect(highest).toBeGreaterThan(0)
    expect(highest).toBeLessThan(mostMemoryMiB)
  })

  test('links and loops in a folder end: a photo is taken once, a link to what is no photo is named, none leads upwards', async () => {
    const folder = path.join(album.home, 'links')
    await makeLinkTraps(folder)
    const result = await importFolders({
      api,
      familyId: family,
      roots: [folder],
      journalDir: path.join(album.home, 'journal'),
      wait: true,
    })
    expect(result.found.files.map(file => path.basename(file.path)).sort()).toEqual(['passwd.jpg', 'photo.jpg'])
    expect(result.mediaIds).toHaveLength(2)
    expect(result.failures.map(failure => failure.code).sort()).toEqual(['NOT_MEDIA', 'UNREADABLE', 'UNREADABLE'])
  })
})

/** What a refused upload answered: the problem of the API inside the error's message. */
function refusal(error: Error): { state: string; code: string; message: string } {
  const problem = JSON.parse(/\{.*\}$/s.exec(error.message)?.[0] ?? '{}') as { code?: string; detail?: string }
  return { state: 'refused', code: problem.code ?? error.message, message: problem.detail ?? error.message }
}
