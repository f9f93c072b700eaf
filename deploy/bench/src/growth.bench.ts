import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Album } from '@keepsake/e2e/album'
import { importInto } from '@keepsake/e2e/album-client'
import type { Family, Processing } from '@keepsake/e2e/api-types'
import { mean, median } from './figures.js'
import { pssMiB, treePssMiB } from '@keepsake/testing'
import { numberOf } from './options.js'
import { reEncoded } from './re-encoded.js'

/** What this bench is called on the command line. */
export const name = 'growth'

const everyMs = 1000
const most = 1.05

/** Photos before those that count: models are loaded, children and threads of every kind started (the first face starts one), code compiled. */
const warmUp = 200

/**
 * PSS of Node and its children (without Postgres) over an import of 2,000 photographs (`--photos=2000`) into an album that is at work already: the last tenth
 * against the first, at most +5 %.
 */
export async function run(options: readonly string[] = []): Promise<boolean> {
  const photos = numberOf(options, 'photos', 2000)
  const album = await Album.start({})
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'bench' } })
  const folder = path.join(album.home, 'pictures')
  const first = path.join(album.home, 'first')
  await reEncoded(first, warmUp, photos)
  await reEncoded(folder, photos)
  const take = (root: string) => importInto(album, api, family, root, { wait: true })
  await take(first)

  const samples: { done: number; mib: number; services: number }[] = []
  let importing = true
  const sampling = (async () => {
    while (importing) {
      const { items } = await api.get<Processing>(`/v1/families/${family}/processing`)
      samples.push({ done: items.ready, mib: treePssMiB(album.pid), services: pssMiB(album.pid) })
      await sleep(everyMs)
    }
  })()
  const began = performance.now()
  await take(folder)
  const seconds = (performance.now() - began) / 1000
  importing = false
  await sampling
  await album.remove()

  // What counts is the work under way, so the tenths are tenths of the samples taken while items were being finished.
  const working = samples.filter(sample => sample.done > warmUp && sample.done < warmUp + photos)
  const tenth = Math.max(1, Math.floor(working.length / 10))
  const tenths = Array.from({ length: 10 }, (_, i) => working.slice(i * tenth, i === 9 ? undefined : (i + 1) * tenth))
  const whole = tenths.map(part => mean(part.map(sample => sample.mib)))
  const services = tenths.map(part => mean(part.map(sample => sample.services)))
  const ratio = (whole.at(-1) ?? NaN) / (whole[0] ?? NaN)
  console.log(
    `   ${photos} photos in ${seconds.toFixed(0)} s (${(photos / seconds).toFixed(1)} a second); PSS median ${median(working.map(s => s.mib)).toFixed(0)} MiB, highest ${Math.max(...working.map(s => s.mib)).toFixed(0)} MiB`,
  )
  console.log(`   by tenths ${inMiB(whole)}; of it the process of the services ${inMiB(services)}`)
  console.log(`   last tenth / first tenth ${ratio.toFixed(3)} (at most ${most})`)
  return ratio <= most
}

const inMiB = (figures: readonly number[]) => figures.map(figure => figure.toFixed(0)).join(', ')
