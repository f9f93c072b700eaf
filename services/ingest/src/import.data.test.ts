import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join, relative } from 'node:path'
import type { Media } from '@keepsake/proto/ingest/v1'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { openHarness, type Harness } from './testing/harness.js'
import { readExifTool, seconds, wallMs, type ExifToolRow } from './testing/exiftool.js'

const MEDIA = /\.(?:jpe?g|png|webp|heic|heif|avif|jxl|tiff?|gif|mp4|mov|mkv|webm)$/i
const SIDECAR = /\.xmp$/i

/** Files that cannot be shown, and the state they must end in. Every other one must be ready. */
const broken: Record<string, string> = {
  'immich_assets/formats/jxl/16bit-HDR-P3-nclx.jxl': 'UNSUPPORTED_FORMAT',
  'immich_assets/formats/jxl/8bit-sRGB.jxl': 'UNSUPPORTED_FORMAT',
}

/** Sizes where ExifTool reads a tag and not the picture. */
const otherSize: Record<string, string> = {}

for (const set of ['immich_assets', 'exif_samples', 'pigallery2', 'videos']) {
  const home = sharedData(set)
  const { describe, test } = skipUnless(home, `../shared/data/${set} is missing`)
  describe(`${set}, imported`, () => {
    const files = home
      ? readdirSync(home, { recursive: true, encoding: 'utf8' })
          .filter(name => (MEDIA.test(name) || SIDECAR.test(name)) && statSync(join(home, name)).isFile())
          .sort()
      : []
    const rows = new Map<string, ExifToolRow>(
      home && existsSync(join(home, 'exiftool.csv'))
        ? readExifTool(join(home, 'exiftool.csv')).map(row => [row['SourceFile'] ?? '', row])
        : [],
    )
    const items = new Map<string, Media>()
    let h: Harness

    beforeAll(async () => {
      h = await openHarness({ timeZone: 'UTC', locale: 'en' })
      await h.startWork()
      const ids = new Map<string, string>()
      for (const file of files) {
        const path = join(home ?? '', file)
        const { mediaId } = await h.uploadFile(path, {
          relativePath: relative(home ?? '', path),
          importId: set,
          lastModified: statSync(path).mtime,
        })
        if (MEDIA.test(file)) ids.set(file, mediaId)
      }
      await h.settled()
      for (const [file, id] of ids) items.set(file, await h.item(id))
    }, 900_000)
    afterAll(() => h.close())

    test('nothing is left pending', () => {
      expect([...items.values()].filter(item => item.state === 'pending')).toEqual([])
      expect(items.size).toBeGreaterThan(15)
    })

    for (const file of files.filter(name => MEDIA.test(name))) {
      const row = rows.get(file)
      test(file, () => {
        const item = items.get(file)
        const code = broken[`${set}/${file}`]
        expect([item?.state, item?.failureCode]).toEqual(code ? ['failed', code] : ['ready', undefined])
        if (code || !item || !row) return
        const live = item.kind === 'live' && /\.mov$/i.test(file)
        if (row['ImageWidth'] && !otherSize[file] && !live) {
          const turned = Number(row['Orientation'] || 1) >= 5 || ['90', '270'].includes(row['Rotation'] ?? '')
          const [width, height] = [Number(row['ImageWidth']), Number(row['ImageHeight'])]
          expect([item.width, item.height]).toEqual(turned ? [height, width] : [width, height])
        }
        const duration = seconds(row['Duration'])
        if (duration !== undefined && item.kind !== 'photo')
          expect(Math.abs((item.duration ?? NaN) - duration)).toBeLessThan(0.15)
        const wall = wallMs(row['DateTimeOriginal']) ?? wallMs(row['CreationDate']) ?? wallMs(row['CreateDate'])
        if (wall !== undefined && !live) {
          const local = (item.taken?.at?.getTime() ?? NaN) + (item.taken?.offsetMinutes ?? NaN) * 60_000
          expect(Math.floor(local / 1000)).toBe(wall / 1000)
        }
        if (row['GPSLatitude']) {
          expect(item.place?.latitude).toBeCloseTo(Number(row['GPSLatitude']), 3)
          expect(item.place?.longitude).toBeCloseTo(Number(row['GPSLongitude']), 3)
          expect(item.place?.countryCode).toMatch(/^[A-Z]{2}$/)
        }
      })
    }

    for (const file of files.filter(name => existsSync(jsonOf(home, name)))) {
      test(`${file} as its JSON says`, () => {
        const expected = JSON.parse(readFileSync(jsonOf(home, file), 'utf8')) as {
          size?: { width: number; height: number }
          duration?: number
        }
        const item = items.get(file)
        if (expected.size) expect([item?.width, item?.height]).toEqual([expected.size.width, expected.size.height])
        if (expected.duration) expect(Math.abs((item?.duration ?? NaN) - expected.duration / 1000)).toBeLessThan(0.15)
      })
    }
  })
}

/** pigallery2's expectation beside a file. */
const jsonOf = (home: string | undefined, file: string) =>
  MEDIA.test(file)
    ? join(home ?? '', file.slice(0, -extname(file).length) + '.json')
    : join(home ?? '', basename(file), 'none')
