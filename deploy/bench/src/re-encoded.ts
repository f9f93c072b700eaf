import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { picture } from '@keepsake/e2e/pictures'
import { seededRandom, sharedData } from '@keepsake/testing'
import sharp from 'sharp'

/** Folders of `../shared/data` with photographs, most of them of people. */
const sources = ['deepface', 'compreface', 'human_samples', 'immich_assets']
/** What a messenger leaves of a photo, px: enough for every model, and quick to make by the thousand. */
const longestSide = 1600

/**
 * Writes photographs `from` to `from + count - 1` of an endless row, no two alike: those of `../shared/data` in turn, each time cut and encoded
 * otherwise, an hour apart in their EXIF from 2020 on. The same number is the same file in every run. Drawn pictures where the folder is missing.
 * @returns their paths, in order
 */
export async function reEncoded(folder: string, count: number, from = 0): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const photos = (await Promise.all(sources.map(photosOf))).flat()
  const files: string[] = []
  for (let i = from; i < from + count; i++) {
    const file = path.join(folder, `photo-${String(i).padStart(5, '0')}.jpg`)
    await writeFile(file, await one(i, photos[i % Math.max(1, photos.length)]))
    files.push(file)
  }
  return files
}

async function photosOf(name: string): Promise<string[]> {
  const folder = sharedData(name)
  if (folder === undefined) return []
  const files = await readdir(folder, { recursive: true })
  return files
    .filter(file => /\.jpe?g$/i.test(file))
    .sort()
    .map(file => path.join(folder, file))
}

async function one(number: number, source: string | undefined): Promise<Buffer> {
  const hour = new Date(Date.UTC(2020, 0, 1, number))
  const takenAt = hour.toISOString().slice(0, 19).replaceAll('-', ':').replace('T', ' ')
  if (source === undefined) return picture(number, takenAt)
  const random = seededRandom(number)
  // First upright, so that width and height are those of what is cut.
  const { data, info } = await sharp(source, { failOn: 'none' })
    .rotate()
    .resize(longestSide, longestSide, { fit: 'inside', withoutEnlargement: true })
    .raw()
    .toBuffer({ resolveWithObject: true })
  const edge = (length: number) => Math.floor(length * 0.04 * random.next())
  const [left, top] = [edge(info.width), edge(info.height)]
  return sharp(data, { raw: info })
    .extract({
      left,
      top,
      width: info.width - left - edge(info.width),
      height: info.height - top - edge(info.height),
    })
    .withExif({ IFD0: { Make: 'Keepsake', Model: `Photo ${number}` }, IFD2: { DateTimeOriginal: takenAt } })
    .jpeg({ quality: random.integer(80, 92) })
    .toBuffer()
}
