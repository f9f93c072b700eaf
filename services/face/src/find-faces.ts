import { giveBack, type Inference, type ModelName, type RunOptions } from '@keepsake/inference'
import { ageWithSpread, expressionOf, eyesOpen, poseOf, type Expression, type Pose } from './attributes.js'
import { attributeCrop, ATTRIBUTE_SIZE, recognitionCrop, RECOGNITION_SIZE } from './crops.js'
import { decodeCloseUp, decodeWide, isPlausibleBox, union, type Detection } from './detection.js'
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
import { detectorInputs } from './letterbox.js'
import { mirrored, Picture } from './picture.js'
import { qualityOf, sharpnessOf } from './quality.js'

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

/** Runs a model; what of `Inference` the pipeline needs. */
export type Models = Pick<Inference<ModelName>, 'run'>

/** A face smaller than this, in pixels of a decoded picture whose long side is 1,600, tells too little about who it is. */
export const MIN_SIDE = 18
/** Faces of one picture at most: the best by detector score. A stadium is no family picture. */
export const MAX_FACES = 200
/** Rows in one request, so that other pictures' requests can go in between. */
const CHUNK = 8

/** All faces of a picture, largest first. The same picture gives the same faces to the bit. */
export async function findFaces(picture: Picture, models: Models, options: RunOptions): Promise<FoundFace[]> {
  const detections = await detect(picture, models, options)
  const shapes = await findLandmarks(picture, detections, models, options)
  const faces = detections
    .map((detection, index) => ({ ...detection, landmarks: shapes[index] as Landmarks }))
    .filter(face => looksLikeAFace(face, Math.max(picture.width, picture.height)))
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

/** Both detectors on the whole picture; tiles only add duplicates (models.md section 4). */
export async function detect(picture: Picture, models: Models, options: RunOptions): Promise<Detection[]> {
  const { wide, closeUp } = detectorInputs(picture)
  const [ssd, facemesh] = await Promise.all([
    models.run('ssd_mobilenetv1', { rows: 1, data: wide.pixels }, options),
    models.run('facemesh_detection_full', { rows: 1, data: closeUp.pixels }, options),
  ])
  for (const { pixels } of [wide, closeUp]) giveBack(pixels)
  const minSide = (MIN_SIDE * Math.max(picture.width, picture.height)) / 1600
  const all = union(
    decodeWide(ssd.boxes as Float32Array, ssd.scores as Float32Array, wide),
    decodeCloseUp(facemesh.detections as Float32Array, closeUp),
  )
  return all.filter(({ box }) => isPlausibleBox(box, Math.min(minSide, MIN_SIDE))).slice(0, MAX_FACES)
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
  const chunks = Array.from({ length: Math.ceil(crops.length / CHUNK) }, (_, i) =>
    crops.slice(i * CHUNK, (i + 1) * CHUNK),
  )
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
