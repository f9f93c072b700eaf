import { pixelInput, type Preprocessing } from './network.js'
import { OnnxGraph, type Attribute, type Value } from './onnx-graph.js'
import { parseNodes, type TfjsGraphJson, type TfjsNode } from './tfjs-graph.js'
import { decodeWeights, transpose, type Weight, type Weights } from './weights.js'

/** What a TensorFlow node becomes: a value of the ONNX graph, a constant, or integers known while converting. */
type Converted = Tensor | { kind: 'constant'; weight: Weight } | { kind: 'sizes'; sizes: readonly number[] }

/**
 * `shape` is in TensorFlow's order (NHWC); `layout` says how the ONNX value lies in memory. Pictures stay NCHW through
 * the network, because that is what ONNX convolutions read, and are turned back only where the order shows (Reshape).
 */
interface Tensor {
  kind: 'tensor'
  value: Value
  shape: readonly number[]
  layout: 'nchw' | 'plain'
}

/** Stands for the batch size in a shape. */
const BATCH = -1
const NCHW_TO_NHWC = [0, 2, 3, 1]

export interface GraphModelOptions {
  name: string
  /** Height and width of the input in pixels. */
  size: number
  preprocessing: Preprocessing
  /** TensorFlow name of the output to keep, and its name in the ONNX model. */
  output: { from: string; name: string }
}

/**
 * Converts a TensorFlow.js graph model that reads one picture. The input becomes uint8 NHWC with the preprocessing in
 * the graph, the batch symbolic. Throws an error that names the node when it meets an operation it does not know.
 */
export function convertGraphModel(json: TfjsGraphJson, bytes: Uint8Array, options: GraphModelOptions): Uint8Array {
  const graph = new OnnxGraph(options.name)
  const weights = decodeWeights(json.weightsManifest, bytes)
  const converter = new GraphConverter(graph, weights, parseNodes(json), options)
  const result = converter.convert(options.output.from)
  if (result.kind !== 'tensor') throw new Error(`output "${options.output.from}" is a constant`)
  graph.output(options.output.name, converter.plain(result), symbolic(result.shape))
  return graph.encode()
}

class GraphConverter {
  private readonly done = new Map<string, Converted>()

  constructor(
    private readonly graph: OnnxGraph,
    private readonly weights: Weights,
    private readonly nodes: ReadonlyMap<string, TfjsNode>,
    private readonly options: GraphModelOptions,
  ) {}

  /** Converts a node and all that it reads. A stack of its own, because a graph is deeper than JavaScript's stack likes. */
  convert(name: string): Converted {
    const stack = [name]
    while (stack.length > 0) {
      const current = stack.at(-1) as string
      const node = this.nodes.get(current)
      if (!node) throw new Error(`the graph has no node "${current}"`)
      const missing = node.inputs.filter(input => !this.done.has(input))
      if (missing.length > 0) stack.push(...missing)
      else {
        if (!this.done.has(current)) this.done.set(current, this.emit(node))
        stack.pop()
      }
    }
    return this.done.get(name) as Converted
  }

  /** The ONNX value in TensorFlow's order of axes. */
  plain(tensor: Tensor): Value {
    return tensor.layout === 'plain'
      ? tensor.value
      : this.graph.node('Transpose', [tensor.value], { perm: NCHW_TO_NHWC })
  }

  private emit(node: TfjsNode): Converted {
    switch (node.op) {
      case 'Const':
        return { kind: 'constant', weight: this.weights.get(node.name) }
      case 'Placeholder': {
        const { size, preprocessing } = this.options
        return picture(pixelInput(this.graph, size, preprocessing), [BATCH, size, size, 3])
      }
      case 'Identity':
        return this.input(node, 0)
      case '_FusedConv2D':
        return this.convolution(node, false)
      case 'FusedDepthwiseConv2dNative':
        return this.convolution(node, true)
      case 'AddV2':
        return this.add(node)
      case 'Relu': {
        const x = this.tensor(node, 0)
        return { ...x, value: this.graph.node('Relu', [x.value]) }
      }
      case 'Pad':
        return this.pad(node)
      case 'ResizeBilinear':
        return this.resize(node)
      case 'DepthToSpace':
        return this.depthToSpace(node)
      case 'ConcatV2':
        return this.concat(node)
      case 'Shape':
        return { kind: 'sizes', sizes: this.tensor(node, 0).shape }
      case 'StridedSlice':
        return this.stridedSlice(node)
      case 'Pack':
        return { kind: 'sizes', sizes: node.inputs.flatMap((_, index) => this.sizes(node, index)) }
      case 'Reshape':
        return this.reshape(node)
      default:
        throw node.unsupported(`the operation ${node.op} is not known`)
    }
  }

