import { availableParallelism } from 'node:os'
import { Batcher } from './batcher.js'
import { MODELS, MODEL_NAMES, type ModelName, type ModelShape } from './catalogue.js'
import type { Inference } from './inference.js'
import { modelFile } from './prepare.js'
import { proveProvider } from './prove-provider.js'
import { providerPolicy, type Provider } from './provider.js'
import { startProcess, startThread, type StartSession } from './session-link.js'
import type { WorkerStart } from './session-messages.js'
import { SessionPool } from './session-pool.js'

export interface InferenceOptions {
  /** Worker threads on the CPU, processes on a GPU. Default: one per core, one on a GPU. A thread costs up to about 350 MB while it works. */
  workers?: number
  /** Milliseconds without work after which the workers end and their memory is given back. Default 15,000; on a GPU never, for starting takes seconds there. */
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

/** The longest that a timer can wait, ms: 25 days. */
const NEVER_MS = 2 ** 31 - 1

/** Opens the models that ship, from a folder that `prepareModels` made, on worker threads. Nothing is loaded before the first run. */
export function openInference(dir: string, options: InferenceOptions = {}): Inference<ModelName> {
  return openModelFiles(shipped(dir), options)
}

/**
 * Opens the models that ship on a provider that was proven: each of them ran there and answered as the CPU does. On the CPU itself nothing is run yet.
 * @throws KeepsakeError PROVIDER_UNUSABLE with one sentence that names what is missing
 */
export function openInferenceOn(
  provider: Provider,
  dir: string,
  options: InferenceOptions = {},
): Promise<Inference<ModelName>> {
  return openModelFilesOn(provider, shipped(dir), options)
}

/** Opens any models on worker threads: the CPU adapter of the port. */
export function openModelFiles<M extends string>(
  models: Readonly<Record<M, ModelFile>>,
  options: InferenceOptions = {},
): Inference<M> {
  return open(models, 'cpu', startThread, options).inference
}

/** Opens any models in processes of their own, without a proof of where they are computed: the GPU adapter of the port. */
export function openModelProcesses<M extends string>(
  models: Readonly<Record<M, ModelFile>>,
  options: InferenceOptions & { provider?: Provider; startSession?: StartSession } = {},
): Inference<M> {
  const { provider = 'cpu', startSession = startProcess } = options
  return open(models, provider, startSession, options).inference
}

/** `openInferenceOn` for any models. */
export async function openModelFilesOn<M extends string>(
  provider: Provider,
  models: Readonly<Record<M, ModelFile>>,
  options: InferenceOptions = {},
): Promise<Inference<M>> {
  if (provider === 'cpu') return openModelFiles(models, options)
  const { inference, executor, workerStart } = open(models, provider, startProcess, options)
  const cpu = new SessionPool(1, { ...workerStart, provider: 'cpu' })
  try {
    await proveProvider(provider, models, { proven: executor, cpu })
    return inference
  } catch (error) {
    await inference.close()
    throw error
  } finally {
    await cpu.release()
  }
}

function open<M extends string>(
  models: Readonly<Record<M, ModelFile>>,
  provider: Provider,
  startSession: StartSession,
  options: InferenceOptions,
) {
  const { env = {}, maxQueuedCost } = options
  const onCpu = provider === 'cpu'
  const workers = options.workers ?? (onCpu ? availableParallelism() : 1)
  const { buckets, maxDelayMs } = providerPolicy(provider)
  const workerStart: WorkerStart = {
    provider,
    models: Object.fromEntries(
      Object.entries<ModelFile>(models).map(([name, { file, size }]) => [name, { file, size }]),
    ),
    ...(env.OTEL_EXPORTER_OTLP_ENDPOINT ? { telemetry: { ...env } } : {}),
  }
  const executor = new SessionPool(workers, workerStart, { startSession })
  const inference = new Batcher({
    models,
    executor,
    workers,
    idleReleaseMs: onCpu ? (options.idleReleaseMs ?? 15_000) : NEVER_MS,
    maxDelayMs,
    ...(buckets ? { buckets } : {}),
    ...(maxQueuedCost === undefined ? {} : { maxQueuedCost }),
  })
  return { inference, executor, workerStart }
}

function shipped(dir: string): Record<ModelName, ModelFile> {
  const entry = (name: ModelName): [ModelName, ModelFile] => {
    const { size, outputs, cost, maxRows } = MODELS[name]
    return [name, { file: modelFile(dir, name), size, outputs, cost, maxRows }]
  }
  return Object.fromEntries(MODEL_NAMES.map(entry)) as Record<ModelName, ModelFile>
}
