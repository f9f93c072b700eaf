import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { getProgress } from '@keepsake/ingest/catalogue'
import { openHarness, type Harness } from '@keepsake/ingest/testing/harness'
import { previewSide, thumbnailSide } from '@keepsake/media/render-image'
import { seededRandom, until } from '@keepsake/testing'
import sharp from 'sharp'

/** What this bench is called on the command line. */
export const name = 'ingest'

/** Enough that beginning and end, which a script of ten photos has too, do not count for more than they do in a folder. */
const photos = 30
const scenes = 10
const rounds = 5
/** The settings of libs/media; `sameSettings` notices when they part. */
const webp = { preview: { quality: 80, effort: 2 }, thumbnail: { quality: 75, effort: 2 } } as const
/** As many as a phone's photo has, px. */
const [width, height] = [4032, 3024]

/**
 * Photos end to end (upload in parts, compose, hash, dedupe, metadata, both renditions, blur hash, quality, hashes, database, events) against
 * a bare sharp script that makes the same two renditions at the same settings in one process with the same number of files at a time. The
 * ratio is photos a second, ours over theirs; target: at least 0.8, false where it is missed. Rounds alternate; medians.
 */
export async function run(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'keepsake-bench-ingest-'))
  const harness = await openHarness()
  const perSecond = { ours: [] as number[], bare: [] as number[] }
  try {
    const originals = await makePhotos()
    await harness.startWork()
    for (let round = -1; round < rounds; round++) {
      const files = await anew(originals, folder, round)
      const mine = await timed(async () => {
        await together(files, 4, file => harness.uploadFile(file))
        await processed(harness)
      })
      const theirs = await timed(() => together(files, 2, file => bare(file)))
      await sameSettings(harness, files[0] ?? '')
      if (round < 0) continue // warm-up: children start, caches fill
      perSecond.ours.push(photos / mine)
      perSecond.bare.push(photos / theirs)
    }
  } finally {
    await harness.close()
    await rm(folder, { recursive: true, force: true })
  }
  const ratio = median(perSecond.ours.map((mine, round) => mine / (perSecond.bare[round] ?? NaN)))
  console.log(
    `   ${photos} photos of 12 megapixels: ${median(perSecond.ours).toFixed(2)} a second end to end, ` +
      `bare sharp ${median(perSecond.bare).toFixed(2)}, ratio ${ratio.toFixed(2)}`,
  )
  return ratio >= 0.8
}

/** Asks every 50 ms: asking as often as tests do (20 ms) would add some hundredths to what is measured. */
async function processed({ context, call }: Harness): Promise<void> {
  const none = async () => (await getProgress(context, call())).pending === 0
  await until(none, { deadlineMs: 90_000, everyMs: 50 })
}

/** What a script of an afternoon does: decode once, write both renditions. */
async function bare(file: string): Promise<void> {
  const upright = sharp(await readFile(file)).rotate()
  const { data, info } = await upright
    .resize(previewSide, previewSide, { fit: 'inside', withoutEnlargement: true })
    .raw()
    .toBuffer({ resolveWithObject: true })
  const pixels = { raw: { width: info.width, height: info.height, channels: info.channels } }
  const small = { width: thumbnailSide.short, height: thumbnailSide.short, fit: 'outside' as const }
  const [preview, thumbnail] = await Promise.all([
    sharp(data, pixels).webp(webp.preview).toBuffer(),
    sharp(data, pixels).resize(small).webp(webp.thumbnail).toBuffer(),
  ])
  await writeFile(`${file}.preview.webp`, preview)
  await writeFile(`${file}.thumbnail.webp`, thumbnail)
}

/** Both sides must have made the same: a preview that differs by more than a tenth in size was made otherwise. */
async function sameSettings(harness: Harness, file: string): Promise<void> {
  const { mediaId } = await harness.uploadFile(file) // a duplicate: names the item
  const ours = (await harness.objects.stat((await harness.item(mediaId)).previewKey))?.size ?? NaN
  const theirs = (await stat(`${file}.preview.webp`)).size
  if (!(Math.abs(ours / theirs - 1) < 0.1))
    throw new Error(`previews of ${ours} and ${theirs} bytes: not the same settings`)
}

/** The same pictures as other bytes, so that none is a duplicate: decoders stop at the end of the image. */
function anew(originals: readonly Buffer[], folder: string, round: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: photos }, async (_, i) => {
      const file = join(folder, `IMG_${round}_${i}.jpg`)
      await writeFile(file, Buffer.concat([originals[i % scenes] as Buffer, Buffer.from(randomUUID())]))
      return file
    }),
  )
}

/** Photos with the detail of real ones: smooth shapes and some grain, no two alike. */
async function makePhotos(): Promise<Buffer[]> {
  const made: Buffer[] = []
  const noise = { width: 1024, height: 1024, channels: 3 as const }
  const grain = await sharp({
    create: { ...noise, background: '#808080', noise: { type: 'gaussian', mean: 128, sigma: 12 } },
  })
    .png()
    .toBuffer()
  for (let i = 0; i < scenes; i++) {
    const random = seededRandom(i)
    const at = (most: number) => Math.round(random.next() * most)
    const shapes = Array.from(
      { length: 40 },
      () =>
        `<ellipse cx="${at(width)}" cy="${at(height)}" rx="${at(900)}" ry="${at(700)}" fill="hsl(${at(360)},60%,${at(90)}%)"/>`,
    )
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes.join('')}</svg>`
    const image = sharp(Buffer.from(svg))
      .flatten({ background: '#557799' })
      .composite([{ input: grain, blend: 'soft-light', tile: true }])
      .withExif({ IFD2: { DateTimeOriginal: `2024:05:05 10:${String(i).padStart(2, '0')}:00` } })
    made.push(await image.jpeg({ quality: 90 }).toBuffer())
  }
  return made
}

async function together(
  files: readonly string[],
  limit: number,
  fn: (file: string) => Promise<unknown>,
): Promise<void> {
  const queue = [...files]
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) await fn(file)
    }),
  )
}

async function timed(fn: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await fn()
  return (performance.now() - started) / 1000
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}
