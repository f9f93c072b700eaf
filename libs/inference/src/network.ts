import { OnnxGraph, ONNX_TYPES, type Attribute, type Value } from './onnx-graph.js'
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
export function pixelInput(graph: OnnxGraph, size: number, { mean, scale }: Preprocessing): Value {
  const pixels = graph.input('input', 'uint8', ['N', size, size, 3])
  const floats = graph.node('Cast', [pixels], { to: ONNX_TYPES.float32 })
  const planes = graph.node('Transpose', [floats], { perm: [0, 3, 1, 2] })
  const centred = graph.node('Sub', [planes, graph.floats(mean, [mean.length, 1, 1])])
  return graph.node('Mul', [centred, graph.scalar(scale)])
}

/** The layers that face-api's networks are made of, over one graph and one set of weights. */
export class Network {
  readonly graph: OnnxGraph
  readonly pixels: Value

  constructor(
    name: string,
    readonly weights: Weights,
    size: number,
    preprocessing: Preprocessing,
  ) {
    this.graph = new OnnxGraph(name)
    this.pixels = pixelInput(this.graph, size, preprocessing)
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
    const [height = 1, width = 1, inputs = 1, outputs = 1] = filter.shape
    const channels = depthwise ? inputs : outputs
    const { data, bias } = this.foldAffine(name, channels, options)
    const order = depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1]
    const kernel = transpose({ data, shape: filter.shape }, order)
    const attributes: Record<string, Attribute> = {
      kernel_shape: [height, width],
      strides: [stride, stride],
      group: depthwise ? inputs : 1,
    }
    if (padding === 'same') attributes.auto_pad = 'SAME_UPPER'
    const operands = [x, this.graph.floats(kernel.data, kernel.shape)]
    if (bias) operands.push(this.graph.floats(bias))
    return this.graph.node('Conv', operands, attributes)
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
