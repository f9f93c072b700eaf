import path from 'node:path'
import { Album, createAccount } from '@keepsake/e2e/album'
import { importInto, settled, upload } from '@keepsake/e2e/album-client'
import type { Family, Media } from '@keepsake/e2e/api-types'
import { until } from '@keepsake/testing'
import type { Api } from 'keepsake'
import { median } from './figures.js'
import { numberOf } from './options.js'
import { reEncoded } from './re-encoded.js'

/** What this bench is called on the command line. */
export const name = 'fair-share'

const probes = 7
const most = 3

/**
 * How long one photo of a family takes from the first byte sent until it is `ready`, alone on the system and while another family's 2,000 photos
 * (`--photos=2000`) are under way: medians of seven, at most three times. Printed beside it: until faces, people and rating are done too.
 */
export async function run(options: readonly string[] = []): Promise<boolean> {
  const photos = numberOf(options, 'photos', 2000)
  const album = await Album.start({})
  const stopped = new AbortController()
  let importing: Promise<unknown> = Promise.resolve()
  try {
    const crowd = await album.signIn()
    const crowdFamily = (await crowd.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
    const consent = { consent: true, textVersion: 'bench' }
    await crowd.patch(`/v1/families/${crowdFamily}`, { faceRecognition: consent })
    const single = await createAccount(album.requireUrl(), 'single@example.org', 'Single')
    const { id: singleFamily } = await single.post<Family>('/v1/families', {
      name: 'Single',
      timeZone: 'UTC',
      locale: 'en',
      faceRecognition: consent,
    })
    const folder = path.join(album.home, 'pictures')
    const many = await reEncoded(path.join(folder, 'crowd'), photos)
    const few = await reEncoded(path.join(folder, 'single'), 2 * probes + 1, photos)

    const measured = async (files: readonly string[]) => {
      const times: Times[] = []
      for (const file of files) times.push(await timesOf(single, singleFamily, file))
      return times
    }
    await measured(few.slice(0, 1)) // models load, children start
    await settled(single, singleFamily)
    const alone = await measured(few.slice(1, probes + 1))

    importing = importInto(album, crowd, crowdFamily, path.dirname(many[0] ?? ''), {
      wait: false,
      signal: stopped.signal,
    }).catch((error: unknown) => {
      if (!stopped.signal.aborted) throw error
    })
    // Under way: the uploads run ahead of the models by now.
    await until(async () => (await counts(crowd, crowdFamily)).total >= photos / 20, { deadlineMs: 300_000 })
    const crowded = await measured(few.slice(probes + 1))
    const left = await counts(crowd, crowdFamily)

    console.log(
      `   beside an import of ${photos} photos, ${left.pending} of its ${left.total} uploaded ones still waiting at the end:`,
    )
    const ratios = (['sent', 'ready', 'done'] as const).map(moment => {
      const [before, beside] = [alone, crowded].map(times => times.map(each => each[moment]))
      const ratio = median(beside ?? []) / median(before ?? [])
      console.log(
        `   ${moment.padEnd(5)} alone ${said(before)}, beside ${said(beside)}, ratio ${ratio.toFixed(2)}${moment === 'ready' ? ` (at most ${most})` : ''}`,
      )
      return ratio
    })
    if (left.total === photos && left.pending === 0)
      throw new Error('the import was over before the last photo: take more --photos')
    return (ratios[1] ?? NaN) <= most
  } finally {
    stopped.abort()
    await importing.catch(() => undefined)
    await album.remove()
  }
}

const counts = async (api: Api, family: string) =>
  (await api.get<{ items: { total: number; pending: number } }>(`/v1/families/${family}/processing`)).items

/** Seconds from the first byte sent. */
interface Times {
  /** Until the upload was acknowledged. */
  sent: number
  /** Until the item is `ready`. */
  ready: number
  /** Until no stage has anything left to do in the family. */
  done: number
}

async function timesOf(api: Api, family: string, file: string): Promise<Times> {
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const id = await upload(api, family, file)
  const sent = seconds()
  const isReady = async () => (await api.get<Media>(`/v1/families/${family}/media/${id}`)).state === 'ready'
  await until(isReady, { deadlineMs: 120_000, everyMs: 20 })
  const ready = seconds()
  await settled(api, family)
  return { sent, ready, done: seconds() }
}

const said = (times: readonly number[] = []) =>
  `${median(times).toFixed(2)} s (${times.map(time => time.toFixed(2)).join(', ')})`
