import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { captureTime, isDated, type CaptureEvidence } from './capture-time.js'
import { fileNameTime } from './file-name-time.js'
import { offsetForWall, zoneAt } from './time-zones.js'
import { parseDateTime } from './wall-clock.js'

const now = Date.UTC(2026, 10, 22)
const reading = (text: string) => {
  const parsed = parseDateTime(text)
  if (!parsed) throw new Error(`no date: ${text}`)
  return parsed
}
const decide = (evidence: CaptureEvidence, zone = 'Asia/Tokyo') => {
  const t = captureTime(evidence, zone, now)
  return [t.at.toISOString().replace('.000Z', 'Z'), t.offsetMinutes, t.precision, t.source, t.offsetSource]
}
const tokyo = { latitude: 35.68, longitude: 139.76 }
const paris = { latitude: 48.85, longitude: 2.35 }

describe('which statement wins', () => {
  const all: CaptureEvidence = {
    sidecar: [reading('2011-01-01T10:00:00')],
    embedded: [reading('2012:01:01 10:00:00')],
    video: [reading('2013-01-01T10:00:00+09:00')],
    sidecarUtcMs: Date.UTC(2014, 0, 1, 10, 0, 1),
    containerUtcMs: Date.UTC(2015, 0, 1, 10, 0, 1),
    gpsUtcMs: Date.UTC(2016, 0, 1, 10, 0, 1),
    fileName: fileNameTime('IMG_20170101_100000.jpg'),
    modified: reading('2018:01:01 10:00:00'),
    fileDateMs: Date.UTC(2019, 0, 1, 10, 0, 1),
  }
  const order = [
    'sidecar',
    'embedded',
    'video',
    'sidecarUtcMs',
    'containerUtcMs',
    'gpsUtcMs',
    'fileName',
    'modified',
    'fileDateMs',
  ] as const
  test('sidecar, EXIF, video, Takeout, container, satellites, file name, last edit, file date', () => {
    let evidence = all
    const sources = order.map(key => {
      const { source, at } = captureTime(evidence, 'UTC', now)
      const { [key]: _, ...rest } = evidence
      evidence = rest
      return `${source} ${at.getUTCFullYear()}`
    })
    expect(sources).toEqual([
      'sidecar 2011',
      'exif 2012',
      'video 2013',
      'sidecar 2014',
      'video 2015',
      'gps 2016',
      'file-name 2017',
      'exif 2018',
      'file-date 2019',
    ])
  })

  test('nothing at all: now, and it says that only the file dates it', () => {
    expect(decide({}, 'UTC')).toEqual(['2026-11-22T00:00:00Z', 0, 'second', 'file-date', 'family'])
    expect(isDated({ source: 'file-date', precision: 'second' })).toBe(false)
    expect(isDated({ source: 'file-name', precision: 'day' })).toBe(false)
    expect(isDated({ source: 'exif', precision: 'second' })).toBe(true)
  })

  test('times that cannot be true fall through', () => {
    const fileName = fileNameTime('IMG_20170101_100000.jpg')
    for (const text of [
      '1970:01:01 00:00:00',
      '1970-01-01T09:00:00+09:00',
      '1904:01:01 00:00:00',
      '1980:01:01 00:00:00',
      '2031:01:01 10:00:00',
      '1601:06:06 10:00:00',
    ]) {
      expect(decide({ embedded: [reading(text)], fileName })[3], text).toBe('file-name')
    }
    expect(decide({ containerUtcMs: 0, fileName })[3]).toBe('file-name')
    expect(decide({ embedded: [reading('2031:01:01 10:00:00'), reading('2012:01:01 10:00:00')] })[0]).toBe(
      '2012-01-01T01:00:00Z',
    )
  })

  test('an old print that was dated by hand stays old', () => {
    expect(decide({ embedded: [reading('1900:06:02')] }, 'Europe/Berlin').slice(2)).toEqual(['day', 'exif', 'family'])
  })
})

