import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openInference, prepareModels, type Inference, type ModelName } from '@keepsake/inference'
import { openMedia, type Media } from '@keepsake/media'
import { sharedData, skipUnless } from '@keepsake/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { cosine } from './embedding.js'
import { findFaces } from './find-faces.js'
import { intersectionOverUnion } from './geometry.js'
import { Picture } from './picture.js'
import { boxBeforeTurn, turned, type QuarterTurns } from './quarter-turns.js'

const folder = sharedData()
const { describe, test } = skipUnless(folder, '../shared/data is missing')

/** Groups with small faces, a portrait, a face in the dark and a child. */
const PHOTOS = [
  'dlib_faces/2007_007763.jpg',
  'dlib_faces/2008_001322.jpg',
  'compreface/006_A.jpg',
  'compreface/015_6.jpg',
  'human_samples/stock-teen-2.jpg',
]

describe('a photo that lies on its side, or on its head, without saying so', () => {
  let dir: string
  let inference: Inference<ModelName>
  let media: Media

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keepsake-models-'))
    await prepareModels(dir)
    inference = openInference(dir)
    media = openMedia()
  }, 120_000)
  afterAll(async () => {
    await inference.close()
    await media.close()
    await rm(dir, { recursive: true })
  })
  const load = (file: string) => media.decodeRgb(join(folder ?? '', file), { maxSide: 1600 })
  const look = (picture: Picture) => findFaces(picture, inference, { deadline: Date.now() + 300_000 })

  test.each(PHOTOS)(
    'shows in %s the same people in the same places',
    async file => {
      const upright = new Picture(await load(file))
      const known = await look(upright)
      expect(known.length).toBeGreaterThan(0)
      for (const turns of [1, 2, 3] as const) {
        const picture = new Picture(turned(upright.full, turns))
        const back = (4 - turns) as QuarterTurns
        const found = await look(picture)
        expect(found).toHaveLength(known.length)
        for (const face of known) {
          const box = boxBeforeTurn(face.box, back, picture)
          const same = found.find(other => intersectionOverUnion(other.box, box) > 0.6)
          expect(same, `turned ${turns} times`).toBeDefined()
          expect(cosine(same?.embedding ?? new Float32Array(128), face.embedding)).toBeGreaterThan(0.98)
          const lean = (same?.pose.roll ?? 0) - face.pose.roll - turns * 90
          expect(Math.abs(((lean + 540) % 360) - 180)).toBeLessThan(10)
          const [eye] = same?.landmarks ?? []
          expect(eye && eye.x > 0 && eye.x < picture.width && eye.y > 0 && eye.y < picture.height).toBe(true)
        }
      }
    },
    300_000,
  )

  test('dogs are no people, whichever way they are turned', async () => {
    const upright = await load('dlib_faces/dogs.jpg')
    for (const turns of [0, 1, 2, 3] as const) expect(await look(new Picture(turned(upright, turns)))).toEqual([])
  }, 300_000)

  test('a picture of one pixel, and one of nothing but a line, hold nobody', async () => {
    for (const [width, height] of [
      [1, 1],
      [1600, 1],
    ] as const)
      expect(await look(new Picture({ data: new Uint8Array(width * height * 3), width, height }))).toEqual([])
  }, 60_000)
})
