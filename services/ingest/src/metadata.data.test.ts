import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sharedData, skipUnless } from '@keepsake/testing'
import { expect } from 'vitest'
import { readImageMetadataFile } from './image-metadata.js'

interface Row {
  [column: string]: string
}

const csv = (path: string): Row[] => {
  const [head = '', ...lines] = readFileSync(path, 'utf8').replaceAll('\r', '').trim().split('\n')
  const columns = head.split(',')
  return lines.map(line => {
    const cells = line.split(',')
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? '']))
  })
}

/** `2022:01:10 15:15:44-04:00` as the wall clock in ms, without the offset. */
const wall = (text: string): number | undefined => {
  const match = /^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)/.exec(text)
  if (!match || match[1] === '0000') return undefined
  const [y, mo, d, h, mi, s] = match.slice(1).map(Number) as [number, number, number, number, number, number]
  return Date.UTC(y, mo - 1, d, h, mi, s)
}

/** ExifTool mixes groups: where a file contradicts itself, what it prints need not be the field that cameras mean. */
const differs: Record<string, string> = {}

for (const set of ['immich_assets', 'exif_samples']) {
  const home = sharedData(set)
  const { describe, test } = skipUnless(home, `../shared/data/${set} is missing`)
  describe(`${set} against ExifTool`, () => {
    const rows = home ? csv(join(home, 'exiftool.csv')) : []
    const images = rows.filter(r => /\.(?:jpe?g|png|webp|heic|heif|avif|jxl|tiff?|gif)$/i.test(r['SourceFile'] ?? ''))
    test('has images', () => {
      expect(images.length).toBeGreaterThan(20)
    })
    for (const row of images) {
      const file = row['SourceFile'] ?? ''
      test(file, async () => {
        const path = join(home ?? '', file)
        const facts = await readImageMetadataFile(path)
        expect(statSync(path).size).toBeGreaterThan(0)
        const expected = wall(row['DateTimeOriginal'] ?? '') ?? wall(row['CreateDate'] ?? '')
        const first = facts.readings.find(r => r.precision === 'exact' || r.precision === 'second')
        if (expected !== undefined && !differs[file]) {
          expect(Math.floor((first?.asUtcMs ?? NaN) / 1000) * 1000).toBe(expected)
          const sub = row['SubSecTimeOriginal']
          if (sub && wall(row['DateTimeOriginal'] ?? '') !== undefined) {
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
        const gps = wall(row['GPSDateTime'] ?? '')
        if (gps !== undefined && !differs[file]) expect(Math.floor((facts.gpsUtcMs ?? NaN) / 1000) * 1000).toBe(gps)
      })
    }
  })
}