describe('the offset', () => {
  const embedded = [reading('2024:04:13 22:36:30')]
  test('its own first', () => {
    expect(decide({ embedded: [reading('2024-04-13T22:36:30+01:00')], position: tokyo })).toEqual([
      '2024-04-13T21:36:30Z',
      60,
      'second',
      'exif',
      'exif',
    ])
  })
  test('satellite time, also a minute off', () => {
    const gpsUtcMs = Date.UTC(2024, 3, 13, 20, 35, 31)
    expect(decide({ embedded, gpsUtcMs })).toEqual(['2024-04-13T20:36:30Z', 120, 'second', 'exif', 'gps'])
  })
  test('a stale satellite fix is not believed; the position is', () => {
    const gpsUtcMs = Date.UTC(2024, 3, 13, 20, 23, 0)
    expect(decide({ embedded, gpsUtcMs, position: paris }).slice(1)).toEqual([120, 'second', 'exif', 'position'])
  })
  test('Kathmandu counts in quarters', () => {
    expect(
      decide({ embedded: [reading('2024:04:14 02:20:31')], position: { latitude: 27.694, longitude: 85.285 } }).slice(
        0,
        2,
      ),
    ).toEqual(['2024-04-13T20:35:31Z', 345])
  })
  test('the family zone last', () => {
    expect(decide({ embedded })).toEqual(['2024-04-13T13:36:30Z', 540, 'second', 'exif', 'family'])
  })
  test('the same clock elsewhere in the file lends its offset, zero excepted', () => {
    expect(decide({ embedded: [...embedded, reading('2024-04-13T22:36:30-06:00')] })[1]).toBe(-360)
    expect(decide({ embedded: [...embedded, reading('2024-04-13T22:36:30Z')] })[1]).toBe(540)
    expect(decide({ embedded: [...embedded, reading('2024-04-13T22:36:31-06:00')] })[1]).toBe(540)
  })
  test('a repeated hour is the first pass, unless satellites say which', () => {
    const repeated = [reading('2024:10:27 02:30:00')]
    expect(decide({ embedded: repeated, position: paris })[0]).toBe('2024-10-27T00:30:00Z')
    expect(decide({ embedded: repeated, position: paris, gpsUtcMs: Date.UTC(2024, 9, 27, 1, 24) })[0]).toBe(
      '2024-10-27T01:30:00Z',
    )
  })
  test('a skipped hour is a clock that nobody has set yet', () => {
    expect(decide({ embedded: [reading('2024:03:31 02:30:00')], position: paris })).toEqual([
      '2024-03-31T01:30:00Z',
      60,
      'second',
      'exif',
      'position',
    ])
  })
})

describe('videos', () => {
  test('the container counts in UTC; the wall clock is that of the place', () => {
    expect(decide({ containerUtcMs: Date.UTC(2024, 3, 13, 20, 0, 0), position: paris })).toEqual([
      '2024-04-13T20:00:00Z',
      120,
      'second',
      'video',
      'position',
    ])
  })
  test('a camera that writes its wall clock there is given away by the file name', () => {
    const containerUtcMs = Date.UTC(2019, 0, 2, 3, 4, 25)
    expect(decide({ containerUtcMs, durationMs: 20_000, fileName: fileNameTime('VID_20190102_030405.mp4') })[0]).toBe(
      '2019-01-01T18:04:25Z',
    )
    expect(decide({ containerUtcMs, durationMs: 20_000, fileName: fileNameTime('VID_20190102_120405.mp4') })[0]).toBe(
      '2019-01-02T03:04:25Z',
    )
  })
  test('a sidecar that copied the UTC time is read as UTC', () => {
    expect(
      decide({ sidecar: [reading('2024-01-28T09:54:20')], containerUtcMs: Date.UTC(2024, 0, 28, 9, 54, 20) })[0],
    ).toBe('2024-01-28T09:54:20Z')
  })
})

test('Pixel names count in UTC', () => {
  expect(decide({ fileName: fileNameTime('PXL_20210102_030405678.jpg') })).toEqual([
    '2021-01-02T03:04:05.678Z',
    540,
    'exact',
    'file-name',
    'family',
  ])
})

test('the wall clock that comes out is the one that went in, in any zone', () => {
  const zones = [
    'Asia/Tokyo',
    'Europe/London',
    'America/St_Johns',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'America/Sao_Paulo',
    'UTC',
  ]
  fc.assert(
    fc.property(
      fc.integer({ min: Date.UTC(1950, 0), max: Date.UTC(2026, 0) }),
      fc.constantFrom(...zones),
      (ms, zone) => {
        const asUtcMs = Math.floor(ms / 1000) * 1000
        const t = captureTime({ embedded: [{ asUtcMs, precision: 'second' }] }, zone, now)
        if (t.source === 'exif') expect(t.at.getTime() + t.offsetMinutes * 60_000).toBe(asUtcMs)
        expect(Math.abs(offsetForWall(zone, asUtcMs))).toBeLessThanOrEqual(14 * 60)
      },
    ),
  )
})

test('zones by position', () => {
  expect(zoneAt(35.68, 139.76)).toBe('Asia/Tokyo')
  expect(zoneAt(91, 0)).toBeUndefined()
  expect(zoneAt(NaN, 0)).toBeUndefined()
})
