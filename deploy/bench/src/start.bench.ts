import { setTimeout as sleep } from 'node:timers/promises'
import path from 'node:path'
import { Album } from '@keepsake/e2e/album'
import { settled, upload } from '@keepsake/e2e/album-client'
import type { Family } from '@keepsake/e2e/api-types'
import { pictureFolder } from '@keepsake/e2e/pictures'
import { median } from './figures.js'
import { processTree, treePssMiB } from '@keepsake/testing'

/** What this bench is called on the command line. */
export const name = 'start'

const starts = 3
const readyWithinS = 10
const idleMs = 60_000
const idleMiB = 700

/** `npm start` on an existing album: seconds until the ready line (under 10), and PSS without Postgres after a minute idle (under 700 MB). */
export async function run(): Promise<boolean> {
  const first = await Album.start({})
  const api = await first.signIn()
  const family = (await api.get<{ items: Family[] }>('/v1/families')).items[0]?.id ?? ''
  await api.patch(`/v1/families/${family}`, { faceRecognition: { consent: true, textVersion: 'bench' } })
  for (const file of await pictureFolder(path.join(first.home, 'pictures'), 20)) await upload(api, family, file)
  await settled(api, family)
  await first.stop()

  const seconds: number[] = []
  let memory = NaN
  for (let i = 0; i < starts; i++) {
    const began = performance.now()
    const album = await Album.start({ home: first.home })
    seconds.push((performance.now() - began) / 1000)
    if (i === starts - 1) {
      await sleep(idleMs)
      memory = treePssMiB(album.pid)
      console.log(
        `   idle: ${processTree(album.pid).length} processes, PSS ${memory.toFixed(0)} MiB (under ${idleMiB})`,
      )
      await album.remove()
    } else await album.stop()
  }
  console.log(
    `   ready after ${median(seconds).toFixed(2)} s, median of ${starts} (under ${readyWithinS}); ${seconds.map(s => s.toFixed(2)).join(', ')}`,
  )
  return median(seconds) < readyWithinS && memory < idleMiB
}
