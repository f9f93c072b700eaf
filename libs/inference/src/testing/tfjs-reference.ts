import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { MODELS, type ModelName } from '../catalogue.js'
import { PYRAMID_SCALES } from '../pyramid-net.js'

/** The few parts of TensorFlow.js and face-api that the comparison needs. */
interface Tensor {
  dataSync(): Float32Array
  dispose(): void
}
interface Tf {
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  tensor4d(data: Float32Array, shape: number[]): Tensor
  softmax(tensor: Tensor): Tensor
  tidy<T>(work: () => T): T
  pad(tensor: Tensor, paddings: [number, number][]): Tensor
  avgPool(tensor: Tensor, window: number, stride: number, padding: 'valid'): Tensor
  image: {
    resizeBilinear(tensor: Tensor, size: [number, number], alignCorners: boolean, halfPixelCenters: boolean): Tensor
  }
  sub(a: Tensor, b: number): Tensor
  mul(a: Tensor, b: number): Tensor
  io: { decodeWeights(bytes: ArrayBuffer, specs: unknown[]): Record<string, Tensor> }
  loadGraphModel(handler: { load(): Promise<unknown> }): Promise<{ execute(input: Tensor, output: string): Tensor }>
}
interface FaceApiNet {
  loadFromWeightMap(weights: Record<string, Tensor>): void
  forwardInput(input: unknown): unknown
  runNet(input: unknown): Tensor
}
interface TinyFaceNet extends Pick<FaceApiNet, 'loadFromWeightMap'> {
  anchors: { x: number; y: number }[]
  forwardInput(input: unknown, inputSize: number): Tensor
}
interface FaceApi {
  tf: Tf
  NetInput: new (tensors: Tensor[]) => unknown
  nets: Record<
    'ssdMobilenetv1' | 'faceLandmark68Net' | 'faceRecognitionNet' | 'ageGenderNet' | 'faceExpressionNet',
    FaceApiNet
  > & { tinyFaceDetector: TinyFaceNet }
}
interface WasmBackend {
  setWasmPaths(folder: string): void
  setThreadsCount(threads: number): void
}

/** Runs a model as its authors ship it, on float pixels 0 to 255 of one picture. Outputs are named as ours are. */
export type Reference = (pixels: Uint8Array) => Record<string, Float32Array>

const require = createRequire(import.meta.url)

