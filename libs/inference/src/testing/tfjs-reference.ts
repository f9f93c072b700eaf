import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { MODELS, type ModelName } from '../catalogue.js'

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
interface FaceApi {
  tf: Tf
  NetInput: new (tensors: Tensor[]) => unknown
  nets: Record<
    'ssdMobilenetv1' | 'faceLandmark68Net' | 'faceRecognitionNet' | 'ageGenderNet' | 'faceExpressionNet',
    FaceApiNet
  >
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
  const { ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet, ageGenderNet, faceExpressionNet } = nets
  return {
    ssd_mobilenetv1: await load('ssd_mobilenetv1', ssdMobilenetv1, input => {
      const { boxes, scores } = ssdMobilenetv1.forwardInput(input) as { boxes: [Tensor]; scores: [Tensor] }
      return { boxes: boxes[0], scores: scores[0] }
    }),
    facemesh_detection_full: await loadFacemesh(tf),
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
