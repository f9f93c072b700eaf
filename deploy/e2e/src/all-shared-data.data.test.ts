import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { importFolders, type Api, type ImportResult } from 'keepsake'
import { Journal } from 'keepsake/journal'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album } from './album.js'
import { allMedia } from './album-client.js'
import type { Family, Media } from './api-types.js'

const folder = sharedData()
const { describe, test } = skipUnless(folder, '../shared/data is missing')

describe('all shared photos and videos, imported in one go', () => {
  const data = folder ?? ''
  let album: Album
  let api: Api
  let base: string
  let journals: string
  let result: ImportResult
  let journal: Journal

  beforeAll(async () => {
    album = await Album.start()
    api = await album.signIn()
    const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    base = `/v1/families/${family}`
    await api.patch(base, { faceRecognition: { consent: true, textVersion: 'data' } })
    journals = await mkdtemp(path.join(tmpdir(), 'keepsake-journal-'))
    result = await importFolders({ api, familyId: family, roots: [data], journalDir: journals, wait: true })
    journal = await Journal.open(journals, family, [data])
  }, 2_400_000)
  afterAll(async () => {
    await album?.remove()
    if (journals) await rm(journals, { recursive: true, force: true })
  })

  /** The item that a file of the folder became. */
  const itemOf = async (relative: string): Promise<Media | undefined> => {
    const file = result.found.files.find(found => found.relativePath.endsWith(relative))
    const id = file && journal.get(file)?.mediaId
    return id === undefined ? undefined : api.get<Media>(`${base}/media/${id}`)
  }

  test('no item is left pending, and every broken one is named with its reason', async () => {
    expect(result.processing?.items.pending).toBe(0)
    expect(Object.values(result.processing?.stages ?? {}).map(stage => stage?.pending)).toEqual(
      Object.values(result.processing?.stages ?? {}).map(() => 0),
    )
    const items = await allMedia(api, base.split('/').at(-1) ?? '')
    expect(items.length).toBe(result.processing?.items.total)
    for (const item of items.filter(each => each.state !== 'ready')) {
      expect(item.state).toBe('failed')
      expect(item.stateReason?.code, item.fileName).toMatch(/^[A-Z_]+$/)
      expect(item.stateReason?.message.length, item.fileName).toBeGreaterThan(10)
    }
    console.log(
      `${items.length} items, ${result.duplicates} duplicates, ${result.joined} joined another; not ready:\n${result.failures.map(f => `  ${f.name}: ${f.code} ${f.message}`).join('\n')}`,
    )
    expect(new Set(result.failures.map(failure => failure.name)).size).toBeLessThan(30)
  })

  test('stated face counts of compreface are exact on at least 14 of 18', async () => {
    const misses: string[] = []
    for (const [file = '', faces] of await csv(path.join(data, 'compreface/faces.csv'))) {
      const item = await itemOf(`compreface/${file}`)
      const found = item?.faces?.length ?? -1
      if (found !== Number(faces)) misses.push(`${file}: ${found} instead of ${faces}`)
    }
    console.log(`compreface misses: ${misses.join('; ') || 'none'}`)
    expect(misses.length).toBeLessThanOrEqual(4)
  })

  test('every video has the duration that ExifTool reads, or is named as broken', async () => {
    // A file of sound alone is no video, and one is damaged on purpose.
    const named: Record<string, string> = {
      'decord__corrupted.mp4': 'CORRUPT',
      'mediabunny__multiple-aac-tracks.mp4': 'NO_PICTURE',
    }
    const rows = (await csv(path.join(data, 'videos/exiftool.csv'))).filter(row => !row[0]?.endsWith('.csv'))
    const differing: string[] = []
    for (const row of rows) {
      const item = await itemOf(`videos/${row[0]}`)
      const code = item?.state === 'ready' ? undefined : (item?.stateReason?.code ?? 'no item')
      if (code !== named[row[0] ?? '']) differing.push(`${row[0]}: ${code}`)
      if (code !== undefined) continue
      const expected = seconds(row.at(-1) ?? '')
      // The header of a fragmented file says 0; ExifTool reads no further.
      if (expected && Math.abs((item?.duration ?? 0) - expected) > Math.max(0.1, expected * 0.02))
        differing.push(`${row[0]}: ${item?.duration} s instead of ${expected} s`)
    }
    expect(differing).toEqual([])
  })

  test('sizes after orientation are those of ExifTool', async () => {
    const differing: string[] = []
    for (const set of ['immich_assets', 'exif_samples']) {
      for (const [file = '', , width, height, orientation, rotation] of await csv(
        path.join(data, set, 'exiftool.csv'),
      )) {
        const item = await itemOf(`${set}/${file}`)
        if (!item || item.state !== 'ready' || !Number(width) || !Number(height)) continue
        const sides = [Number(width), Number(height)].sort((a, b) => a - b)
        if ([item.width, item.height].sort((a, b) => a - b).join() !== sides.join())
          differing.push(
            `${set}/${file}: ${item.width}x${item.height} instead of ${width}x${height} (${orientation}/${rotation})`,
          )
      }
    }
    expect(differing).toEqual([])
  })
})

/** `1`, `2.5`, `00:00:02.2` or `1 s` in seconds. */
function seconds(text: string): number | undefined {
  if (text.trim() === '') return undefined
  const parts = text.replace(' s', '').split(':').map(Number)
  return parts.some(Number.isNaN) ? undefined : parts.reduce((sum, part) => sum * 60 + part, 0)
}

async function csv(file: string): Promise<string[][]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n').slice(1)
  return lines.map(line => line.trim().split(','))
}
