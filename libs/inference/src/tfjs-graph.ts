import type { WeightsManifest } from './weights.js'

interface TensorShapeProto {
  dim?: { size: string | number }[]
}

/** An attribute as TensorFlow.js writes protobuf in JSON: strings are base64, 64-bit integers are strings. */
interface AttrValue {
  i?: string | number
  f?: number
  b?: boolean
  s?: string
  type?: string
  shape?: { shape?: TensorShapeProto } | TensorShapeProto
  list?: { i?: (string | number)[]; s?: string[] }
}

interface NodeJson {
  name: string
  op: string
  input?: string[]
  attr?: Record<string, AttrValue>
}

/** The parts of a TensorFlow.js graph model's JSON file that a conversion needs. */
export interface TfjsGraphJson {
  modelTopology: { node: NodeJson[] }
  weightsManifest: WeightsManifest
}

/** One operation of a TensorFlow graph with typed access to its attributes. */
export class TfjsNode {
  constructor(private readonly json: NodeJson) {}

  get name(): string {
    return this.json.name
  }
  get op(): string {
    return this.json.op
  }
  /** Names of the nodes that this one reads, without control dependencies (`^name`). */
  get inputs(): string[] {
    return (this.json.input ?? []).filter(name => !name.startsWith('^')).map(outputZeroOf)
  }
  integers(attribute: string): number[] {
    return (this.json.attr?.[attribute]?.list?.i ?? []).map(Number)
  }
  integer(attribute: string): number {
    return Number(this.json.attr?.[attribute]?.i ?? 0)
  }
  flag(attribute: string): boolean {
    return this.json.attr?.[attribute]?.b ?? false
  }
  string(attribute: string): string {
    return decodeBase64(this.json.attr?.[attribute]?.s ?? '')
  }
  strings(attribute: string): string[] {
    return (this.json.attr?.[attribute]?.list?.s ?? []).map(decodeBase64)
  }
  /** An error that names this node, for a graph that uses what the converter does not know. */
  unsupported(what: string): Error {
    return new Error(`cannot convert node "${this.name}": ${what}`)
  }
}

/** The graph's nodes by name. */
export function parseNodes(json: TfjsGraphJson): Map<string, TfjsNode> {
  return new Map(json.modelTopology.node.map(node => [node.name, new TfjsNode(node)]))
}

/** `name:0` and `name` mean the same output; no operation that we convert has a second one. */
function outputZeroOf(reference: string): string {
  return reference.replace(/:0$/, '')
}

function decodeBase64(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8')
}
