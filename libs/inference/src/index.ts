export { MODELS, MODEL_NAMES, type ModelName, type ModelShape } from './catalogue.js'
export type { Inference, ModelOutputs, PixelRows, RunOptions } from './inference.js'
export {
  openInference,
  openInferenceOn,
  openModelFiles,
  openModelFilesOn,
  type InferenceOptions,
  type ModelFile,
} from './open-inference.js'
export { modelFile, prepareModels, verifyModels, type PrepareProgress } from './prepare.js'
export { giveBack } from './give-back.js'
export { batchesToWarm, PROVIDERS, type Provider } from './provider.js'
export type { Lane } from './schedule.js'
export { warmUp } from './warm-up.js'
