import type { Provider } from './provider.js'

/** How onnxruntime's profile calls the providers. */
const NAMES_IN_PROFILE: Readonly<Record<Provider, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
}

/** Where one node of a graph ran, as the runtime's profile has it. */
export interface NodePlacement {
  node: string
  provider: string
  /** Bytes of weights that it reads. */
  weightBytes: number
}

/** A node with more weights than this, in bytes, does part of the network's work; with less it handles shapes and indices, which runtimes leave on the CPU. */
const WORKING_WEIGHT_BYTES = 1024

/**
 * Where each node ran, from the profile that onnxruntime writes (a JSON list of trace events).
 * @throws SyntaxError where it is no JSON
 */
export function placementsIn(profile: string): NodePlacement[] {
  interface Event {
    cat?: string
    name?: string
    args?: { provider?: string; parameter_size?: string }
  }
  return (JSON.parse(profile) as Event[])
    .filter(({ cat, args }) => cat === 'Node' && args?.provider)
    .map(({ name = '', args = {} }) => ({
      node: name.replace(/_kernel_time$/, ''),
      provider: args.provider ?? '',
      weightBytes: Number(args.parameter_size ?? 0),
    }))
}

/** The first node that does real work elsewhere than on the provider; `nothing` where no node ran on it at all. */
export function strayNode(
  placements: readonly NodePlacement[],
  provider: Provider,
): NodePlacement | 'nothing' | undefined {
  const wanted = NAMES_IN_PROFILE[provider]
  if (!placements.some(each => each.provider === wanted)) return 'nothing'
  return placements.find(each => each.provider !== wanted && each.weightBytes > WORKING_WEIGHT_BYTES)
}
