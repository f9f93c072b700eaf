import { describe, expect, test } from 'vitest'
import { DETECTORS, type Models } from './detector.js'
import { findFaces } from './find-faces.js'
import { Picture } from './picture.js'
import { drawFaces, StubModels } from './testing/stub-models.js'

const options = { deadline: Infinity }
const SIDE = 192

/** Models for which a red face stands upright where its middle lies in the upper left quarter of the picture: BlazeFace sees it there only, SSD everywhere. */
class UprightOnlyInTheCorner implements Models {
  private readonly stub = new StubModels()
  readonly runs = this.stub.runs

  run: Models['run'] = async (model, input, more) => {
    const answer = await this.stub.run(model, input, more)
    if (model !== 'facemesh_detection_full') return answer
    let [x0, y0, x1, y1] = [SIDE, SIDE, 0, 0]
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        if ((input.data[(y * SIDE + x) * 3] as number) > 200)
          [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)]
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2]
    const rows = new Float32Array(2304 * 17).fill(-20)
    if (x1 > x0 && x < SIDE / 2 && y < SIDE / 2) rows.set([3, x - 2, y - 2, x1 - x0, y1 - y0])
    return { detections: rows }
  }
}

describe('a picture that may lie on its side', () => {
  const look = async (x: number, y: number) => {
    const models = new UprightOnlyInTheCorner()
    const picture = new Picture(drawFaces(400, 300, [{ person: 'red', x, y, side: 80 }]))
    return { faces: await findFaces(picture, models, options), runs: models.runs }
  }

  test('is looked at once where a face surely stands upright', async () => {
    const { faces, runs } = await look(100, 75)
    expect(faces).toHaveLength(1)
    expect(faces[0]?.pose.roll).toBeCloseTo(0)
    expect([runs.get('ssd_mobilenetv1'), runs.get('facemesh_detection_full')]).toEqual([1, 1])
  })

  test.each([
    ['on its right side', 300, 75, 90],
    ['on its head', 300, 225, 180],
    ['on its left side', 100, 225, -90],
  ])('its face is found %s, where it lies in the picture as it is', async (_how, x, y, roll) => {
    const { faces, runs } = await look(x, y)
    expect(faces).toHaveLength(1)
    const [face] = faces
    expect(face?.pose.roll).toBeCloseTo(roll)
    expect([face?.box.x0, face?.box.y0, face?.box.x1, face?.box.y1].map(Math.round as never)).toEqual([
      x - 40,
      y - 40,
      x + 40,
      y + 40,
    ])
    const [eye] = face?.landmarks ?? []
    expect(Math.hypot((eye?.x ?? 0) - x, (eye?.y ?? 0) - y)).toBeLessThan(40)
    expect(runs.get('ssd_mobilenetv1')).toBe(2)
  })

  test('costs nine runs of the small network and one of the large where nobody is in it', async () => {
    const models = new StubModels()
    expect(await findFaces(new Picture(drawFaces(64, 48, [])), models, options)).toEqual([])
    expect(Object.fromEntries(models.runs)).toEqual({ ssd_mobilenetv1: 1, facemesh_detection_full: 9 })
  })
})

test.each([
  [1, 1],
  [1, 30_000],
  [30_000, 1],
])('a picture of %i x %i pixels holds nobody, whatever looks for faces', async (width, height) => {
  for (const detector of Object.values(DETECTORS)) {
    const picture = new Picture(drawFaces(width, height, []))
    expect(await findFaces(picture, new StubModels(), options, detector)).toEqual([])
  }
})

test('three hundred faces end as the two hundred that the detector is surest of', async () => {
  const boxes = new Float32Array(5118 * 4)
  const scores = new Float32Array(5118)
  for (let i = 0; i < 300; i++) {
    const [x, y] = [(i % 20) * 25, Math.floor(i / 20) * 25]
    boxes.set([y / 512, x / 512, (y + 20) / 512, (x + 20) / 512], i * 4)
    scores[i] = 0.65 + i / 1000
  }
  const stub = new StubModels()
  const models: Models = {
    run: async (model, input, more) =>
      model === 'ssd_mobilenetv1' ? { boxes, scores } : await stub.run(model, input, more),
  }
  const faces = await findFaces(new Picture(drawFaces(512, 512, [])), models, options)
  expect(faces).toHaveLength(200)
  expect(Math.min(...faces.map(face => face.score))).toBeCloseTo(0.75)
})