  private input(node: TfjsNode, index: number): Converted {
    const converted = this.done.get(node.inputs[index] ?? '')
    if (!converted) throw node.unsupported(`input ${index} is missing`)
    return converted
  }

  private tensor(node: TfjsNode, index: number): Tensor {
    const input = this.input(node, index)
    if (input.kind !== 'tensor') throw node.unsupported(`input ${index} is a constant`)
    return input
  }

  private image(node: TfjsNode): Tensor & { shape: readonly [number, number, number, number] } {
    const x = this.tensor(node, 0)
    const [batch, height, width, channels] = x.shape
    if (
      x.layout !== 'nchw' ||
      batch === undefined ||
      height === undefined ||
      width === undefined ||
      channels === undefined
    )
      throw node.unsupported('its input is not a picture')
    return { ...x, shape: [batch, height, width, channels] }
  }

  private weight(node: TfjsNode, index: number): Weight {
    const input = this.input(node, index)
    if (input.kind !== 'constant') throw node.unsupported(`input ${index} is not a constant`)
    return input.weight
  }

  private sizes(node: TfjsNode, index: number): readonly number[] {
    const input = this.input(node, index)
    if (input.kind === 'tensor') throw node.unsupported(`input ${index} is not known while converting`)
    return input.kind === 'sizes' ? input.sizes : Array.from(input.weight.data)
  }

