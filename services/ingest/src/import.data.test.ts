import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join, relative } from 'node:path'
import type { Media } from '@keepsake/proto/ingest/v1'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { parseOffset } from './wall-clock.js'
import { openHarness, type Harness } from './testing/harness.js'
import { readExifTool, seconds, wallMs, type ExifToolRow } from './testing/exiftool.js'

const MEDIA = /\.(?:jpe?g|png|webp|heic|heif|avif|jxl|tiff?|gif|mp4|mov|mkv|webm)$/i
const SIDECAR = /\.xmp$/i

/** Files that cannot be shown, and the state they must end in. Every other one must be ready. */
const broken: Record<string, string> = {
  'immich_assets/formats/jxl/16bit-HDR-P3-nclx.jxl': 'UNSUPPORTED_FORMAT',
  'immich_assets/formats/jxl/8bit-sRGB.jxl': 'UNSUPPORTED_FORMAT',
  'exif_samples/jpg/corrupted.jpg': 'TRUNCATED',
  'pigallery2/test_assets/imageSizeError.jpg': 'TRUNCATED',
  'pigallery2/test_assets/edge_case_exif_data/corrupted_city.JPG': 'CORRUPT',
  'videos/decord__corrupted.mp4': 'CORRUPT',
  'videos/mediabunny__multiple-aac-tracks.mp4': 'NO_PICTURE',
}

/** Where the other program's answer is not ours on purpose, and why. */
const differs: Record<string, { what: 'size' | 'time' | 'duration'; why: string }> = {
  'exif_samples/jpg/long_description.jpg': {
    what: 'time',
    why: 'ExifTool lists the CreateDate of 2005; the picture was made on photoshop:DateCreated, 2003-08-31',
  },
  'pigallery2/test_assets/sidecar/20240128_120909.mp4': {
    what: 'size',
    why: 'its pixels are not square: 80 lines are shown as 82',
  },
  'pigallery2/test_assets/live_photo/IMG_7943.HEIC': { what: 'size', why: 'the file crops itself (clap) to 133 lines' },
  'videos/pigallery2__IMG_7943.HEIC': { what: 'size', why: 'the file crops itself (clap) to 133 lines' },
  'videos/mediabunny__rotate-buck-bunny.mp4': {
    what: 'duration',
    why: 'a fragmented file: its header says 0, its fragments last 2 s',
  },
}

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
        const differing = differs[`${set}/${file}`]?.what
        if (row['ImageWidth'] && differing !== 'size' && !live) {
          const turned = Number(row['Orientation'] || 1) >= 5 || ['90', '270'].includes(row['Rotation'] ?? '')
          const [width, height] = [Number(row['ImageWidth']), Number(row['ImageHeight'])]
          expect([item.width, item.height]).toEqual(turned ? [height, width] : [width, height])
        }
        const duration = seconds(row['Duration'])
        if (duration !== undefined && item.kind !== 'photo' && differing !== 'duration')
          expect(Math.abs((item.duration ?? NaN) - duration)).toBeLessThan(0.15)
        const text = [row['DateTimeOriginal'], row['CreationDate'], row['CreateDate']].find(
          t => wallMs(t) !== undefined,
        )
        const wall = wallMs(text)
        // A camera whose clock runs ahead dates nothing before that day has come.
        if (wall !== undefined && wall < Date.now() && !live && differing !== 'time') {
          const at = Math.floor((item.taken?.at?.getTime() ?? NaN) / 1000)
          const offset = parseOffset(/[+-]\d\d:\d\d$/.exec(text ?? '')?.[0])
          // The wall clock, or the instant where ExifTool prints an offset.
          expect([at + (item.taken?.offsetMinutes ?? NaN) * 60, at + (offset ?? NaN) * 60]).toContain(wall / 1000)
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
        if (broken[`${set}/${file}`]) return
        if (expected.size && differs[`${set}/${file}`]?.what !== 'size')
          expect([item?.width, item?.height]).toEqual([expected.size.width, expected.size.height])
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
