import type { Inference, ModelName, RunOptions } from '@keepsake/inference'
import { decodeCloseUp, decodePyramid, decodeWide, isPlausibleBox, union, type Detection } from './detection.js'
import { closeUpLetterbox, pyramidLetterbox, release, wideLetterbox } from './letterbox.js'
import type { Picture } from './picture.js'

/** Runs a model; what of `Inference` the pipeline needs. */
export type Models = Pick<Inference<ModelName>, 'run'>

/** The port: finds faces in an upright picture. */
export interface Detector {
  /** The models that it runs, to be proven before the service is ready. */
  readonly models: readonly ModelName[]
  /**
   * Every face once, boxes in pixels of the picture, at most `MAX_FACES`. What is found may still be no face: landmarks tell.
   * @throws as `Inference.run`
   */
  detect(picture: Picture, models: Models, options: RunOptions): Promise<Detection[]>
}

/** A face smaller than this, in pixels of a decoded picture whose long side is 1,600, tells too little about who it is. */
export const MIN_SIDE = 18
/** Faces of one picture at most: the best by detector score. A stadium is no family picture. */
export const MAX_FACES = 200

/** SSD on the whole picture for groups and BlazeFace full range with a border for faces that fill the frame: each face of both once. */
const unionDetector: Detector = {
  models: ['ssd_mobilenetv1', 'facemesh_detection_full'],
  async detect(picture, models, options) {
    const wide = wideLetterbox(picture)
    const closeUp = closeUpLetterbox(wide)
    const [ssd, facemesh] = await Promise.all([
      models.run('ssd_mobilenetv1', { rows: 1, data: wide.pixels }, options),
      models.run('facemesh_detection_full', { rows: 1, data: closeUp.pixels }, options),
    ])
    for (const letterbox of [wide, closeUp]) release(letterbox)
    const found = union(
      decodeWide(ssd.boxes as Float32Array, ssd.scores as Float32Array, wide),
      decodeCloseUp(facemesh.detections as Float32Array, closeUp),
    )
    return plausible(picture, found)
  },
}

/** The sizes that the pyramid's graph is made for, smallest first, px. */
const PYRAMIDS = [
  { size: 512, model: 'face_pyramid_512' },
  { size: 768, model: 'face_pyramid_768' },
  { size: 1024, model: 'face_pyramid_1024' },
] as const

/** One small network over five sizes of the picture, in the smallest graph that holds the picture; a larger picture is shrunk to the largest. */
const pyramidDetector: Detector = {
  models: PYRAMIDS.map(({ model }) => model),
  async detect(picture, models, options) {
    const longSide = Math.max(picture.width, picture.height)
    const { size, model } = PYRAMIDS.find(pyramid => pyramid.size >= longSide) ?? PYRAMIDS[2]
    const letterbox = pyramidLetterbox(picture, size)
    const answer = await models.run(model, { rows: 1, data: letterbox.pixels }, options)
    release(letterbox)
    return plausible(
      picture,
      decodePyramid(answer.face_boxes as Float32Array, answer.face_scores as Float32Array, size, letterbox),
    )
  },
}

/** The detectors that an operator can choose, by their names in KEEPSAKE_FACE_DETECTOR. */
export const DETECTORS = { union: unionDetector, pyramid: pyramidDetector } as const

/** Names of the detectors. */
export type DetectorName = keyof typeof DETECTORS

function plausible({ width, height }: Picture, found: readonly Detection[]): Detection[] {
  const minSide = Math.min(MIN_SIDE, (MIN_SIDE * Math.max(width, height)) / 1600)
  return found.filter(({ box }) => isPlausibleBox(box, minSide)).slice(0, MAX_FACES)
}
