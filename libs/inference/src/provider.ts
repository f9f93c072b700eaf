/** Where models may be computed, by onnxruntime's names. */
export const PROVIDERS = ['cpu', 'cuda', 'webgpu'] as const

/** Where models are computed. */
export type Provider = (typeof PROVIDERS)[number]

/**
 * Batches on a GPU have one of these sizes, filled up with black pictures: each new shape would make the runtime search for kernels and grow its memory again
 * (onnxruntime issues 7612 and 14474).
 */
export const GPU_BUCKETS = [1, 4, 8, 16, 32] as const

/** A batch that is not full waits so long for company on a GPU, in milliseconds: there a fuller batch costs little more, and a face takes longer to be decoded. */
export const GPU_DELAY_MS = 3

/** What is different about computing elsewhere than on the CPU. */
export interface ProviderPolicy {
  /** Rows that a batch is padded to; absent where any number runs well. */
  buckets?: readonly number[]
  maxDelayMs: number
}

/** How batches for a provider are made. */
export function providerPolicy(provider: Provider): ProviderPolicy {
  return provider === 'cpu' ? { maxDelayMs: 0 } : { buckets: GPU_BUCKETS, maxDelayMs: GPU_DELAY_MS }
}

/** Sizes of batches that must have run once before a provider is warm. */
export function batchesToWarm(provider: Provider): readonly number[] {
  return providerPolicy(provider).buckets ?? [1]
}

/** The smallest bucket that holds so many rows; the rows themselves where none does. */
export function paddedRows(rows: number, buckets: readonly number[]): number {
  return buckets.find(bucket => bucket >= rows) ?? rows
}

/** What is missing, in words, where onnxruntime could not open a model with a provider. */
export function whatIsMissing(provider: Provider, error: string): string {
  if (/backend not found/.test(error))
    return `this build of onnxruntime does not have it for ${process.platform}-${process.arch}`
  if (/shared library|libonnxruntime_providers|libcu|libcudnn/i.test(error))
    return `its library libonnxruntime_providers_${provider}.so, or one that it needs, cannot be loaded; onnxruntime-node must be installed with ONNXRUNTIME_NODE_INSTALL=cuda12 beside CUDA 12 and cuDNN 9`
  if (/adapter/i.test(error)) return 'no graphics adapter with a Vulkan driver that it can use was found'
  return oneLine(error)
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().replace(/\.$/, '').slice(0, 300)
}
