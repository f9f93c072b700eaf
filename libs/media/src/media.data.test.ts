import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { openMedia, type Media } from './index.js'

const data = sharedData()
const here = skipUnless(data, '../shared/data is missing')
const home = data ?? ''

let media: Media
beforeAll(() => {
  media = openMedia({ imageChildren: 2 })
})
afterAll(() => media.close())

/** Rows of a CSV without quotes, by its header. */
async function rows(path: string): Promise<Record<string, string>[]> {
  const [head = '', ...lines] = (await readFile(path, 'utf8')).trim().split('\n')
  const names = head.split(',')
  return lines.map(line => Object.fromEntries(line.split(',').map((value, i) => [names[i] ?? '', value])))
}

function secondsOf(text: string): number {
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

here.test(
  "every video has ExifTool's duration, size and rotation; the corrupted one is named",
  { timeout: 300_000 },
  async () => {
    const wrong: string[] = []
    for (const row of await rows(join(home, 'videos', 'exiftool.csv'))) {
      const name = row['SourceFile'] ?? ''
      if (!/\.(mp4|mov|mkv|webm)$/i.test(name)) continue
      const file = join(home, 'videos', name)
      const outcome = await media.probeVideo(file).then(
        probe => ({ probe, reason: 'ready' }),
        (error: { reason: string }) => ({ probe: undefined, reason: error.reason }),
      )
      if (name === 'decord__corrupted.mp4') {
        expect(outcome.reason).toBe('CORRUPT')
        continue
      }
      if (row['ImageWidth'] === '') {
        expect(outcome.reason).toBe('NO_PICTURE')
        continue
      }
      const { probe } = outcome
      const seen = [probe?.storedWidth, probe?.storedHeight, probe?.rotation]
      const wanted = [row['ImageWidth'], row['ImageHeight'], row['Rotation'] || 0].map(Number)
      if (seen.join() !== wanted.join()) wrong.push(`${name}: ${seen.join()} not ${wanted.join()} (${outcome.reason})`)
      const duration = secondsOf(row['Duration'] ?? '')
      // A fragmented file states 0 in its header; the true length is in its fragments.
      if (duration > 0 && Math.abs((probe?.durationS ?? 0) - duration) > 0.05)
        wrong.push(`${name}: ${probe?.durationS} s not ${duration} s`)
      expect((await media.posterFrame(file, { maxSide: 320 })).data.length).toBeGreaterThan(0)
    }
    expect(wrong).toEqual([])
  },
)

here.test('the live photo is paired by its identifier', async () => {
  const still = await media.liveMarkers(join(home, 'videos', 'pigallery2__IMG_7943.HEIC'))
  const clip = await media.probeVideo(join(home, 'videos', 'pigallery2__IMG_7943_HEVC.MOV'))
  expect(still.contentIdentifier).toBeDefined()
  expect(clip.quickTime.contentIdentifier).toBe(still.contentIdentifier)
  expect(clip.quickTime).toMatchObject({
    make: 'Apple',
    model: 'iPhone 13 Pro',
    location: { latitude: 49.1989, longitude: 16.6071 },
  })
})

here.test('motion photos give their clip', async () => {
  const folder = join(home, 'immich_assets', 'formats', 'motionphoto')
  const missing: string[] = []
  for (const name of await readdir(folder)) {
    if (/\.(jpe?g|heic)$/i.test(name) && !(await media.liveMarkers(join(folder, name))).motionPhoto) missing.push(name)
  }
  expect(missing).toEqual([])
})

here.test('every real photo is shown or named, in the size that ExifTool reads', { timeout: 300_000 }, async () => {
  const outcomes: Record<string, string> = {}
  const wrong: string[] = []
  for (const set of ['immich_assets', 'exif_samples']) {
    for (const row of await rows(join(home, set, 'exiftool.csv'))) {
      const name = row['SourceFile'] ?? ''
      const file = join(home, set, name)
      const sniffed = await media.sniff(file).catch(() => undefined)
      if (sniffed?.kind !== 'image') continue
      try {
        const probe = await media.probeImage(file)
        const [width, height] = [Number(row['ImageWidth']), Number(row['ImageHeight'])]
        const size = (w: number, h: number) => [Math.min(w, h), Math.max(w, h)].join('x')
        if (size(probe.width, probe.height) !== size(width, height))
          wrong.push(`${name}: ${probe.width}x${probe.height} not ${width}x${height}`)
        const pixels = await media.decodeRgb(file, { maxSide: 256 })
        expect(pixels.data.length).toBe(pixels.width * pixels.height * 3)
      } catch (error) {
        outcomes[name] = (error as { reason: string }).reason
      }
    }
  }
  expect(wrong).toEqual([])
  expect(outcomes).toEqual({
    'formats/jxl/16bit-HDR-P3-nclx.jxl': 'UNSUPPORTED_FORMAT',
    'formats/jxl/8bit-sRGB.jxl': 'UNSUPPORTED_FORMAT',
    'jpg/corrupted.jpg': 'TRUNCATED',
  })
})
