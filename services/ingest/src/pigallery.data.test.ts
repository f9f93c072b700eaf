import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { sharedData, skipUnless } from '@keepsake/testing'
import { expect } from 'vitest'
import { captureTime } from './capture-time.js'
import { fileNameTime } from './file-name-time.js'
import { readImageMetadataFile } from './image-metadata.js'
import { mergeFacts, parseSidecar } from './sidecar.js'

interface Expected {
  skip?: string[]
  creationDate?: number | string
  creationDateOffset?: string
  keywords?: string[]
  rating?: number
  cameraData?: { make?: string; model?: string; ISO?: number }
  positionData?: { GPSData?: { latitude: number; longitude: number } }
}

/** Where Keepsake decides otherwise on purpose, and why. */
const otherwise: Record<string, string> = {
  'edge_case_exif_data/before_epoch.jpg': 'nobody photographed in 1601: the date of digitisation counts',
  'sidecar/20240107_110258.jpg':
    'the sidecar says 11:02:59 local (as the file name does), which pigallery2 reads as UTC',
  'sidecar/20240121_102400.JPG': 'the same',
  'sidecar/20240128_185808.JPG': 'the same',
}

const home = sharedData('pigallery2')
const root = join(home ?? '', 'test_assets')
const { describe, test } = skipUnless(home, '../shared/data/pigallery2 is missing')

const cases = home
  ? readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.json'))
      .flatMap(name => {
        const stem = join(root, name.replace(/\.json$/, ''))
        const image = ['.jpg', '.JPG', '.png', '.heic', '.HEIC'].map(e => stem + e).find(path => existsSync(path))
        return image ? [{ image, json: join(root, name) }] : []
      })
  : []

/** pigallery2 keeps sub-seconds for some files only. */
const seconds = (ms: number) => Math.floor(ms / 1000)

const minutes = (offset: string) => {
  const [, sign, h, m] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? []
  return (Number(h) * 60 + Number(m)) * (sign === '-' ? -1 : 1)
}

describe('pigallery2: NAME.json says what stands in NAME', () => {
  test('there are cases', () => expect(cases.length).toBeGreaterThan(40))
  for (const { image, json } of cases) {
    const name = relative(root, image)
    test(name, async () => {
      const expected = JSON.parse(readFileSync(json, 'utf8')) as Expected
      const embedded = await readImageMetadataFile(image)
      const beside = [`${image}.xmp`, image.replace(/\.[^.]*$/, '.xmp')].find(path => existsSync(path))
      const sidecar = beside ? parseSidecar(basename(beside), readFileSync(beside)) : undefined
      const facts = mergeFacts(embedded, sidecar)
      const taken = captureTime(
        {
          sidecar: sidecar?.readings ?? [],
          embedded: embedded.readings,
          ...(facts.gpsUtcMs !== undefined && { gpsUtcMs: facts.gpsUtcMs }),
          ...(facts.position && { position: facts.position }),
          fileName: fileNameTime(basename(image)),
          ...(facts.modified && { modified: facts.modified }),
          fileDateMs: statSync(image).mtimeMs,
        },
        'UTC',
        Date.UTC(2026, 10, 22),
      )
      const position = expected.positionData?.GPSData
      if (position) {
        expect(facts.position?.latitude).toBeCloseTo(position.latitude, 5)
        expect(facts.position?.longitude).toBeCloseTo(position.longitude, 5)
      } else expect(facts.position).toBeUndefined()
      if (expected.cameraData?.model) expect(facts.model).toBe(expected.cameraData.model)
      // pigallery2 lists a tag with an ampersand twice, once still escaped
      for (const tag of expected.keywords ?? []) expect(facts.tags).toContain(tag.replaceAll('&amp;', '&'))
      if (expected.rating !== undefined) expect(facts.stars).toBe(expected.rating)
      const reason = otherwise[name]
      if (
        reason === undefined &&
        typeof expected.creationDate === 'number' &&
        !expected.skip?.includes('creationDate')
      ) {
        if (expected.creationDateOffset === undefined) {
          expect(seconds(taken.at.getTime() + taken.offsetMinutes * 60_000)).toBe(seconds(expected.creationDate))
        } else {
          expect(seconds(taken.at.getTime())).toBe(seconds(expected.creationDate))
          expect(taken.offsetMinutes).toBe(minutes(expected.creationDateOffset))
        }
      }
    })
  }
})
