import { cp, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Api } from 'keepsake'
import { sharedData, skipUnless, until } from '@keepsake/testing'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album, createAccount, owner } from './album.js'
import { allMedia, settled } from './album-client.js'
import type { Family, Media } from './api-types.js'
import { chromiumPath, openBrowser } from './browser.js'

const folder = sharedData('deepface')
const { describe, test } = skipUnless(
  folder && chromiumPath,
  chromiumPath ? '../shared/data/deepface is missing' : 'no Chromium on this machine',
)
const photos = ['couple.jpg', 'img1.jpg']
const phone = { width: 390, height: 844 }

describe('what belongs to the family is hers to take along and to remove, in the browser', () => {
  let album: Album
  let browser: Browser
  let page: Page
  let api: Api
  let family: string

  async function open(browserPage: Page, email: string): Promise<void> {
    await browserPage.goto(album.requireUrl())
    await browserPage.getByLabel('E-mail').fill(email)
    await browserPage.getByLabel('Password').fill(owner.password)
    await browserPage.getByRole('button', { name: 'Sign in' }).click()
    await browserPage.locator('.grid a').first().waitFor()
  }
  const newPage = async () => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: phone, acceptDownloads: true })
    // A dialog of the system has nobody to answer it here: the export goes the way of browsers without one.
    await context.addInitScript('delete window.showSaveFilePicker')
    return context.newPage()
  }
  const faces = async () => {
    const items = await allMedia(api, family)
    const one = await Promise.all(items.map(item => api.get<Media>(`/v1/families/${family}/media/${item.id}`)))
    return one.flatMap(item => (item.faces ?? []).map(face => ({ item: item.id, id: face.id })))
  }

  beforeAll(async () => {
    album = await Album.start({ args: ['--family', 'Sato', '--consent-faces'] })
    const pictures = path.join(album.home, 'pictures')
    await mkdir(pictures)
    for (const photo of photos) await cp(path.join(folder ?? '', photo), path.join(pictures, photo))
    api = await album.signIn()
    family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: '1' } })
    browser = await openBrowser()
    page = await newPage()
  })
  afterAll(async () => {
    await browser?.close()
    await album?.remove()
  })

  test('a first visit leaves the console clean, and so does coming back', async () => {
    const problems: string[] = []
    page.on('console', message => message.type() === 'error' && problems.push(message.text()))
    page.on('pageerror', error => problems.push(error.message))
    await page.goto(album.requireUrl())
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    await page.getByLabel('E-mail').fill(owner.email)
    await page.getByLabel('Password').fill(owner.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('input[type=file]').setInputFiles(photos.map(photo => path.join(album.home, 'pictures', photo)))
    await page.getByText('2 items added').waitFor({ timeout: 60_000 })
    await settled(api, family)
    await page.reload()
    await page.locator('.grid a').first().waitFor()
    expect(problems).toEqual([])
  })

  test('the album is exported as one file with every original', async () => {
    await page.getByRole('link', { name: 'Settings' }).click()
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export the album' }).click()
    const download = await saving
    expect(download.suggestedFilename()).toBe('Sato.zip')
    const zip = await readFile(await download.path())
    for (const photo of photos) expect(zip.includes(await readFile(path.join(folder ?? '', photo)))).toBe(true)
    expect(zip.includes('album.json')).toBe(true)
    await page.getByText('The export is complete.').waitFor()
  })

  test('a face is removed from its picture, with a receipt', async () => {
    const before = await faces()
    const [first] = before
    if (!first) throw new Error('no face was found')
    await page.goto(new URL(`/items/${first.item}`, album.requireUrl()).href)
    const buttons = page.getByRole('button', { name: /^Remove this face/ })
    await buttons.first().waitFor()
    const shown = await buttons.count()
    page.once('dialog', dialog => void dialog.accept())
    await buttons.first().click()
    await page.getByText('The face is erased.').waitFor()
    await until(async () => (await buttons.count()) === shown - 1, { deadlineMs: 30_000, what: 'the face to go' })
    expect(await faces()).toHaveLength(before.length - 1)
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByText('1 face').waitFor()
    await page.getByText('Gone everywhere').waitFor({ timeout: 60_000 })
  })

  test('a relative finds none of it', async () => {
    const aunt = await createAccount(album.requireUrl(), 'aunt@example.org', 'Aunt')
    const { code } = await api.post<{ code: string }>(`/v1/families/${family}/invitations`, { role: 'relative' })
    await aunt.post(`/v1/invitations/${code}/accept`, {})
    const hers = await newPage()
    await open(hers, 'aunt@example.org')
    await hers.getByRole('link', { name: 'Settings' }).click()
    await hers.getByRole('button', { name: 'Sign out' }).waitFor()
    expect(await hers.getByRole('button', { name: /Export|Remove|Withdraw/ }).count()).toBe(0)
    const [face] = await faces()
    await hers.goto(new URL(`/items/${face?.item ?? ''}`, album.requireUrl()).href)
    await hers.getByRole('heading', { name: 'People' }).waitFor()
    expect(await hers.getByRole('button', { name: /^Remove this face/ }).count()).toBe(0)
    await hers.context().close()
  })

  test('the family is removed only after its name is typed, and the receipt says when all of it is gone', async () => {
    await page.getByRole('button', { name: 'Remove the family' }).click()
    const sure = page.getByRole('button', { name: 'Erase everything now' })
    await page.getByText('This cannot be taken back').waitFor()
    expect(await sure.isDisabled()).toBe(true)
    await page.getByLabel('Type the family’s name').fill('Satou')
    expect(await sure.isDisabled()).toBe(true)
    await page.getByLabel('Type the family’s name').fill('Sato')
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    expect(overflow).toBeLessThanOrEqual(0)
    await sure.click()
    await page.getByRole('heading', { name: 'Receipt' }).waitFor()
    await page.getByText('Gone everywhere').waitFor({ timeout: 120_000 })
    expect((await api.get<{ items: Family[] }>('/v1/families')).items).toEqual([])
    await page.getByRole('link', { name: 'Go on' }).click()
    await page.getByText('Make your family’s album').waitFor()
  })
})
