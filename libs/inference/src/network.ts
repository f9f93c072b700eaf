import { OnnxGraph, ONNX_TYPES, type Attribute, type Dimension, type Value } from './onnx-graph.js'
import { transpose, type Weights } from './weights.js'

/** How pixels become the numbers that a network was trained on: `(pixel - mean) * scale`, RGB. */
export interface Preprocessing {
  mean: readonly number[]
  scale: number
}

/** The mean colour that face-api's small networks subtract (face-api src/common/normalize: 122.782, 117.001, 104.298). */
export const FACE_API_PREPROCESSING: Preprocessing = { mean: [122.782, 117.001, 104.298], scale: 1 / 255 }

export interface ConvOptions {
  stride?: number
  /** `same` pads like TensorFlow (the odd pixel goes to the bottom right), `valid` does not pad. */
  padding?: 'same' | 'valid'
  depthwise?: boolean
  /** Name of the bias tensor. */
  bias?: string
  /** A per-channel `y * scale + shift` that follows, folded into the weights. */
  affine?: { scale: Float32Array; shift: Float32Array }
}

/**
 * Adds the input of a picture model to a graph: uint8 NHWC pixels, cast, laid out NCHW and normalised inside the graph,
 * so that a decoder's raw buffer is a valid input as it is.
 */
export function pixelInput(graph: OnnxGraph, size: Dimension, preprocessing: Preprocessing): Value {
  return normalised(graph, pixelPlanes(graph, size), preprocessing)
}

/** The same input as planes [N,3,H,W] of bytes. */
function bytePlanes(graph: OnnxGraph, size: Dimension): Value {
  return graph.node('Transpose', [pixelBytes(graph, size)], { perm: [0, 3, 1, 2] })
}

function pixelBytes(graph: OnnxGraph, size: Dimension): Value {
  return graph.input('input', 'uint8', ['N', size, size, 3])
}

function pixelPlanes(graph: OnnxGraph, size: Dimension): Value {
  const floats = graph.node('Cast', [pixelBytes(graph, size)], { to: ONNX_TYPES.float32 })
  return graph.node('Transpose', [floats], { perm: [0, 3, 1, 2] })
}

/** Planes of 0 to 255 as the numbers that a network was trained on. */
export function normalised(graph: OnnxGraph, planes: Value, { mean, scale }: Preprocessing): Value {
  const centred = graph.node('Sub', [planes, graph.floats(mean, [mean.length, 1, 1])])
  return graph.node('Mul', [centred, graph.scalar(scale)])
}

/** The layers that face-api's networks are made of, over one graph and one set of weights. A tensor that several layers read is stored once. */
export class Network {
  readonly graph: OnnxGraph
  /** The picture's planes [N,3,H,W]: normalised, or bytes without `preprocessing`. */
  readonly pixels: Value
  private readonly stored = new Map<string, Value>()

  constructor(
    name: string,
    readonly weights: Weights,
    size: Dimension,
    preprocessing?: Preprocessing,
  ) {
    this.graph = new OnnxGraph(name)
    this.pixels = preprocessing ? pixelInput(this.graph, size, preprocessing) : bytePlanes(this.graph, size)
  }

  relu(x: Value): Value {
    return this.graph.node('Relu', [x])
  }

  /** ReLU cut off at 6, as MobileNet uses it. */
  relu6(x: Value): Value {
    return this.graph.node('Clip', [x, this.graph.scalar(0), this.graph.scalar(6)])
  }

  add(a: Value, b: Value): Value {
    return this.graph.node('Add', [a, b])
  }

  /** A convolution with the filter tensor `name` (TensorFlow's HWIO, depthwise HWIM). */
  conv(x: Value, name: string, options: ConvOptions = {}): Value {
    const { stride = 1, padding = 'same', depthwise = false } = options
    const filter = this.weights.get(name)
    const [height = 1, width = 1, inputs = 1] = filter.shape
    const attributes: Record<string, Attribute> = {
      kernel_shape: [height, width],
      strides: [stride, stride],
      group: depthwise ? inputs : 1,
    }
    if (padding === 'same') attributes.auto_pad = 'SAME_UPPER'
    return this.graph.node('Conv', [x, ...this.convOperands(name, filter.shape, options)], attributes)
  }

  /** Depthwise, then 1x1 convolution: face-api's separable convolution. The stride belongs to the first. */
  separable(x: Value, name: string, stride = 1): Value {
    const depthwise = this.conv(x, `${name}/depthwise_filter`, { depthwise: true, stride })
    return this.conv(depthwise, `${name}/pointwise_filter`, { bias: `${name}/bias` })
  }

  /** Mean over height and width: [N, C, H, W] becomes [N, C]. */
  averageOverPixels(x: Value): Value {
    return this.graph.node('Flatten', [this.graph.node('GlobalAveragePool', [x])], { axis: 1 })
  }

  /** A fully connected layer with tensors `name/weights` and `name/bias`. */
  dense(x: Value, name: string): Value {
    const { data, shape } = this.weights.get(`${name}/weights`)
    return this.graph.node('Gemm', [
      x,
      this.graph.floats(data, shape),
      this.graph.floats(this.weights.floats(`${name}/bias`)),
    ])
  }

  softmax(x: Value): Value {
    return this.graph.node('Softmax', [x], { axis: -1 })
  }

  /** Kernel and bias as ONNX lays them out, made when first asked for. */
  private convOperands(name: string, shape: readonly number[], options: ConvOptions): Value[] {
    const known = [this.stored.get(name), this.stored.get(`${name}+`)].filter(value => value !== undefined)
    if (known.length > 0) return known
    const { depthwise = false } = options
    const { data, bias } = this.foldAffine(name, shape[depthwise ? 2 : 3] ?? 1, options)
    const kernel = transpose({ data, shape }, depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1])
    this.stored.set(name, this.graph.floats(kernel.data, kernel.shape))
    if (bias) this.stored.set(`${name}+`, this.graph.floats(bias))
    return this.convOperands(name, shape, options)
  }

  private foldAffine(name: string, channels: number, { bias: biasName, affine }: ConvOptions) {
    const data = this.weights.floats(name)
    const bias = biasName === undefined ? undefined : this.weights.floats(biasName)
    if (!affine) return { data, bias }
    // Both layouts keep the channel that the affine acts on in the last axis with more than one entry: HWIO's O, HWIM's I (M is 1).
    const scaled = data.map((value, index) => value * (affine.scale[index % channels] as number))
    const shifted = affine.shift.map(
      (shift, channel) => (bias?.[channel] ?? 0) * (affine.scale[channel] as number) + shift,
    )
    return { data: scaled, bias: shifted }
  }
}
