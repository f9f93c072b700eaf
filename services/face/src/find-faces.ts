import { MODELS, type ModelName, type RunOptions } from '@keepsake/inference'
import { ageWithSpread, expressionOf, eyesOpen, poseOf, type Expression, type Pose } from './attributes.js'
import { attributeCrop, ATTRIBUTE_SIZE, recognitionCrop, RECOGNITION_SIZE } from './crops.js'
import type { Detection } from './detection.js'
import { DETECTORS, type Detector, type Models } from './detector.js'
import { meanEmbedding } from './embedding.js'
import { looksLikeAFace } from './false-faces.js'
import { sideOf, type Affine, type Box, type Point } from './geometry.js'
import {
  firstLandmarkCrop,
  fivePoints,
  LANDMARK_SIZE,
  secondLandmarkCrop,
  toLandmarks,
  type Landmarks,
} from './landmarks.js'
import { mirrored, Picture } from './picture.js'
import { qualityOf, sharpnessOf } from './quality.js'
import { boxBeforeTurn, pointBeforeTurn, rollBeforeTurn, turned, type QuarterTurns } from './quarter-turns.js'
import { likelyTurns } from './sideways.js'

/** A face as it was found, in pixels of the picture it was found in. */
export interface FoundFace {
  box: Box
  /** Left eye, right eye, nose, corners of the mouth. */
  landmarks: Point[]
  score: number
  quality: number
  sharpness: number
  age: number
  ageSpread: number
  smile: number
  expression: Expression
  eyesOpen: number
  pose: Pose
  /** Length 1. */
  embedding: Float32Array
}

/**
 * A face of which a detector is so sure stands upright. On 29 pictures of the shared data BlazeFace with its border is so sure in 26, and in 6 of 87 of the same pictures
 * turned by quarters; SSD finds turned faces as surely as upright ones.
 */
const SURELY_UPRIGHT = 0.75

/**
 * All faces of a picture, largest first. The same picture gives the same faces to the bit. Where the picture holds no sure face as it stands, it may lie on its side
 * or on its head without saying so: it is then looked at as it seems to belong, and what is found there counts if it is more.
 */
export async function findFaces(
  picture: Picture,
  models: Models,
  options: RunOptions,
  detector: Detector = DETECTORS.union,
): Promise<FoundFace[]> {
  const asItIs = await shapesOf(picture, models, options, detector)
  const turns = asItIs.some(({ upright }) => upright >= SURELY_UPRIGHT)
    ? 0
    : await likelyTurns(picture, models, options)
  if (turns === 0) return describe(picture, asItIs, models, options)
  const other = new Picture(turned(picture.full, turns))
  const seen = await shapesOf(other, models, options, detector)
  const faces =
    weightOf(seen) > weightOf(asItIs)
      ? (await describe(other, seen, models, options)).map(face => turnedBack(face, turns, picture))
      : await describe(picture, asItIs, models, options)
  other.release()
  return faces
}

/** A face with its shape, before anything is said of it. */
type Shape = Detection & { landmarks: Landmarks }

/** The detector's boxes that hold a face. */
async function shapesOf(picture: Picture, models: Models, options: RunOptions, detector: Detector): Promise<Shape[]> {
  const detections = await detector.detect(picture, models, options)
  const landmarks = await findLandmarks(picture, detections, models, options)
  return detections
    .map((detection, index) => ({ ...detection, landmarks: landmarks[index] as Landmarks }))
    .filter(face => looksLikeAFace(face, Math.max(picture.width, picture.height)))
}

/** How much faces speak for it that the picture stands as it should. */
function weightOf(shapes: readonly Shape[]): number {
  return shapes.reduce((sum, { score, upright }) => sum + score + upright, 0)
}

/** A face of a turned picture as one of the picture before. */
function turnedBack(face: FoundFace, turns: QuarterTurns, before: Picture): FoundFace {
  return {
    ...face,
    box: boxBeforeTurn(face.box, turns, before),
    landmarks: face.landmarks.map(point => pointBeforeTurn(point, turns, before)),
    pose: { ...face.pose, roll: rollBeforeTurn(face.pose.roll, turns) },
  }
}

