import { expect, test } from 'vitest'
import { byMonth, durationText, monthName, takenAtText } from './dates.ts'

test('a capture time is shown as the clock stood at its place, whatever the reader’s own zone', () => {
  expect(takenAtText('2021-07-01T23:30:00+09:00', 'second', 'en')).toContain('July 1, 2021')
  expect(takenAtText('2021-07-01T23:30:00+09:00', 'second', 'ja')).toContain('2021年7月1日')
})

test('a date is shown no finer than it is known', () => {
  expect(takenAtText('1998-06-01T00:00:00Z', 'year', 'en')).toBe('1998')
  expect(takenAtText('1998-06-01T00:00:00Z', 'month', 'en')).toBe('June 1998')
  expect(takenAtText('1998-06-05T00:00:00Z', 'day', 'en')).not.toMatch(/12:00/)
})

test('items are grouped by local month in the order they come, undated ones apart', () => {
  const groups = byMonth([
    { takenAt: '2021-02-01T00:10:00+09:00' },
    { takenAt: '2021-02-28T10:00:00Z' },
    { takenAt: '2021-01-31T23:00:00Z' },
    {},
  ])
  expect(groups.map(group => [group.month, group.items.length])).toEqual([
    ['2021-02', 2],
    ['2021-01', 1],
    ['', 1],
  ])
})

test('months have names and lengths have minutes', () => {
  expect(monthName('2021-12', 'en')).toBe('December 2021')
  expect(monthName('', 'en')).toBe('')
  expect(durationText(75.4)).toBe('1:15')
})
