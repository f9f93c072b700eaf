export { MODELS, MODEL_NAMES, type ModelName, type ModelShape } from './catalogue.js'
export { modelFile, prepareModels, verifyModels, type PrepareProgress } from './prepare.js'
