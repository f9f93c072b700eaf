import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Album } from '@keepsake/e2e/album'
import { importFolders } from '@keepsake/e2e/album-client'
import type { Family, Processing } from '@keepsake/e2e/api-types'
import { pictureFolder } from '@keepsake/e2e/pictures'
import { mean, median } from './figures.js'
import { treePssMiB } from '@keepsake/testing'

/** What this bench is called on the command line. */
export const name = 'growth'

const photos = 2000
const everyMs = 1000
const most = 1.05

/** PSS of Node and its children (without Postgres) over an import of 2,000 photos: the last tenth against the first, at most +5 %. */
export async function run(): Promise<boolean> {
  const album = await Album.start({})
  const api = await album.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'bench' } })
  const folder = path.join(album.home, 'pictures')
  await pictureFolder(folder, photos)

  const samples: { done: number; mib: number }[] = []
  let importing = true
  const sampling = (async () => {
    while (importing) {
      const { items } = await api.get<Processing>(`/v1/families/${family}/processing`)
      samples.push({ done: items.ready, mib: treePssMiB(album.pid) })
      await sleep(everyMs)
    }
  })()
  const began = performance.now()
  await importFolders({
    api,
    familyId: family,
    roots: [folder],
    journalDir: path.join(album.home, 'journal'),
    wait: true,
  })
  const seconds = (performance.now() - began) / 1000
  importing = false
  await sampling
  await album.remove()

  // What counts is the work under way, so the tenths are tenths of the samples taken while items were being finished.
  const working = samples.filter(sample => sample.done > 0 && sample.done < photos).map(sample => sample.mib)
  const tenth = Math.max(1, Math.floor(working.length / 10))
  const ratio = mean(working.slice(-tenth)) / mean(working.slice(0, tenth))
  console.log(
    `   ${photos} photos in ${seconds.toFixed(0)} s (${(photos / seconds).toFixed(1)} a second); PSS median ${median(working).toFixed(0)} MiB, highest ${Math.max(...working).toFixed(0)} MiB`,
  )
  console.log(`   last tenth / first tenth ${ratio.toFixed(3)} (at most ${most})`)
  return ratio <= most
}
