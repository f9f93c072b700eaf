import { mkdir, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { seededRandom } from '@keepsake/testing'
import sharp from 'sharp'

/** A picture that no other seed makes: coloured shapes on a gradient, with a capture time in its EXIF. */
export async function picture(seed: number, takenAt: string): Promise<Buffer> {
  const random = seededRandom(seed)
  const hue = random.integer(0, 359)
  const shapes = Array.from({ length: 14 }, (_, i) => {
    const fill = `hsl(${(hue + i * 31) % 360} 70% ${random.integer(20, 80)}%)`
    return `<ellipse cx="${random.integer(0, 1200)}" cy="${random.integer(0, 800)}" rx="${random.integer(20, 260)}" ry="${random.integer(20, 260)}" fill="${fill}"/>`
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="800"><rect width="1200" height="800" fill="hsl(${hue} 40% 60%)"/>${shapes.join('')}</svg>`
  return sharp(Buffer.from(svg))
    .withExif({ IFD0: { Make: 'Keepsake', Model: `Test ${seed}` }, IFD2: { DateTimeOriginal: takenAt } })
    .jpeg({ quality: 88 })
    .toBuffer()
}

/** Writes `count` different pictures, one a day from 2024-03-01 on, and returns their paths. */
export async function pictureFolder(folder: string, count: number, from = 0): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const files: string[] = []
  for (let i = from; i < from + count; i++) {
    const day = new Date(Date.UTC(2024, 2, 1 + i, 10, 30))
    const file = path.join(folder, `picture-${String(i).padStart(4, '0')}.jpg`)
    await writeFile(file, await picture(i, day.toISOString().slice(0, 19).replaceAll('-', ':').replace('T', ' ')))
    await utimes(file, day, day)
    files.push(file)
  }
  return files
}