  private convolution(node: TfjsNode, depthwise: boolean): Tensor {
    const x = this.image(node)
    const filter = this.weight(node, 1)
    const [kernelHeight = 1, kernelWidth = 1, inputs = 1, multiplier = 1] = filter.shape
    const [, strideY = 1, strideX = 1] = node.integers('strides')
    if (node.integers('dilations').some(dilation => dilation !== 1)) throw node.unsupported('it is dilated')
    const padding = node.string('padding')
    const attributes: Record<string, Attribute> = {
      kernel_shape: [kernelHeight, kernelWidth],
      strides: [strideY, strideX],
      group: depthwise ? inputs : 1,
    }
    if (padding === 'SAME') attributes.auto_pad = 'SAME_UPPER'
    else if (padding !== 'VALID') throw node.unsupported(`its padding is ${padding}`)
    const [bias, activation, ...rest] = node.strings('fused_ops')
    if (bias !== 'BiasAdd' || rest.length > 0)
      throw node.unsupported(`it fuses ${node.strings('fused_ops').join(', ')}`)
    const kernel = transpose(filter, depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1])
    const channels = depthwise ? inputs * multiplier : multiplier
    // Depthwise filters are [inputs, multiplier, h, w] after the transposition; ONNX wants one output channel per row.
    const kernelShape = depthwise ? [channels, 1, kernelHeight, kernelWidth] : kernel.shape
    const operands = [
      x.value,
      this.graph.floats(kernel.data, kernelShape),
      this.graph.floats(this.weight(node, 2).data),
    ]
    const value = this.activate(node, this.graph.node('Conv', operands, attributes), activation)
    const side = (size: number, window: number, stride: number) =>
      padding === 'SAME' ? Math.ceil(size / stride) : Math.floor((size - window) / stride) + 1
    const [batch, height, width] = x.shape
    return picture(value, [batch, side(height, kernelHeight, strideY), side(width, kernelWidth, strideX), channels])
  }

  private activate(node: TfjsNode, value: Value, activation: string | undefined): Value {
    if (activation === undefined) return value
    if (activation === 'Relu') return this.graph.node('Relu', [value])
    throw node.unsupported(`the activation ${activation} is not known`)
  }

  private add(node: TfjsNode): Tensor {
    const a = this.tensor(node, 0)
    const b = this.tensor(node, 1)
    if (a.shape.join() !== b.shape.join() || a.layout !== b.layout) throw node.unsupported('it adds different shapes')
    return { ...a, value: this.graph.node('Add', [a.value, b.value]) }
  }

  private pad(node: TfjsNode): Tensor {
    const x = this.image(node)
    const pairs = this.sizes(node, 1)
    const before = x.shape.map((_, axis) => pairs[2 * axis] ?? 0)
    const after = x.shape.map((_, axis) => pairs[2 * axis + 1] ?? 0)
    const sizes = [...toNchw(before), ...toNchw(after)]
    const value = this.graph.node('Pad', [x.value, this.graph.integers(sizes), this.graph.scalar(0)], {
      mode: 'constant',
    })
    return picture(
      value,
      x.shape.map((size, axis) => (axis === 0 ? size : size + (before[axis] ?? 0) + (after[axis] ?? 0))),
    )
  }

  private resize(node: TfjsNode): Tensor {
    const x = this.image(node)
    const [height = 1, width = 1] = this.sizes(node, 1)
    const mode = node.flag('align_corners')
      ? 'align_corners'
      : node.flag('half_pixel_centers')
        ? 'half_pixel'
        : 'asymmetric'
    const scales = this.graph.floats([1, 1, height / x.shape[1], width / x.shape[2]])
    const noRegion = '' as Value
    const attributes = { mode: 'linear', coordinate_transformation_mode: mode }
    return picture(this.graph.node('Resize', [x.value, noRegion, scales], attributes), [
      x.shape[0],
      height,
      width,
      x.shape[3],
    ])
  }

  private depthToSpace(node: TfjsNode): Tensor {
    const x = this.image(node)
    const block = node.integer('block_size')
    const [batch, height, width, channels] = x.shape
    const value = this.graph.node('DepthToSpace', [x.value], { blocksize: block, mode: 'DCR' })
    return picture(value, [batch, height * block, width * block, channels / block / block])
  }

  private concat(node: TfjsNode): Tensor {
    const tensors = node.inputs.slice(0, -1).map((_, index) => this.tensor(node, index))
    const first = this.tensor(node, 0)
    const [axis = 0] = this.sizes(node, tensors.length)
    if (tensors.some(tensor => tensor.layout !== 'plain')) throw node.unsupported('it joins pictures')
    const at = axis < 0 ? axis + first.shape.length : axis
    const joined = tensors.reduce((sum, tensor) => sum + (tensor.shape[at] ?? 0), 0)
    const value = this.graph.node(
      'Concat',
      tensors.map(tensor => tensor.value),
      { axis: at },
    )
    return {
      kind: 'tensor',
      value,
      layout: 'plain',
      shape: first.shape.map((size, index) => (index === at ? joined : size)),
    }
  }

  private stridedSlice(node: TfjsNode): Converted {
    const [begin = 0] = this.sizes(node, 1)
    const [end = 0] = this.sizes(node, 2)
    const [stride = 1] = this.sizes(node, 3)
    if (stride !== 1 || node.integer('begin_mask') !== 0 || node.integer('end_mask') !== 0)
      throw node.unsupported('only a plain range of a shape can be sliced')
    return { kind: 'sizes', sizes: this.sizes(node, 0).slice(begin, end) }
  }

  private reshape(node: TfjsNode): Tensor {
    const x = this.tensor(node, 0)
    const target = [...this.sizes(node, 1)]
    if (target[0] !== BATCH) throw node.unsupported('it changes the batch')
    const elements = x.shape.slice(1).reduce((product, size) => product * size, 1)
    const open = target.indexOf(-1, 1)
    if (open > 0)
      target[open] = elements / target.slice(1).reduce((product, size) => (size > 0 ? product * size : product), 1)
    // 0 keeps the input's own size on that axis: the batch.
    const sizes = this.graph.integers([0, ...target.slice(1)])
    return { kind: 'tensor', value: this.graph.node('Reshape', [this.plain(x), sizes]), shape: target, layout: 'plain' }
  }
}

function picture(value: Value, shape: readonly number[]): Tensor {
  return { kind: 'tensor', value, shape, layout: 'nchw' }
}

function toNchw([batch = 0, height = 0, width = 0, channels = 0]: readonly number[]): number[] {
  return [batch, channels, height, width]
}

function symbolic(shape: readonly number[]): (number | string)[] {
  return shape.map(size => (size === BATCH ? 'N' : size))
}
