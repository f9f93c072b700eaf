import type { Value } from './onnx-graph.js'
import { FACE_API_PREPROCESSING, Network, type ConvOptions } from './network.js'
import type { Weights } from './weights.js'

/** A value with the height (= width) of its picture, which decides where the shortcut needs padding. */
interface Sized {
  value: Value
  size: number
}

/** dlib's ResNet-29 stages after the entry: name, channels in and out of the halving block, identity blocks that follow. */
const STAGES = [
  { name: 'conv64', from: 32, to: 64, blocks: 3 },
  { name: 'conv128', from: 64, to: 128, blocks: 2 },
  { name: 'conv256', from: 128, to: 256, blocks: 2 },
] as const

/** face_recognition (dlib ResNet-29): 150 px crops to `embedding` [N,128], not normalised. */
export function buildRecognition(weights: Weights): Uint8Array {
  const net = new Network('face_recognition', weights, 150, FACE_API_PREPROCESSING)
  const entry = net.relu(layer(net, net.pixels, 'conv32_down', { stride: 2, padding: 'valid' }))
  // 150 -> 72 by the entry convolution (7x7, stride 2), -> 35 by the pooling.
  let x: Sized = { value: net.graph.node('MaxPool', [entry], { kernel_shape: [3, 3], strides: [2, 2] }), size: 35 }
  for (const block of [1, 2, 3]) x = identity(net, x, `conv32_${block}`)
  for (const { name, from, to, blocks } of STAGES) {
    x = halving(net, x, `${name}_down`, from, to)
    for (let block = 1; block <= blocks; block++) x = identity(net, x, `${name}_${block}`)
  }
  x = halving(net, x, 'conv256_down_out', 256, 256)
  const { data, shape } = weights.get('fc')
  const embedding = net.graph.node('MatMul', [net.averageOverPixels(x.value), net.graph.floats(data, shape)])
  net.graph.output('embedding', embedding, ['N', 128])
  return net.graph.encode()
}

/** Convolution, then face-api's per-channel `scale` layer, folded into one. */
function layer(net: Network, x: Value, name: string, options: ConvOptions): Value {
  const affine = {
    scale: net.weights.floats(`${name}/scale/weights`),
    shift: net.weights.floats(`${name}/scale/biases`),
  }
  return net.conv(x, `${name}/conv/filters`, { ...options, bias: `${name}/conv/bias`, affine })
}

function identity(net: Network, x: Sized, name: string): Sized {
  const inner = net.relu(layer(net, x.value, `${name}/conv1`, {}))
  return { value: net.relu(net.add(layer(net, inner, `${name}/conv2`, {}), x.value)), size: x.size }
}

/**
 * Halves the picture. The shortcut is an average pool whose missing channels are zeros; where the unpadded convolution
 * comes out one pixel smaller than the pool, it gets a row and a column of zeros (face-api's residualDown).
 */
function halving(net: Network, x: Sized, name: string, from: number, to: number): Sized {
  const { graph } = net
  const inner = net.relu(layer(net, x.value, `${name}/conv1`, { stride: 2, padding: 'valid' }))
  let branch = layer(net, inner, `${name}/conv2`, {})
  let shortcut = graph.node('AveragePool', [x.value], { kernel_shape: [2, 2], strides: [2, 2] })
  const branchSize = Math.floor((x.size - 3) / 2) + 1
  const size = Math.floor(x.size / 2)
  if (branchSize !== size) branch = pad(net, branch, [0, 0, 0, 0, 0, 0, 1, 1])
  if (from !== to) shortcut = pad(net, shortcut, [0, 0, 0, 0, 0, to - from, 0, 0])
  return { value: net.relu(net.add(shortcut, branch)), size }
}

/** Zeros around [N,C,H,W]: four sizes before, four after. */
function pad(net: Network, x: Value, sizes: readonly number[]): Value {
  return net.graph.node('Pad', [x, net.graph.integers(sizes), net.graph.scalar(0)], { mode: 'constant' })
}
