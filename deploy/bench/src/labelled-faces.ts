import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Face } from '@keepsake/cluster/face'
import { findFaces } from '@keepsake/face/find-faces'
import { Picture } from '@keepsake/face/picture'
import { openInference, prepareModels } from '@keepsake/inference'
import { openMedia } from '@keepsake/media'

/** A face that the shipped pipeline found in a picture of a labelled set. */
export interface LabelledFace extends Face {
  set: string
  /** Who it is; absent where the labels do not say. */
  person?: string
}

/** A labelled set with the faces that were found in it. */
export interface LabelledSet {
  name: string
  pictures: number
  faces: LabelledFace[]
  /** Labelled people in whose picture no face was found for them: file and person. */
  missed: { file: string; person: string }[]
}

/** The labelled sets of `../shared/data`. Those without labels.csv have the folder as the person. */
export const LABELLED = ['deepface', 'lfw10', 'dlib_johns', 'face_recognition', 'openface']

/**
 * Labels that are wrong: this picture is made of two others of the set, tests/obama3.jpg and biden.jpg (its faces have the embeddings of those, at cosine
 * 1.000 and 0.999), and labels.csv names two other people.
 */
const MISLABELLED: Readonly<Record<string, readonly string[]>> = {
  'face_recognition/two_people.jpg': ['obama', 'biden'],
}

const DECODED_SIDE = 1600

/** As it is kept between runs. */
type Kept = (Omit<LabelledFace, 'embedding' | 'set' | 'person' | 'id' | 'mediaId'> & { embedding: number[] })[]

/**
 * Every face of the labelled sets, found by the shipped pipeline. What was found in a file is kept under `cache`, by the digests of the pipeline's
 * code and of the file. A picture of one person is labelled by its largest face; in a picture of several, faces and labels are matched by what the
 * pictures of one person show. `corrected`: with the wrong label (`MISLABELLED`) put right.
 */
export async function labelledSets(folder: string, cache: string, corrected = true): Promise<LabelledSet[]> {
  mkdirSync(cache, { recursive: true })
  const code = digest(
    ...['@keepsake/face/find-faces', '@keepsake/inference', '@keepsake/media']
      .map(name => dirname(fileURLToPath(import.meta.resolve(name))))
      .flatMap(dir => globSync(join(dir, '*.js')).sort())
      .filter(file => !file.endsWith('.test.js'))
      .map(file => readFileSync(file)),
  )
  const find = pipeline()
  try {
    const sets: LabelledSet[] = []
    for (const name of LABELLED) {
      const labels = labelsOf(join(folder, name)).map(({ file, people }) => ({
        file,
        people: (corrected ? MISLABELLED[`${name}/${file}`] : undefined) ?? people,
      }))
      const set: LabelledSet = { name, pictures: labels.length, faces: [], missed: [] }
      const groups: { faces: LabelledFace[]; people: readonly string[]; file: string }[] = []
      for (const { file, people } of labels) {
        const path = join(folder, name, file)
        const at = join(cache, `${digest(code, readFileSync(path))}.json`)
        if (!existsSync(at)) writeFileSync(at, JSON.stringify(await find.faces(path)))
        const kept = JSON.parse(readFileSync(at, 'utf8')) as Kept
        const faces = kept.map((face, i): LabelledFace => ({
          ...face,
          embedding: Float32Array.from(face.embedding),
          id: `${name}/${file}#${i}`,
          mediaId: `${name}/${file}`,
          set: name,
        }))
        set.faces.push(...faces)
        if (people.length === 1) {
          if (faces[0]) faces[0].person = people[0]!
          else set.missed.push({ file, person: people[0]! })
        } else if (people.length > 1) groups.push({ faces, people, file })
      }
      for (const group of groups) match(set, group)
      sets.push(set)
    }
    return sets
  } finally {
    await find.close()
  }
}

/** The pipeline, opened when the first picture needs it. */
function pipeline(): { faces: (path: string) => Promise<Kept>; close: () => Promise<void> } {
  const open = async () => {
    const dir = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
    await prepareModels(dir)
    const inference = openInference(dir, { workers: 1, idleReleaseMs: 600_000, maxQueuedCost: Infinity })
    return { dir, inference, media: openMedia({ imageChildren: 1 }) }
  }
  let opened: ReturnType<typeof open> | undefined
  return {
    faces: async path => {
      const { media, inference } = await (opened ??= open())
      const picture = new Picture(await media.decodeRgb(path, { maxSide: DECODED_SIDE }))
      const { width, height } = picture
      return (await findFaces(picture, inference, { deadline: Date.now() + 600_000 })).map(face => ({
        embedding: [...face.embedding],
        age: face.age,
        ageSpread: face.ageSpread,
        quality: face.quality,
        box: {
          x: face.box.x0 / width,
          y: face.box.y0 / height,
          w: (face.box.x1 - face.box.x0) / width,
          h: (face.box.y1 - face.box.y0) / height,
        },
      }))
    },
    close: async () => {
      if (!opened) return
      const { dir, inference, media } = await opened
      await inference.close()
      await media.close()
      await rm(dir, { recursive: true })
    },
  }
}

/** Files of a set with the people that the labels name. */
function labelsOf(folder: string): { file: string; people: readonly string[] }[] {
  const list = join(folder, 'labels.csv')
  if (!existsSync(list))
    return globSync('*/*', { cwd: folder })
      .sort()
      .map(file => ({ file, people: [dirname(file)] }))
  const [, ...rows] = readFileSync(list, 'utf8').trim().split(/\r?\n/)
  return rows.map(row => {
    const [file = '', person = ''] = row.split(',')
    return { file, people: person.split('|').filter(Boolean) }
  })
}

/** Gives the labels of a picture of several people to its faces: the most similar pair first; who has no other picture gets the largest face left. */
function match(
  set: LabelledSet,
  { faces, people, file }: { faces: LabelledFace[]; people: readonly string[]; file: string },
): void {
  const alone = (person: string) =>
    set.faces.filter(face => face.person === person && face.mediaId !== `${set.name}/${file}`)
  const pairs = people.flatMap(person =>
    faces.flatMap(face => {
      const likes = alone(person).map(other => similarity(face.embedding, other.embedding))
      return likes.length ? [{ person, face, like: likes.reduce((a, b) => a + b, 0) / likes.length }] : []
    }),
  )
  const open = new Set(people)
  for (const { person, face } of pairs.sort((a, b) => b.like - a.like)) {
    if (!open.has(person) || face.person !== undefined) continue
    face.person = person
    open.delete(person)
  }
  for (const person of open) {
    const left = faces.find(face => face.person === undefined)
    if (left) left.person = person
    else set.missed.push({ file, person })
  }
}

function similarity(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, k) => sum + x * b[k]!, 0)
}

function digest(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 32)
}