/** What else there is to say of faces, largest first. */
async function describe(
  picture: Picture,
  faces: readonly Shape[],
  models: Models,
  options: RunOptions,
): Promise<FoundFace[]> {
  const crops = faces.map(({ box }) => picture.crop(attributeCrop(box), ATTRIBUTE_SIZE))
  const [embeddings, ages, expressions] = await Promise.all([
    embed(
      picture,
      faces.map(face => face.landmarks),
      models,
      options,
    ),
    runRows(models, 'age_gender', crops, 'age', options),
    runRows(models, 'face_expression', crops, 'probabilities', options),
  ])
  return faces
    .map(({ box, score, landmarks }, index): FoundFace => {
      const pose = poseOf(landmarks)
      const sharpness = sharpnessOf(crops[index] as Uint8Array, ATTRIBUTE_SIZE)
      const quality = qualityOf({ side: sideOf(box), sharpness, pose, score })
      return {
        box,
        landmarks: fivePoints(landmarks),
        score,
        quality,
        sharpness,
        ...ageWithSpread(ages[index]?.[0] ?? 0, quality),
        ...expressionOf(expressions[index] ?? []),
        eyesOpen: eyesOpen(landmarks),
        pose,
        embedding: embeddings[index] as Float32Array,
      }
    })
    .sort((a, b) => sideOf(b.box) - sideOf(a.box) || a.box.x0 - b.box.x0 || a.box.y0 - b.box.y0)
}

/** The 68 points of each face, found twice: the second time on a crop that the first has centred and made level. */
async function findLandmarks(
  picture: Picture,
  detections: readonly Detection[],
  models: Models,
  options: RunOptions,
): Promise<Landmarks[]> {
  const pass = async (crops: readonly Affine[]) => {
    const pixels = crops.map(crop => picture.crop(crop, LANDMARK_SIZE))
    const values = await runRows(models, 'face_landmark_68', pixels, 'landmarks', options)
    return values.map((row, index) => toLandmarks(row, crops[index] as Affine))
  }
  const first = await pass(detections.map(({ box }) => firstLandmarkCrop(box)))
  return pass(detections.map(({ box }, index) => secondLandmarkCrop(box, first[index] as Landmarks)))
}

/** The mean of the embeddings of each face and of its mirror image. */
async function embed(
  picture: Picture,
  faces: readonly Landmarks[],
  models: Models,
  options: RunOptions,
): Promise<Float32Array[]> {
  const crops = faces.flatMap(points => {
    const crop = picture.crop(recognitionCrop(points), RECOGNITION_SIZE)
    return [crop, mirrored(crop, RECOGNITION_SIZE)]
  })
  const rows = await runRows(models, 'face_recognition', crops, 'embedding', options)
  return faces.map((_, index) => meanEmbedding([rows[2 * index] as Float32Array, rows[2 * index + 1] as Float32Array]))
}

/** Runs a model on any number of crops, a chunk at a time; one row of `output` for each. */
async function runRows(
  models: Models,
  model: ModelName,
  crops: readonly Uint8Array[],
  output: string,
  options: RunOptions,
): Promise<Float32Array[]> {
  // A request is one batch at most, so that other pictures' requests can go in between.
  const rows = MODELS[model].maxRows
  const chunks = Array.from({ length: Math.ceil(crops.length / rows) }, (_, i) => crops.slice(i * rows, (i + 1) * rows))
  const answers = await Promise.all(
    chunks.map(async chunk => {
      const outputs = await models.run(model, { rows: chunk.length, data: Buffer.concat(chunk) }, options)
      const values = outputs[output] as Float32Array
      const width = values.length / chunk.length
      return chunk.map((_, row) => values.subarray(row * width, (row + 1) * width))
    }),
  )
  return answers.flat()
}