/** Loads the originals of all our models in TensorFlow.js (wasm, one thread): what conversions and speed are compared with. */
export async function tfjsReference(): Promise<Record<ModelName, Reference>> {
  const wasm = require('@tensorflow/tfjs-backend-wasm') as WasmBackend
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`)
  wasm.setThreadsCount(1)
  const faceApi = require('@vladmandic/face-api/dist/face-api.node-wasm.js') as FaceApi
  const { tf, nets } = faceApi
  await tf.setBackend('wasm')
  await tf.ready()
  const load = async (model: ModelName, net: FaceApiNet, run: (input: unknown) => Record<string, Tensor>) => {
    const { description, weights } = await readSource(model)
    const specs = (description as { weights: unknown[] }[]).flatMap(group => group.weights)
    net.loadFromWeightMap(tf.io.decodeWeights(weights, specs))
    return (pixels: Uint8Array) => {
      const input = pixelTensor(tf, pixels)
      const outputs = run(new faceApi.NetInput([input]))
      input.dispose()
      return toArrays(outputs)
    }
  }
  const { tinyFaceDetector } = nets
  const pyramid = async (size: 512 | 768 | 1024): Promise<Reference> => {
    const { description, weights } = await readSource(`face_pyramid_${size}`)
    const specs = (description as { weights: unknown[] }[]).flatMap(group => group.weights)
    tinyFaceDetector.loadFromWeightMap(tf.io.decodeWeights(weights, specs))
    return pixels => pyramidOf(faceApi, pixels)
  }
  const { ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet, ageGenderNet, faceExpressionNet } = nets
  return {
    ssd_mobilenetv1: await load('ssd_mobilenetv1', ssdMobilenetv1, input => {
      const { boxes, scores } = ssdMobilenetv1.forwardInput(input) as { boxes: [Tensor]; scores: [Tensor] }
      return { boxes: boxes[0], scores: scores[0] }
    }),
    facemesh_detection_full: await loadFacemesh(tf),
    face_pyramid_512: await pyramid(512),
    face_pyramid_768: await pyramid(768),
    face_pyramid_1024: await pyramid(1024),
    face_landmark_68: await load('face_landmark_68', faceLandmark68Net, input => ({
      landmarks: faceLandmark68Net.runNet(input),
    })),
    face_recognition: await load('face_recognition', faceRecognitionNet, input => ({
      embedding: faceRecognitionNet.forwardInput(input) as Tensor,
    })),
    age_gender: await load(
      'age_gender',
      ageGenderNet,
      input => ageGenderNet.forwardInput(input) as { age: Tensor; gender: Tensor },
    ),
    face_expression: await load('face_expression', faceExpressionNet, input => ({
      probabilities: tf.softmax(faceExpressionNet.runNet(input)),
    })),
  }
}

async function loadFacemesh(tf: Tf): Promise<Reference> {
  const { description, weights } = await readSource('facemesh_detection_full')
  const { modelTopology, weightsManifest } = description as {
    modelTopology: unknown
    weightsManifest: { weights: unknown[] }[]
  }
  const weightSpecs = weightsManifest.flatMap(group => group.weights)
  const model = await tf.loadGraphModel({
    load: () => Promise.resolve({ modelTopology, weightSpecs, weightData: weights, format: 'graph-model' }),
  })
  return pixels => {
    const input = tf.sub(tf.mul(pixelTensor(tf, pixels), 1 / 127.5), 1)
    const outputs = { detections: model.execute(input, 'Identity') }
    input.dispose()
    return toArrays(outputs)
  }
}

/** The five sizes one after another in face-api's own network, its answers decoded as its `extractBoxes` does. */
function pyramidOf({ tf, nets, NetInput }: FaceApi, pixels: Uint8Array): Record<string, Float32Array> {
  const size = Math.sqrt(pixels.length / 3)
  const net = nets.tinyFaceDetector
  const boxes: number[] = []
  const scores: number[] = []
  for (const { part, border } of PYRAMID_SCALES) {
    const side = size * part
    const black = Math.round(side * border)
    const values = tf.tidy(() => {
      let scaled = pixelTensor(tf, pixels)
      if (part === 3 / 4 || part === 3 / 8)
        scaled = tf.image.resizeBilinear(scaled, [(size * 3) / 4, (size * 3) / 4], false, true)
      for (let whole = part; whole <= 1 / 2; whole *= 2) scaled = tf.avgPool(scaled, 2, 2, 'valid')
      const around: [number, number] = [black, black]
      const padded = tf.pad(scaled, [[0, 0], around, around, [0, 0]])
      return net.forwardInput(new NetInput([padded]), side + 2 * black).dataSync()
    })
    const cells = Math.sqrt(values.length / 25)
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
    for (let guess = 0; guess < values.length / 5; guess++) {
      const [x = 0, y = 0, logWidth = 0, logHeight = 0, score = 0] = values.subarray(guess * 5, guess * 5 + 5)
      const anchor = net.anchors[guess % 5]
      const cell = Math.floor(guess / 5)
      const at = (pixel: number) => (pixel - black) / side
      const [centreX, centreY] = [((cell % cells) + sigmoid(x)) * 32, (Math.floor(cell / cells) + sigmoid(y)) * 32]
      const halfWidth = Math.exp(logWidth) * (anchor?.x ?? 0) * 16
      const halfHeight = Math.exp(logHeight) * (anchor?.y ?? 0) * 16
      boxes.push(at(centreX - halfWidth), at(centreY - halfHeight), at(centreX + halfWidth), at(centreY + halfHeight))
      scores.push(sigmoid(score))
    }
  }
  return { face_boxes: Float32Array.from(boxes), face_scores: Float32Array.from(scores) }
}

function pixelTensor(tf: Tf, pixels: Uint8Array): Tensor {
  const size = Math.sqrt(pixels.length / 3)
  return tf.tensor4d(Float32Array.from(pixels), [1, size, size, 3])
}

function toArrays(outputs: Record<string, Tensor>): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => {
      const values = Float32Array.from(tensor.dataSync())
      tensor.dispose()
      return [name, values]
    }),
  )
}

async function readSource(model: ModelName): Promise<{ description: unknown; weights: ArrayBuffer }> {
  const { source } = MODELS[model]
  const root = dirname(require.resolve(`${source.package}/package.json`))
  const weights = await readFile(join(root, source.weights))
  return {
    description: JSON.parse(await readFile(join(root, source.description), 'utf8')) as unknown,
    weights: Uint8Array.from(weights).buffer,
  }
}
