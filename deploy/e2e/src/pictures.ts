import { mkdir, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'

/** A picture that no other seed makes: coloured shapes on a gradient, with a capture time in its EXIF. */
export async function picture(seed: number, takenAt: string): Promise<Buffer> {
  const hue = (seed * 47) % 360
  const shapes = Array.from({ length: 12 }, (_, i) => {
    const at = (n: number) => ((seed * 7919 + i * 104_729 + n * 1_299_709) % 1000) / 1000
    return `<circle cx="${at(1) * 1200}" cy="${at(2) * 800}" r="${30 + at(3) * 160}" fill="hsl(${(hue + i * 31) % 360} 70% ${25 + at(4) * 50}%)"/>`
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
