import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { openBooks } from '@keepsake/admin/place'
import { Db } from '@keepsake/db'
import { MediaIngested, publish } from '@keepsake/events'
import { until } from '@keepsake/testing'
import type { Api } from 'keepsake'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Album, repository } from './album.js'
import { settled, upload } from './album-client.js'
import type { Family } from './api-types.js'
import { pictureFolder } from './pictures.js'

describe('an operator, beside an album that runs', () => {
  let album: Album
  let api: Api
  let family: string
  let media: string

  beforeAll(async () => {
    album = await Album.start()
    api = await album.signIn()
    family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    const [file = ''] = await pictureFolder(path.join(album.home, 'pictures'), 1)
    media = await upload(api, family, file)
    await settled(api, family)
  })
  afterAll(() => album?.remove())

  /** `npm run admin -- …`: what it prints, and its status. */
  const admin = async (...words: string[]): Promise<{ status: number; said: string[] }> => {
    const program = [path.join(repository, 'deploy', 'admin', 'keepsake-admin.mjs'), ...words, '--home', album.home]
    const { stdout, stderr, code } = await promisify(execFile)(process.execPath, program, { cwd: repository }).then(
      out => ({ ...out, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    )
    return { status: code, said: `${stdout}${stderr}`.trim().split('\n') }
  }

  /** Whether the album's processes say that they are ready, and why not. */
  const readiness = async () => {
    const { services } = JSON.parse(await readFile(path.join(album.home, 'run.json'), 'utf8')) as {
      services: Record<string, { internalUrl: string }>
    }
    const answers = Object.entries(services).map(async ([name, { internalUrl }]) => {
      const answer = await fetch(`${internalUrl}/readyz`)
      return `${name} ${answer.status} ${(await answer.text()).trim()}`
    })
    return Promise.all(answers)
  }

  test('finds every service ready, the models having answered', async () => {
    await until(async () => (await readiness()).every(line => line.endsWith(' 200 ok')), {
      deadlineMs: 120_000,
      everyMs: 200,
      what: 'every service to be ready',
    })
    expect((await readiness()).length).toBeGreaterThanOrEqual(8)
  })

  test('migrates once more and changes nothing; topics are named where there are any', async () => {
    expect(await admin('migrate')).toEqual({ status: 0, said: ['Everything was up to date.'] })
    const { status, said } = await admin('topics')
    expect(status).toBe(0)
    if (process.env['KEEPSAKE_TARGET'] === 'stack')
      expect(said).toContainEqual(expect.stringMatching(/keepsake\.media\.ingested\.v1$/))
    else expect(said).toEqual(['Events stay in Postgres: there are no topics to make.'])
  })

  test('sees an event that was given up and drives it through again', async () => {
    expect(await admin('dead-letters')).toEqual({ status: 0, said: ['No dead letters.'] })
    const books = await openBooks({ home: album.home, env: {} })
    const db = new Db(books.ownerUrl, { max: 1 })
    const codec = { ...MediaIngested.codec, encode: () => ({ finish: () => Buffer.from([0xff, 0xff]) }) }
    const garbled = { ...MediaIngested, codec } as unknown as typeof MediaIngested
    const message = { mediaId: crypto.randomUUID(), version: 1, kind: 'photo' }
    await db.family(family, tx => publish(tx, garbled, message)).finally(() => db.close())
    await books.close()
    let letters: string[] = []
    await until(
      async () => {
        letters = (await admin('dead-letters', '--group', 'album')).said
        return letters.length === 2
      },
      { deadlineMs: 60_000, everyMs: 500, what: 'the dead letter' },
    )
    expect(letters[0]).toMatch(
      new RegExp(`^\\S+ album media\\.ingested event=\\S+ key=${message.mediaId} family=${family} .*UNDECODABLE`),
    )
    expect(letters[1]).toBe('1 dead letter.')

    const others = await admin('replay', '--group', 'album', '--topic', 'media.ingested', '--where', 'reason=OTHER')
    expect(others).toEqual({ status: 0, said: ['0 events are driven through again.'] })
    const where = `family=${family},key=${message.mediaId}`
    const driven = await admin('replay', '--group', 'album', '--topic', 'media.ingested', '--where', where)
    expect(driven).toEqual({ status: 0, said: ['album: 1', '1 event is driven through again.'] })
    const first = letters[0]?.split(' ')[0]
    await until(
      async () => {
        const [letter = ''] = (await admin('dead-letters', '--group', 'album')).said
        return letter.includes('UNDECODABLE') && !letter.startsWith(first ?? '')
      },
      { deadlineMs: 60_000, everyMs: 500, what: 'the event to be given up anew' },
    )
  })

  test('says which words it did not understand', async () => {
    expect((await admin('replay')).said).toEqual(['Say which: --topic T, --where …, or both.'])
    expect((await admin('dead-letters', '--group', 'nobody')).said).toEqual(['There is no group nobody.'])
    expect((await admin('nonsense')).status).toBe(1)
  })

  test('sees the receipt of what was erased, and who has reported', async () => {
    expect((await admin('erasures')).said).toEqual(['0 erasures, 0 not complete.'])
    const answer = await fetch(new URL(`/v1/families/${family}/media/${media}?now=true`, api.base), {
      method: 'DELETE',
      headers: { authorization: (await api.authorization()) ?? '' },
    })
    expect(answer.ok).toBe(true)
    await until(async () => (await admin('erasures', '--open')).said[0] === '0 erasures, 0 not complete.', {
      deadlineMs: 120_000,
      everyMs: 500,
      what: 'the receipt to be complete',
    })
    const { said } = await admin('erasures')
    expect(said[0]).toMatch(new RegExp(`family=${family} item \\(1\\) complete `))
    expect(said[1]).toBe('1 erasure, 0 not complete.')
  })
})
