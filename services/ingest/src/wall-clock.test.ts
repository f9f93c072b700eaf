import { describe, expect, test } from 'vitest'
import { parseDateTime, parseOffset, wallClock } from './wall-clock.js'

const iso = (text: string, sub?: string) => {
  const reading = parseDateTime(text, sub)
  return reading && [new Date(reading.asUtcMs).toISOString(), reading.precision, reading.offsetMinutes]
}

describe('dates as metadata writes them', () => {
  test('EXIF, with sub-seconds from their own tag', () => {
    expect(iso('2019:03:21 11:04:22')).toEqual(['2019-03-21T11:04:22.000Z', 'second', undefined])
    expect(iso('2019:03:21 11:04:22', '348')).toEqual(['2019-03-21T11:04:22.348Z', 'exact', undefined])
    expect(iso('2019:03:21 11:04:22', '85')).toEqual(['2019-03-21T11:04:22.850Z', 'exact', undefined])
    expect(iso('2019:03:21 11:04:22\0', '   ')).toEqual(['2019-03-21T11:04:22.000Z', 'second', undefined])
  })

  test('XMP at every length it may be cut to', () => {
    expect(iso('2010-09-27T14:35:33.5+02:00')).toEqual(['2010-09-27T14:35:33.500Z', 'exact', 120])
    expect(iso('2010-09-27T14:35Z')).toEqual(['2010-09-27T14:35:00.000Z', 'minute', 0])
    expect(iso('2010-09-27')).toEqual(['2010-09-27T12:00:00.000Z', 'day', undefined])
    expect(iso('2010-09')).toEqual(['2010-09-01T12:00:00.000Z', 'month', undefined])
    expect(iso('2010')).toEqual(['2010-01-01T12:00:00.000Z', 'year', undefined])
  })

  test('unknown parts are zero or blank', () => {
    expect(iso('2010:00:00 00:00:00')).toEqual(['2010-01-01T12:00:00.000Z', 'year', undefined])
    expect(iso('2010:05:00 00:00:00')).toEqual(['2010-05-01T12:00:00.000Z', 'month', undefined])
    expect(iso('2010:05:  ')).toEqual(['2010-05-01T12:00:00.000Z', 'month', undefined])
  })

  test('what is no date', () => {
    for (const text of [
      '',
      '0000:00:00 00:00:00',
      '    :  :     :  :  ',
      '2019:13:01 00:00:00',
      '2019:02:30 10:00:00',
      'yesterday',
    ]) {
      expect(iso(text), text).toBeUndefined()
    }
    expect(parseDateTime(undefined)).toBeUndefined()
  })

  test('24:00 is the next midnight, a leap second the second before', () => {
    expect(iso('2010:05:13 24:00:00')?.[0]).toBe('2010-05-14T00:00:00.000Z')
    expect(iso('2016:12:31 23:59:60')?.[0]).toBe('2016-12-31T23:59:59.000Z')
    expect(iso('2010:05:13 24:00:01')).toBeUndefined()
  })

  test('offsets that exist, and none else', () => {
    expect(['+01:00', '-0330', '+05:45', '-08', 'Z', '+14:00'].map(o => parseOffset(o))).toEqual([
      60, -210, 345, -480, 0, 840,
    ])
    expect(['', '+15:00', '-13:00', '01:00', '+01:75'].map(o => parseOffset(o))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('February has its days', () => {
    expect(wallClock({ year: 2024, month: 2, day: 29 })?.precision).toBe('day')
    expect(wallClock({ year: 2023, month: 2, day: 29 })).toBeUndefined()
  })
})
