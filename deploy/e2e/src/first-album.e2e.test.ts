import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Api } from 'keepsake'
import sharp from 'sharp'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album, owner } from './album.js'
import type { Family, Media, Movie, Person } from './api-types.js'
import { bcubed } from './bcubed.js'
import { chromiumPath, openBrowser } from './browser.js'
import { compareMovie, unpacked } from './compare-movie.js'

const folder = sharedData('deepface')
const { test: inBrowser } = skipUnless(folder && chromiumPath, '../shared/data/deepface or Chromium is missing')
const { describe, test } = skipUnless(folder, '../shared/data/deepface is missing')

describe('the main job: a folder of real photographs becomes an album', () => {
  let album: Album
  let api: Api
  let family: Family
  let media: Media[]
  let printed = ''
  let status: number | null

  beforeAll(async () => {
    const importing = await Album.spawn({ args: ['import', folder ?? '', '--consent-faces', '--exit'] })
    status = await importing.ended(900_000)
    printed = importing.output
    album = await Album.start({ home: importing.home })
    api = await album.signIn()
    const families = await api.get<{ items: Family[] }>('/v1/families')
    family = families.items[0] as Family
    media = []
    for await (const item of api.list<Media>(`/v1/families/${family.id}/media?limit=200`))
      media.push(await api.get<Media>(`/v1/families/${family.id}/media/${item.id}`))
  }, 1_000_000)
  afterAll(() => album?.remove())

  test('the import ends with status 0, every item ready, and prints people and the movie', () => {
    expect(status, printed).toBe(0)
    expect(media.length).toBe(64)
    expect(media.filter(item => item.state !== 'ready')).toEqual([])
    expect(printed).toMatch(/people/i)
    expect(printed).toMatch(/\.mp4/)
  })

  test('people fit the labels: BCubed F at least 0.97', async () => {
    const labels = await csv(path.join(folder ?? '', 'labels.csv'))
    const score = bcubed(
      labels
        .filter(([, person]) => person && !person.includes('|'))
        .map(([file, person]) => ({ person: person ?? '', cluster: mainPerson(file ?? '') })),
    )
    console.log(
      `deepface BCubed precision ${score.precision.toFixed(4)} recall ${score.recall.toFixed(4)} F ${score.f.toFixed(4)}`,
    )
    expect(score.f).toBeGreaterThanOrEqual(0.97)
  })

  test('pairs are told apart: at least 0.95 right', async () => {
    const pairs = await csv(path.join(folder ?? '', 'pairs.csv'))
    const wrong = pairs.filter(([first = '', second = '', same]) => {
      const [one, two] = [mainPerson(first), mainPerson(second)]
      return same === '1' ? one === undefined || one !== two : one === undefined || two === undefined || one === two
    })
    console.log(`deepface pairs right ${(1 - wrong.length / pairs.length).toFixed(4)} of ${pairs.length}`)
    expect(1 - wrong.length / pairs.length).toBeGreaterThanOrEqual(0.95)
  })

  test('there are people, and the pages of the family and of all children', async () => {
    const people: Person[] = []
    for await (const person of api.list<Person>(`/v1/families/${family.id}/people`)) people.push(person)
    expect(people.length).toBeGreaterThanOrEqual(13)
    const pages = await api.get<{ items: { id: string; mediaCount: number }[] }>(`/v1/families/${family.id}/pages`)
    expect(pages.items.map(page => page.id)).toEqual(expect.arrayContaining(['whole-family', 'all-children']))
    // Two of the files are screenshots by their own metadata, and those are on no page.
    expect(pages.items.find(page => page.id === 'whole-family')?.mediaCount).toBe(62)
  })

  test('every item is rated, and the rating is the sum of reasons in words', () => {
    for (const item of media) {
      expect(item.rating, item.fileName).toBeDefined()
      expect(item.rating?.parts.length).toBeGreaterThan(0)
      for (const part of item.rating?.parts ?? []) expect(part.reason.length).toBeGreaterThan(3)
    }
  })

  test('the 1s Movie shows its storyboard, is heard, and is as long as planned', async () => {
    const movies = await api.get<{ items: Movie[] }>(`/v1/families/${family.id}/movies`)
    const ready = movies.items.find(movie => movie.status === 'ready')
    expect(ready, JSON.stringify(movies.items.map(movie => [movie.status, movie.statusReason]))).toBeDefined()
    const movie = await api.get<Movie>(`/v1/families/${family.id}/movies/${ready?.id}`)
    const file = path.join(album.home, 'compared.mp4')
    await api.download(movie.url ?? '', file)
    const result = await compareMovie(file, movie, async (id, height) => {
      const picture = path.join(album.home, 'compared.webp')
      await api.download(`/v1/families/${family.id}/media/${id}/renditions/preview`, picture)
      // By its bytes: sharp remembers files by name, and this name is used again.
      return sharp(await readFile(picture))
        .resize({ height: height * 2, withoutEnlargement: true })
        .png(unpacked)
        .toBuffer()
    })
    expect(result.lowest.ssim, JSON.stringify(result.lowest)).toBeGreaterThanOrEqual(0.8)
    const shown = movie.storyboard.flatMap(slot => slot.mediaId ?? [])
    expect(new Set(shown).size).toBe(shown.length)
    expect(shown.length).toBeGreaterThanOrEqual(10)
    expect(result.rms).toBeGreaterThan(0.01)
    expect(result.duration).toBeCloseTo(movie.duration, 0)
    expect(Math.abs(result.duration - movie.duration)).toBeLessThan(0.15)
  })

  inBrowser('a new parent registers a child, says who it is, and has a page with ages', async () => {
    const browser = await openBrowser()
    try {
      const page = await browser.newPage({ locale: 'en-GB', viewport: { width: 390, height: 844 } })
      await page.goto(album.requireUrl())
      await page.getByLabel('E-mail').fill(owner.email)
      await page.getByLabel('Password').fill(owner.password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      const open = (name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click()

      // Everything that a page needs is one step away from where it is missing.
      await open('Pages')
      await page.getByRole('main').getByRole('link', { name: 'Settings' }).click()
      await page.getByLabel('Name', { exact: true }).fill('Hana')
      await page.getByLabel('Date of birth').fill('1990-01-01')
      await page.getByRole('button', { name: 'Add a child' }).click()
      await page.getByRole('button', { name: 'Correct Hana' }).waitFor()
      await open('Pages')
      await page.locator('.cards').getByRole('link', { name: 'Hana' }).click()
      await page.getByText('There is no picture of Hana yet.').waitFor()
      await page.getByRole('main').getByRole('link', { name: 'People' }).click()
      await page.locator('.people a').first().click()

      // People without a name differ by more than their faces.
      await page.getByRole('button', { name: 'Same person as' }).click()
      const others = page.getByRole('list', { name: 'Same person as' }).getByRole('button')
      await others.first().locator('img').waitFor()
      const said = await others.allInnerTexts()
      expect(said.length).toBeGreaterThan(10)
      for (const text of said) expect(text).toMatch(/^No name yet\s+\d+ photos?( · first in \w+ \d{4})?$/)

      await page.getByLabel('Child').selectOption('Hana')
      await page.getByText('Not our child').waitFor({ state: 'attached' })
      await open('People')
      await page.locator('.people a', { hasText: 'Hana' }).waitFor()
      await open('Pages')
      const card = page.locator('.cards').getByRole('link', { name: /Hana/ })
      await card.getByText(/^[1-9]\d* items?$/).waitFor()
      await card.click()
      await page.getByRole('heading', { level: 1, name: 'Hana' }).waitFor()
      await page
        .getByRole('heading', { level: 2, name: /\d+ years/ })
        .first()
        .waitFor()
      await page.locator('.grid a').first().click()
      await page.locator('.names').getByRole('link', { name: 'Hana' }).waitFor()
    } finally {
      await browser.close()
    }
  })

  /** The person of the largest face of a file. */
  function mainPerson(file: string): string | undefined {
    const faces = media.find(item => item.fileName === file)?.faces ?? []
    return [...faces].sort((a, b) => b.box.w * b.box.h - a.box.w * a.box.h)[0]?.personId
  }
})

async function csv(file: string): Promise<string[][]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n').slice(1)
  return lines.map(line => line.trim().split(','))
}
