import { ProtobufWriter } from './protobuf.js'

/** Element types that our graphs use, by their number in onnx.proto (TensorProto.DataType). */
export const ONNX_TYPES = { float32: 1, uint8: 2, int64: 7 } as const

export type OnnxType = keyof typeof ONNX_TYPES

/** A dimension is a size, or a name for a size that is known only when the model runs (the batch is `N`). */
export type Dimension = number | string

/** A node's attribute: an integer, a list of integers, a string, or a float (written as `{ float }` to tell it from an integer). */
export type Attribute = number | readonly number[] | string | { readonly float: number }

export type TensorData = Float32Array | BigInt64Array | Uint8Array

/** A value inside a graph: the name of a node's output, of an input or of a constant. */
export type Value = string & { readonly onnxValue: unique symbol }

interface ValueInfo {
  name: string
  type: OnnxType
  shape: readonly Dimension[]
}
interface Node {
  op: string
  inputs: readonly Value[]
  outputs: readonly Value[]
  attributes: Readonly<Record<string, Attribute>>
}
interface Constant {
  name: Value
  type: OnnxType
  dims: readonly number[]
  data: TensorData
}

/** Operators of opset 17 are the newest that every onnxruntime since 1.12 reads; ir version 8 belongs to it. */
const OPSET = 17
const IR_VERSION = 8

/** Builds one ONNX model: nodes are added in the order in which they run, then `encode()` gives the file's bytes. */
export class OnnxGraph {
  private readonly nodes: Node[] = []
  private readonly constants: Constant[] = []
  private readonly inputs: ValueInfo[] = []
  private readonly outputs: ValueInfo[] = []
  private readonly sharedIntegers = new Map<string, Value>()
  private nextId = 0

  constructor(private readonly name: string) {}

  input(name: string, type: OnnxType, shape: readonly Dimension[]): Value {
    this.inputs.push({ name, type, shape })
    return name as Value
  }

  /** Publishes `from` as a result of the model under `name`. */
  output(name: string, from: Value, shape: readonly Dimension[]): void {
    this.nodes.push({ op: 'Identity', inputs: [from], outputs: [name as Value], attributes: {} })
    this.outputs.push({ name, type: 'float32', shape })
  }

  /** A constant tensor. The data are not copied: do not change them afterwards. */
  floats(data: ArrayLike<number>, dims: readonly number[] = [data.length]): Value {
    return this.constant('float32', dims, data instanceof Float32Array ? data : Float32Array.from(data))
  }

  /** A constant byte without dimensions. */
  byte(value: number): Value {
    return this.constant('uint8', [], Uint8Array.of(value))
  }

  scalar(value: number): Value {
    return this.floats([value], [])
  }

  /** A constant list of integers, as shapes, axes and paddings are given. Equal lists share one constant. */
  integers(values: readonly number[]): Value {
    const key = values.join(',')
    let value = this.sharedIntegers.get(key)
    if (value === undefined) {
      value = this.constant('int64', [values.length], BigInt64Array.from(values, BigInt))
      this.sharedIntegers.set(key, value)
    }
    return value
  }

  /** Adds a node with one output. */
  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    const output = this.fresh(op)
    this.nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }

  /** Adds a node with `count` outputs (Split). */
  nodeWithOutputs(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): Value[] {
    const outputs = Array.from({ length: count }, () => this.fresh(op))
    this.nodes.push({ op, inputs, outputs, attributes })
    return outputs
  }

  /** The bytes of the .onnx file (onnx.proto's ModelProto). The same calls give the same bytes. */
  encode(): Uint8Array {
    const graph = new ProtobufWriter()
    this.nodes.forEach((node, index) => graph.message(1, encodeNode(node, index)))
    graph.string(2, this.name)
    for (const constant of this.constants) graph.message(5, encodeConstant(constant))
    for (const input of this.inputs) graph.message(11, encodeValueInfo(input))
    for (const output of this.outputs) graph.message(12, encodeValueInfo(output))
    const opset = new ProtobufWriter().string(1, '').int(2, OPSET)
    return new ProtobufWriter().int(1, IR_VERSION).string(2, 'keepsake').message(7, graph).message(8, opset).finish()
  }

  private constant(type: OnnxType, dims: readonly number[], data: TensorData): Value {
    const name = this.fresh('constant')
    this.constants.push({ name, type, dims, data })
    return name
  }

  private fresh(prefix: string): Value {
    return `${prefix}_${this.nextId++}` as Value
  }
}

function encodeNode(node: Node, index: number): ProtobufWriter {
  const message = new ProtobufWriter()
  for (const input of node.inputs) message.string(1, input)
  for (const output of node.outputs) message.string(2, output)
  message.string(3, `${node.op}_${index}`).string(4, node.op)
  for (const [name, value] of Object.entries(node.attributes)) message.message(5, encodeAttribute(name, value))
  return message
}

/** Field 20 is AttributeProto.type: FLOAT 1, INT 2, STRING 3, INTS 7. */
function encodeAttribute(name: string, value: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().string(1, name)
  if (typeof value === 'number') return message.int(3, value).int(20, 2)
  if (typeof value === 'string') return message.string(4, value).int(20, 3)
  if ('float' in value) return message.float(2, value.float).int(20, 1)
  for (const item of value) message.int(8, item)
  return message.int(20, 7)
}

function encodeConstant(constant: Constant): ProtobufWriter {
  const message = new ProtobufWriter()
  for (const size of constant.dims) message.int(1, size)
  const { buffer, byteOffset, byteLength } = constant.data
  return message
    .int(2, ONNX_TYPES[constant.type])
    .string(8, constant.name)
    .bytes(9, new Uint8Array(buffer, byteOffset, byteLength))
}

function encodeValueInfo(info: ValueInfo): ProtobufWriter {
  const shape = new ProtobufWriter()
  for (const dimension of info.shape) {
    const message = new ProtobufWriter()
    shape.message(1, typeof dimension === 'string' ? message.string(2, dimension) : message.int(1, dimension))
  }
  const tensorType = new ProtobufWriter().int(1, ONNX_TYPES[info.type]).message(2, shape)
  return new ProtobufWriter().string(1, info.name).message(2, new ProtobufWriter().message(1, tensorType))
}
