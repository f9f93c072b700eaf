import { availableParallelism } from 'node:os'
import { Batcher } from './batcher.js'
import { MODELS, MODEL_NAMES, type ModelName, type ModelShape } from './catalogue.js'
import type { Inference } from './inference.js'
import { modelFile } from './prepare.js'
import type { WorkerStart } from './session-messages.js'
import { SessionPool } from './session-pool.js'

export interface InferenceOptions {
  /** Worker threads. Default: one per core. Each costs up to about 350 MB while it works. */
  workers?: number
  /** Milliseconds without work after which the workers end and their memory is given back. Default 15,000. */
  idleReleaseMs?: number
  /** Most work that may wait, in milliseconds of one core. Default 60,000. */
  maxQueuedCost?: number
  /** Where OTEL_EXPORTER_OTLP_ENDPOINT may stand; then the workers export their spans too. */
  env?: Readonly<Record<string, string | undefined>>
}

/** A model that does not ship: tests bring tiny ones. */
export interface ModelFile extends ModelShape {
  file: string
}

/** Opens the models that ship, from a folder that `prepareModels` made, on worker threads. Nothing is loaded before the first run. */
export function openInference(dir: string, options: InferenceOptions = {}): Inference<ModelName> {
  const entry = (name: ModelName): [ModelName, ModelFile] => {
    const { size, outputs, cost, maxRows } = MODELS[name]
    return [name, { file: modelFile(dir, name), size, outputs, cost, maxRows }]
  }
  return openModelFiles(Object.fromEntries(MODEL_NAMES.map(entry)) as Record<ModelName, ModelFile>, options)
}

/** Opens any models on worker threads: the CPU adapter of the port. */
export function openModelFiles<M extends string>(
  models: Readonly<Record<M, ModelFile>>,
  { workers = availableParallelism(), idleReleaseMs = 15_000, maxQueuedCost, env = {} }: InferenceOptions = {},
): Inference<M> {
  const telemetry: WorkerStart['telemetry'] = env.OTEL_EXPORTER_OTLP_ENDPOINT ? { ...env } : undefined
  const files = Object.fromEntries(
    Object.entries<ModelFile>(models).map(([name, { file, size }]) => [name, { file, size }]),
  )
  const executor = new SessionPool(workers, files, telemetry)
  return new Batcher({
    models,
    executor,
    workers,
    idleReleaseMs,
    ...(maxQueuedCost === undefined ? {} : { maxQueuedCost }),
  })
}
