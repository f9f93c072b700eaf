import { mkdir, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { createHash } from 'node:crypto'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { picture } from '@keepsake/e2e/pictures'
import { sharedData } from '@keepsake/testing/shared-data'
import sharp from 'sharp'

/** A file that is uploaded. */
export interface Piece {
  path: string
  name: string
  size: number
  /** Of the file, epoch ms: the same in every run. */
  lastModified: number
  sha256: string
}

/** One item in so many shows real faces, where the photos are there: they take most of the time. */
const faceEvery = 3
const longestSide = 640

/**
 * The folders of two families: small pictures, each of another content within a family. Every fifth content lies in both folders, for
 * what the same bytes are must not join two families.
 */
export async function makeMaterial(folder: string, items: number): Promise<[Piece[], Piece[]]> {
  const photos = await facePhotos()
  const families: [Piece[], Piece[]] = [[], []]
  for (const family of [0, 1] as const) {
    const own = Math.floor(items / 2) + (family === 0 ? items % 2 : 0)
    const dir = path.join(folder, `family-${family}`)
    await mkdir(dir, { recursive: true })
    for (let i = 0; i < own; i++) {
      const content = i % 5 === 0 ? i : i * 2 + family + 1000
      const day = new Date(Date.UTC(2024, 0, 1 + i, 10, 30))
      const photo = i % faceEvery === 0 ? photos[Math.floor(i / faceEvery) % photos.length] : undefined
      const name = `item-${String(i).padStart(4, '0')}.jpg`
      const bytes = await makePicture(content, day, photo)
      await writeFile(path.join(dir, name), bytes)
      await utimes(path.join(dir, name), day, day)
      const { size } = await stat(path.join(dir, name))
      families[family].push({
        path: path.join(dir, name),
        name,
        size,
        lastModified: day.getTime(),
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })
    }
  }
  return families
}

async function makePicture(content: number, day: Date, photo: string | undefined): Promise<Buffer> {
  const takenAt = day.toISOString().slice(0, 19).replaceAll('-', ':').replace('T', ' ')
  const exif = { IFD0: { Model: `Faults ${content}` }, IFD2: { DateTimeOriginal: takenAt } }
  const source = photo === undefined ? await picture(content, takenAt) : await readFile(photo)
  return sharp(source)
    .rotate()
    .resize({ width: longestSide, height: longestSide, fit: 'inside', withoutEnlargement: true })
    .withExif(exif)
    .jpeg({ quality: 80 })
    .toBuffer()
}

async function facePhotos(): Promise<string[]> {
  const found: string[] = []
  for (const set of ['lfw10/Tony_Blair', 'lfw10/Colin_Powell', 'deepface']) {
    const from = sharedData(set)
    if (!from) continue
    for (const file of (await readdir(from))
      .filter(name => /\.jpe?g$/i.test(name))
      .sort()
      .slice(0, 24))
      found.push(path.join(from, file))
  }
  return found
}
