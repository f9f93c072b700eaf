/** One entry of a TensorFlow.js weights manifest: how a tensor lies in the .bin file. */
export interface WeightSpec {
  name: string
  shape: number[]
  dtype: string
  quantization?: { dtype: string; scale?: number; min?: number }
}

/** The `weightsManifest` of TensorFlow.js: groups of tensors, one after another in the file. */
export type WeightsManifest = readonly { weights: readonly WeightSpec[] }[]

export interface Weight {
  data: Float32Array | Int32Array
  shape: readonly number[]
}

/** All tensors of a file by name. */
export class Weights {
  constructor(private readonly byName: ReadonlyMap<string, Weight>) {}

  /** The tensor of that name. Throws when there is none: the package has changed and the builder must be looked at. */
  get(name: string): Weight {
    const weight = this.byName.get(name)
    if (!weight) throw new Error(`the weights hold no tensor "${name}"`)
    return weight
  }

  /** A float tensor's values. */
  floats(name: string): Float32Array {
    const { data } = this.get(name)
    if (!(data instanceof Float32Array)) throw new Error(`tensor "${name}" is not float32`)
    return data
  }
}

/**
 * Decodes TensorFlow.js weights. uint8 and uint16 quantisation is `q * scale + min`, computed in double and stored as
 * float32 (what tfjs-core's io_utils does, so values are equal to the bit); float16 is widened.
 * Throws when the manifest does not fit the bytes or names a type that the shipped models do not use.
 */
export function decodeWeights(manifest: WeightsManifest, bytes: Uint8Array): Weights {
  const byName = new Map<string, Weight>()
  let offset = 0
  for (const spec of manifest.flatMap(group => group.weights)) {
    const stored = spec.quantization?.dtype ?? spec.dtype
    const size = spec.shape.reduce((product, dim) => product * dim, 1)
    const length = size * bytesPerElement(stored, spec.name)
    if (offset + length > bytes.length) throw new Error(`the weights end before tensor "${spec.name}"`)
    // A copy (Buffer.slice is none): a view has the whole file behind it and may start at an odd address.
    const raw = Uint8Array.from(bytes.subarray(offset, offset + length)).buffer
    offset += length
    byName.set(spec.name, { data: decode(spec, stored, raw), shape: spec.shape })
  }
  if (offset !== bytes.length)
    throw new Error(`the weights are ${bytes.length} bytes, the manifest describes ${offset}`)
  return new Weights(byName)
}

function bytesPerElement(dtype: string, name: string): number {
  switch (dtype) {
    case 'uint8':
      return 1
    case 'uint16':
    case 'float16':
      return 2
    case 'float32':
    case 'int32':
      return 4
    default:
      throw new Error(`tensor "${name}" has the unknown type ${dtype}`)
  }
}

function decode(spec: WeightSpec, stored: string, raw: ArrayBuffer): Float32Array | Int32Array {
  const { scale = 1, min = 0 } = spec.quantization ?? {}
  const widen = (values: Uint8Array | Uint16Array) =>
    spec.dtype === 'int32'
      ? Int32Array.from(values, q => Math.round(q * scale + min))
      : Float32Array.from(values, q => q * scale + min)
  switch (stored) {
    case 'uint8':
      return widen(new Uint8Array(raw))
    case 'uint16':
      return widen(new Uint16Array(raw))
    case 'float16':
      return Float32Array.from(new Uint16Array(raw), halfToFloat)
    case 'int32':
      return new Int32Array(raw)
    default:
      return new Float32Array(raw)
  }
}

/** IEEE 754 half precision: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. */
function halfToFloat(half: number): number {
  const sign = half >> 15 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Reorders the axes of a dense tensor: axis `i` of the result is axis `order[i]` of the source. */
export function transpose(weight: Weight, order: readonly number[]): { data: Float32Array; shape: number[] } {
  const strides = weight.shape.map((_, axis) => weight.shape.slice(axis + 1).reduce((product, dim) => product * dim, 1))
  const shape = order.map(axis => weight.shape[axis] ?? 1)
  const steps = order.map(axis => strides[axis] ?? 1)
  const data = new Float32Array(weight.data.length)
  const index = new Array<number>(shape.length).fill(0)
  let source = 0
  for (let target = 0; target < data.length; target++) {
    data[target] = weight.data[source] as number
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1
      source += steps[axis] as number
      if (next < (shape[axis] as number)) {
        index[axis] = next
        break
      }
      index[axis] = 0
      source -= (steps[axis] as number) * (shape[axis] as number)
    }
  }
  return { data, shape }
}
