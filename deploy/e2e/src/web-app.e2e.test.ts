import path from 'node:path'
import { skipUnless, until } from '@keepsake/testing'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { Album, owner } from './album.js'
import { settled } from './album-client.js'
import type { Family } from './api-types.js'
import { chromiumPath, openBrowser } from './browser.js'
import { pictureFolder } from './pictures.js'

const { describe, test } = skipUnless(chromiumPath, 'no Chromium on this machine')

describe('the album in a real browser', () => {
  let album: Album
  let browser: Browser
  let page: Page
  let pictures: string[]
  const problems: string[] = []

  beforeAll(async () => {
    album = await Album.start({ args: ['--family', 'Browser'] })
    browser = await openBrowser()
    page = await browser.newPage({ locale: 'en-GB', viewport: { width: 1280, height: 800 } })
    page.on('pageerror', error => problems.push(error.message))
    page.on('console', message => {
      if (message.type() === 'error' && !/status of (401|402|409)/.test(message.text())) problems.push(message.text())
    })
    pictures = await pictureFolder(path.join(album.home, 'pictures'), 11)
  })
  afterAll(async () => {
    await browser?.close()
    await album?.remove()
  })

  test('a wrong password is refused in words, the right one opens the album', async () => {
    await page.goto(album.requireUrl())
    await page.getByLabel('E-mail').fill(owner.email)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Password').fill(owner.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Nothing here yet').waitFor()
  })

  test('photos are uploaded, processed and shown by month', async () => {
    await page.locator('input[type=file]').setInputFiles(pictures)
    await page.getByText('11 items added').waitFor({ timeout: 60_000 })
    const api = await album.signIn()
    const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    await settled(api, family)
    await page.getByRole('heading', { name: /March 2024/ }).waitFor({ timeout: 30_000 })
    await until(async () => (await page.locator('.grid img').count()) === 11, {
      deadlineMs: 30_000,
      what: '11 thumbnails',
    })
    const shown = await page
      .locator('.grid img')
      .evaluateAll(
        images => images.filter(image => (image as unknown as { naturalWidth: number }).naturalWidth > 0).length,
      )
    expect(shown).toBeGreaterThan(0)
  })

  test('an item explains its rating, becomes a favourite and takes a comment', async () => {
    await page.locator('.grid a').first().click()
    await page.getByText('Why this rating').click()
    expect(await page.locator('.rating li').count()).toBeGreaterThan(0)
    await page.getByRole('button', { name: 'Favourite', exact: true }).click()
    await page.getByRole('button', { name: 'No longer a favourite' }).waitFor()
    await page.getByPlaceholder('Write a comment').fill('What a day')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('What a day').waitFor()
  })

  test('a corrected description is kept', async () => {
    await page.getByRole('button', { name: 'Correct' }).click()
    await page.getByLabel('Description').fill('At the lake')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('.description', { hasText: 'At the lake' }).waitFor()
  })

  test('a movie is made and plays', async () => {
    await page.getByRole('link', { name: 'Movies' }).click()
    await page.getByRole('button', { name: 'Make a 1s Movie' }).click()
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.locator('.movie video').waitFor({ timeout: 180_000 })
    const played = await page.locator('.movie video').evaluate(async element => {
      const video = element as unknown as {
        muted: boolean
        play(): Promise<void>
        currentTime: number
        videoWidth: number
      }
      video.muted = true
      await video.play()
      while (video.currentTime < 0.3) await new Promise(resolve => setTimeout(resolve, 20))
      return video.videoWidth
    })
    expect(played).toBe(1280)
  })

  test('the trash takes an item and gives it back', async () => {
    await page.getByRole('link', { name: 'Album' }).click()
    await page.locator('.grid a').first().click()
    await page.getByRole('button', { name: 'Move to the trash' }).click()
    await until(async () => (await page.locator('.grid a').count()) === 10, {
      deadlineMs: 20_000,
      what: 'the item to go',
    })
    await page.getByRole('link', { name: 'Trash' }).click()
    await page.locator('.grid button').first().click()
    await page.getByRole('button', { name: 'Restore' }).click()
    await page.getByText('The trash is empty.').waitFor()
  })

  test('a child is registered and corrected; the last parent cannot leave', async () => {
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Hana')
    await page.getByLabel('Date of birth').fill('2020-05-17')
    await page.getByRole('button', { name: 'Add a child' }).click()
    await page.getByRole('button', { name: 'Correct Hana' }).click()
    const form = page.getByRole('form', { name: 'Correct Hana' })
    await form.getByLabel('Name').fill('Hanako')
    await form.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Correct Hanako' }).waitFor()
    page.once('dialog', dialog => void dialog.accept())
    await page.getByRole('button', { name: 'Leave' }).click()
    await page.getByText('A family needs at least one parent.').waitFor()
  })

  test('a name and the password are changed, and the person stays signed in', async () => {
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByText('Change the password').first().click()
    await page.getByLabel('Present password').fill(owner.password)
    await page.getByLabel('New password').fill('another battery staple')
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('The password is changed.').waitFor()
    const name = page.locator('form', { has: page.getByLabel('Your name in this family') })
    await name.getByRole('textbox').fill('Mama')
    await name.getByRole('button', { name: 'Save' }).click()
    await page.reload()
    await page.locator('.names', { hasText: 'Mama' }).waitFor()
  })

  test('everything is there in Japanese, on a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByLabel('Language').selectOption('ja')
    await page.getByRole('link', { name: 'アルバム' }).click()
    await page.getByRole('heading', { name: /2024年3月/ }).waitFor()
    const overflow = await page.evaluate(() => {
      const root = (
        globalThis as unknown as { document: { documentElement: { scrollWidth: number; clientWidth: number } } }
      ).document.documentElement
      return root.scrollWidth - root.clientWidth
    })
    expect(overflow).toBeLessThanOrEqual(0)
  })

  test('nothing went wrong in the browser meanwhile', () => {
    expect(problems).toEqual([])
  })
})
