import { join } from 'node:path'
import { sharedData, skipUnless } from '@keepsake/testing'
import { expect } from 'vitest'
import { readImageMetadataFile } from './image-metadata.js'
import { readExifTool, wallMs } from './testing/exiftool.js'

for (const set of ['immich_assets', 'exif_samples']) {
  const home = sharedData(set)
  const { describe, test } = skipUnless(home, `../shared/data/${set} is missing`)
  describe(`${set} against ExifTool`, () => {
    const rows = home ? readExifTool(join(home, 'exiftool.csv')) : []
    const images = rows.filter(r => /\.(?:jpe?g|png|webp|heic|heif|avif|jxl|tiff?|gif)$/i.test(r['SourceFile'] ?? ''))
    test('has images', () => {
      expect(images.length).toBeGreaterThan(20)
    })
    for (const row of images) {
      const file = row['SourceFile'] ?? ''
      test(file, async () => {
        const path = join(home ?? '', file)
        const facts = await readImageMetadataFile(path)
        const expected = wallMs(row['DateTimeOriginal'] ?? '') ?? wallMs(row['CreateDate'] ?? '')
        const first = facts.readings.find(r => r.precision === 'exact' || r.precision === 'second')
        if (expected !== undefined) {
          expect(Math.floor((first?.asUtcMs ?? NaN) / 1000) * 1000).toBe(expected)
          const sub = row['SubSecTimeOriginal']
          if (sub && wallMs(row['DateTimeOriginal'] ?? '') !== undefined) {
            expect((first?.asUtcMs ?? NaN) % 1000).toBe(Math.floor(Number(`0.${sub}`) * 1000))
          }
          const offset = row['OffsetTimeOriginal']
          if (offset) {
            const [, sign, h, m] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? []
            expect(first?.offsetMinutes).toBe((Number(h) * 60 + Number(m)) * (sign === '-' ? -1 : 1))
          }
        }
        if (row['GPSLatitude'] && row['GPSLongitude']) {
          expect(facts.position?.latitude).toBeCloseTo(Number(row['GPSLatitude']), 5)
          expect(facts.position?.longitude).toBeCloseTo(Number(row['GPSLongitude']), 5)
        } else expect(facts.position).toBeUndefined()
        if (row['Orientation'] && facts.orientation !== undefined)
          expect(facts.orientation).toBe(Number(row['Orientation']))
        const gps = wallMs(row['GPSDateTime'] ?? '')
        if (gps !== undefined) expect(Math.floor((facts.gpsUtcMs ?? NaN) / 1000) * 1000).toBe(gps)
      })
    }
  })
}
