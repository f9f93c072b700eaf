import { expect, test } from 'vitest'
import { localTime, momentOf, splitWallClock } from './times.js'

test.each([
  ['2024-05-17T01:02:03Z', 540, '2024-05-17T10:02:03+09:00'],
  ['2024-05-17T01:02:03.450Z', -210, '2024-05-16T21:32:03.450-03:30'],
  ['2024-05-17T01:02:03Z', 0, '2024-05-17T01:02:03Z'],
])('%s at %i minutes is %s', (at, offset, expected) => {
  expect(localTime(new Date(at), offset)).toBe(expected)
  expect(new Date(expected).getTime()).toBe(new Date(at).getTime())
})

test.each([
  ['2024-03-31', 'from', 'Europe/Berlin', '2024-03-30T23:00:00.000Z'],
  ['2024-03-31', 'to', 'Europe/Berlin', '2024-03-31T21:59:59.999Z'], // the night of the change to summer time
  ['2024-10-27', 'to', 'Europe/Berlin', '2024-10-27T22:59:59.999Z'],
  ['2024-01-01', 'from', 'Asia/Tokyo', '2023-12-31T15:00:00.000Z'],
  ['2024-01-01T00:00:00+02:00', 'to', 'Asia/Tokyo', '2023-12-31T22:00:00.000Z'],
] as const)('%s as %s in %s is %s', (value, end, zone, expected) => {
  expect(momentOf(value, end, zone).toISOString()).toBe(expected)
})

test('a corrected time is split into wall clock and zone', () => {
  expect(splitWallClock('1999-12-31T23:00:00')).toEqual({ wallClock: '1999-12-31T23:00:00', zone: undefined })
  expect(splitWallClock('1999-12-31T23:00+09:00')).toEqual({ wallClock: '1999-12-31T23:00:00', zone: '+09:00' })
  expect(splitWallClock('1999-12-31T23:00:00.5Z')).toEqual({ wallClock: '1999-12-31T23:00:00', zone: '+00:00' })
  expect(splitWallClock('1999-12')).toEqual({ wallClock: '1999-12', zone: undefined })
})
