import { expect, test } from 'vitest'
import { coveredPeriod } from './movies.js'

interface Item {
  takenAt?: string
  takenAtSource?: string
}

/** An album that lists its items in order of time. */
const albumOf = (items: Item[]) => ({
  async *list<T>(path: string): AsyncGenerator<T> {
    const dated = items.filter(item => item.takenAt).sort((a, b) => (a.takenAt ?? '').localeCompare(b.takenAt ?? ''))
    yield* (path.includes('order=oldest') ? dated : dated.reverse()) as T[]
  },
})
const exif = (day: string): Item => ({ takenAt: `${day}T10:00:00+09:00`, takenAtSource: 'exif' })
const file = (day: string): Item => ({ takenAt: `${day}T10:00:00+00:00`, takenAtSource: 'file-date' })

test('the period is that of the pictures with a date of their own', async () => {
  const copied = Array.from({ length: 150 }, () => file('2026-11-22'))
  const dated = Array.from({ length: 30 }, (_, i) => exif(`2024-04-${String(i + 1).padStart(2, '0')}`))
  const album = albumOf([file('1980-01-01'), exif('2024-03-02'), ...dated, exif('2024-05-09'), ...copied, {}])
  expect(await coveredPeriod(album, 'f')).toEqual({ from: '2024-03-02', to: '2024-05-09' })
})

test('where too few for a movie have a date of their own, those of files count too; without any date there is no period', async () => {
  const few = albumOf([file('2023-01-01'), exif('2024-03-02'), file('2026-11-22')])
  expect(await coveredPeriod(few, 'f')).toEqual({ from: '2023-01-01', to: '2026-11-22' })
  const album = albumOf([file('2024-03-02'), file('2026-11-22')])
  expect(await coveredPeriod(album, 'f')).toEqual({ from: '2024-03-02', to: '2026-11-22' })
  expect(await coveredPeriod(albumOf([{}]), 'f')).toBeUndefined()
})
