import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mediaFailures, openMedia, type Media } from './index.js'
import { makeHostileCorpus, makeLinkTraps, type HostileFile } from './testing/hostile-corpus.js'
import { sampleImage, writeSampleVideo } from './testing/sample-media.js'

/** Resident memory that no child may pass on any file of the corpus, MiB: just-below.png alone is 400 MB of pixels. */
const memoryMiB = 800

let folder: string
let media: Media
let files: HostileFile[]
let peakMiB = 0
let watch: NodeJS.Timeout

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepsake-hostile-'))
  media = openMedia({ imageChildren: 1, limits: { imageMemoryMiB: memoryMiB, videoMemoryMiB: memoryMiB } })
  files = await makeHostileCorpus(join(folder, 'corpus'))
  watch = setInterval(() => {
    for (const child of media.children()) peakMiB = Math.max(peakMiB, child.rssMiB)
  }, 20)
})
afterAll(async () => {
  clearInterval(watch)
  await media.close()
  await rm(folder, { recursive: true, force: true })
})

/** What ingest does with a file: look at its bytes, then read it as what it is. */
async function outcome(path: string): Promise<{ is: string; sentence?: string }> {
  try {
    if ((await media.sniff(path)).kind === 'video') {
      await media.probeVideo(path)
      await media.posterFrame(path)
    } else await media.renderImage({ source: path })
    return { is: 'ready' }
  } catch (error) {
    const { reason, message } = error as { reason?: string; message: string }
    return { is: reason ?? message, sentence: message }
  }
}

test('every hostile file ends as expected, and its neighbours are fine', { timeout: 180_000 }, async () => {
  const photo = join(folder, 'good.jpg')
  await sampleImage(400, 300).jpeg().toFile(photo)
  const clip = join(folder, 'good.mp4')
  await writeSampleVideo(clip, { frames: 5 })
  const wrong: string[] = []
  for (const file of files) {
    const { is, sentence } = await outcome(file.path)
    if (!(file.expect as readonly string[]).includes(is))
      wrong.push(`${file.name}: ${is}, not ${file.expect.join(' or ')} (${file.why})`)
    if (is !== 'ready') {
      expect(Object.keys(mediaFailures)).toContain(is)
      expect(sentence).toMatch(/^[A-Z].*\.$/)
    }
    const video = (await media.sniff(file.path)).kind === 'video'
    const neighbour = await outcome(video ? clip : photo)
    if (neighbour.is !== 'ready') wrong.push(`the neighbour of ${file.name}: ${neighbour.is}`)
  }
  expect(wrong).toEqual([])
  expect(files.length).toBeGreaterThanOrEqual(60)
  // The watch of a starved machine comes late: twice the limit is still nothing beside what these files ask for.
  expect(peakMiB).toBeLessThan(2 * memoryMiB)
})

test('the traps of links hold one real photo', async () => {
  const { real } = await makeLinkTraps(join(folder, 'links'))
  expect(real).toHaveLength(1)
  expect((await stat(real[0] ?? '')).isFile()).toBe(true)
})
