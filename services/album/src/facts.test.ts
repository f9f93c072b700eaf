import fc from 'fast-check'
import { expect, test } from 'vitest'
import { factsOf, shifted, type IngestedFacts } from './facts.js'
import { ageMonths, instantOf, offsetAt, parseLocal } from './local-time.js'
import { takenBack } from './edit.js'

const ingested: IngestedFacts = {
  takenAtMs: Date.parse('2024-05-06T01:00:00Z'),
  offsetMinutes: 540,
  precision: 'second',
  source: 'exif',
  timeZone: 'Asia/Tokyo',
  description: '',
  tags: [],
}

test('without corrections the facts are those of ingest', () => {
  expect(factsOf(ingested, {})).toMatchObject({
    takenAt: new Date('2024-05-06T01:00:00Z'),
    offsetMinutes: 540,
    source: 'exif',
    localDay: '2024-05-06',
    month: '2024-05',
    description: '',
    rotation: 0,
  })
})

test('a corrected time is a wall clock in the zone of the item', () => {
  expect(factsOf(ingested, { takenAt: '2020-01-01T00:30:00' })).toMatchObject({
    takenAt: new Date('2019-12-31T15:30:00Z'),
    month: '2020-01',
    precision: 'second',
    source: 'person',
  })
  expect(factsOf(ingested, { takenAt: '1999' })).toMatchObject({ precision: 'year', localDay: '1999-01-01' })
})

test('a corrected zone keeps the wall clock of a camera, and the instant of a source that counts in UTC', () => {
  const camera = factsOf(ingested, { timeZone: 'America/New_York' })
  expect(camera).toMatchObject({
    takenAt: new Date('2024-05-06T14:00:00Z'),
    offsetMinutes: -240,
    localDay: '2024-05-06',
  })
  const video = factsOf({ ...ingested, source: 'video' }, { timeZone: 'America/New_York' })
  expect(video).toMatchObject({
    takenAt: new Date('2024-05-06T01:00:00Z'),
    offsetMinutes: -240,
    localDay: '2024-05-05',
  })
})

test('a shift moves the instant by exactly that much, over months and back again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -10_000_000, max: 10_000_000 }).filter(s => s !== 0),
      seconds => {
        const moved = factsOf(ingested, { takenAt: shifted(factsOf(ingested, {}), seconds) })
        expect(moved.takenAt.getTime() - ingested.takenAtMs).toBe(seconds * 1000)
        const back = factsOf(ingested, { takenAt: shifted(moved, -seconds) })
        expect(back.takenAt.getTime()).toBe(ingested.takenAtMs)
      },
    ),
  )
})

test('dates that do not exist are refused, shorter ones are coarser', () => {
  expect(parseLocal('2023-02-29')).toBeUndefined()
  expect(parseLocal('2024-13')).toBeUndefined()
  expect(parseLocal('2024-01-01T25:00:00')).toBeUndefined()
  expect(parseLocal('yesterday')).toBeUndefined()
  expect(parseLocal('2024-02-29')?.precision).toBe('day')
  expect(parseLocal('2024-02-29T10:20')?.precision).toBe('minute')
})

test('zones are names or offsets, with summer time where there is one', () => {
  expect(offsetAt('Asia/Tokyo', 0)).toBe(540)
  expect(offsetAt('+05:30', 0)).toBe(330)
  expect(offsetAt('-03:00', 0)).toBe(-180)
  expect(offsetAt('Europe/Berlin', Date.parse('2024-07-01T00:00:00Z'))).toBe(120)
  expect(offsetAt('Atlantis/Capital', 0)).toBeUndefined()
  expect(offsetAt('', 0)).toBeUndefined()
  const berlin = instantOf(Date.parse('2024-07-01T12:00:00Z'), 'Europe/Berlin')
  expect(berlin).toEqual({ ms: Date.parse('2024-07-01T10:00:00Z'), offsetMinutes: 120 })
})

test('a child is one year and two months old on the day the second month is full', () => {
  expect(ageMonths('2023-01-15', '2024-03-14')).toBe(13)
  expect(ageMonths('2023-01-15', '2024-03-15')).toBe(14)
  expect(ageMonths('2023-01-15', '2023-01-14')).toBeUndefined()
  expect(ageMonths('2023-01-31', '2023-02-28')).toBe(1)
})

test('taking an edit back restores what stood before, except where somebody corrected again', () => {
  const before = { description: 'first' }
  const after = { description: 'second', rotation: 90 }
  expect(takenBack(after, before, after)).toEqual(before)
  expect(takenBack({ description: 'third', rotation: 90 }, before, after)).toEqual({ description: 'third' })
  expect(takenBack({ ...after, takenAt: '2020' }, before, after)).toEqual({ description: 'first', takenAt: '2020' })
})
