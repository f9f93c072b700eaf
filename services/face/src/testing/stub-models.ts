import type { ModelOutputs, PixelRows } from '@keepsake/inference'
import type { RgbImage } from '@keepsake/media'
import type { Models } from '../detector.js'

/** Colours that count as faces of three different people. */
export const PEOPLE = { red: [250, 10, 10], green: [10, 250, 10], blue: [10, 10, 250] } as const
export type Person = keyof typeof PEOPLE

/** Outputs of a stubbed model as wide as the real one's. */
const ANCHORS = 5118
const CLOSE_UP_ROWS = 2304 * 17
const names = Object.keys(PEOPLE) as Person[]

/** A face drawn as a square of its person's colour: centre and side in pixels. */
export interface DrawnFace {
  person: Person
  x: number
  y: number
  side: number
}

/** A grey picture with coloured squares for faces. */
export function drawFaces(width: number, height: number, faces: readonly DrawnFace[]): RgbImage {
  const data = new Uint8Array(width * height * 3).fill(128)
  for (const { person, x, y, side } of faces) {
    const from = { x: Math.round(x - side / 2), y: Math.round(y - side / 2) }
    for (let row = from.y; row < from.y + side; row++)
      for (let column = from.x; column < from.x + side; column++) data.set(PEOPLE[person], (row * width + column) * 3)
  }
  return { data, width, height }
}

/**
 * Stands in for the networks where a test is about what is done with faces, not about finding them: a square of a person's colour is that person's
 * face, looking straight ahead. Says how often each model ran.
 */
export class StubModels implements Models {
  readonly runs = new Map<string, number>()

  run: Models['run'] = async (model, input) => {
    this.runs.set(model, (this.runs.get(model) ?? 0) + 1)
    switch (model) {
      case 'ssd_mobilenetv1':
        return detectSquares(input)
      case 'face_pyramid_512':
      case 'face_pyramid_768':
      case 'face_pyramid_1024':
        return { face_boxes: new Float32Array(4), face_scores: new Float32Array(1) }
      case 'facemesh_detection_full':
        return { detections: new Float32Array(CLOSE_UP_ROWS).fill(-20) }
      case 'face_landmark_68':
        return { landmarks: repeated(TEMPLATE, input.rows) }
      case 'face_recognition':
        return { embedding: embedColours(input) }
      case 'age_gender':
        return { age: new Float32Array(input.rows).fill(6), gender: repeated([0.5, 0.5], input.rows) }
      case 'face_expression':
        return { probabilities: repeated([0.1, 0.9, 0, 0, 0, 0, 0], input.rows) }
    }
  }
}

function detectSquares({ data }: PixelRows): ModelOutputs {
  const boxes = new Float32Array(ANCHORS * 4)
  const scores = new Float32Array(ANCHORS)
  names.forEach((person, index) => {
    let [x0, y0, x1, y1] = [512, 512, 0, 0]
    for (let y = 0; y < 512; y++)
      for (let x = 0; x < 512; x++)
        if (personAt(data, (y * 512 + x) * 3) === person)
          [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)]
    if (x1 - x0 < 4) return
    boxes.set([y0 / 512, x0 / 512, y1 / 512, x1 / 512], index * 4)
    scores[index] = 0.95
  })
  return { boxes, scores }
}

/** 128 values that say only which colour is in the middle of the crop. */
function embedColours({ rows, data }: PixelRows): Float32Array {
  const embedding = new Float32Array(rows * 128)
  const length = data.length / rows
  const side = Math.sqrt(length / 3)
  for (let row = 0; row < rows; row++) {
    const middle = row * length + (Math.floor(side / 2) * side + Math.floor(side / 2)) * 3
    const person = personAt(data, middle)
    embedding[row * 128 + (person ? names.indexOf(person) : 100)] = 1
  }
  return embedding
}

function personAt(data: Uint8Array, at: number): Person | undefined {
  return names.find(person => PEOPLE[person].every((value, c) => Math.abs((data[at + c] as number) - value) < 60))
}

function repeated(values: readonly number[], rows: number): Float32Array {
  return Float32Array.from({ length: rows * values.length }, (_, i) => values[i % values.length] as number)
}

/** 68 points of a face that looks straight ahead, x and y in parts of the crop. */
const TEMPLATE: number[] = [
  ...arc(17, 0.5, 0.45, 0.38, 0.42, 0, Math.PI), // jaw
  ...arc(5, 0.33, 0.32, 0.1, 0.03, Math.PI, 2 * Math.PI), // brows
  ...arc(5, 0.67, 0.32, 0.1, 0.03, Math.PI, 2 * Math.PI),
  ...[0.4, 0.46, 0.52, 0.57].flatMap(y => [0.5, y]), // bridge of the nose, its tip last
  ...[0.45, 0.475, 0.5, 0.525, 0.55].flatMap(x => [x, 0.6]),
  ...eye(0.34, 0.4),
  ...eye(0.66, 0.4),
  ...arc(20, 0.5, 0.72, 0.12, 0.05, -Math.PI, Math.PI), // mouth
]

function arc(count: number, x: number, y: number, rx: number, ry: number, from: number, to: number): number[] {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1)).flatMap(angle => [
    x - rx * Math.cos(angle),
    y + ry * Math.sin(angle),
  ])
}

function eye(x: number, y: number): number[] {
  return [x - 0.06, y, x - 0.02, y - 0.02, x + 0.02, y - 0.02, x + 0.06, y, x + 0.02, y + 0.02, x - 0.02, y + 0.02]
}
