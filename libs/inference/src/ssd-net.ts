import type { Value } from './onnx-graph.js'
import { Network } from './network.js'
import type { Weights } from './weights.js'

/** Side of the picture that the detector reads, in pixels. */
const INPUT_SIZE = 512
/** MobileNet's layers that halve the picture. */
const HALVING_LAYERS: readonly number[] = [2, 4, 6, 12]
/** Epsilon of the batch normalisation (face-api src/ssdMobilenetv1/mobileNetV1.ts). */
const BATCH_NORM_EPSILON = 0.0010000000474974513

/**
 * ssd_mobilenetv1: `boxes` [N,5118,4] as y0, x0, y1, x1 in parts of the 512 px picture (may lie outside 0 to 1) and
 * `scores` [N,5118] in 0 to 1. Decoding is in the graph; overlapping boxes are not yet suppressed.
 */
export function buildSsd(weights: Weights): Uint8Array {
  const net = new Network('ssd_mobilenetv1', weights, INPUT_SIZE, { mean: [127.5], scale: 1 / 127.5 })
  const boxes: Value[] = []
  const classes: Value[] = []
  featureMaps(net).forEach((features, index) => {
    boxes.push(predictor(net, features, `Prediction/BoxPredictor_${index}/BoxEncodingPredictor`, 4))
    classes.push(predictor(net, features, `Prediction/BoxPredictor_${index}/ClassPredictor`, 3))
  })
  const anchors = weights.floats('Output/extra_dim')
  const count = anchors.length / 4
  net.graph.output('boxes', decodeBoxes(net, net.graph.node('Concat', boxes, { axis: 1 }), anchors), ['N', count, 4])
  net.graph.output('scores', faceScores(net, net.graph.node('Concat', classes, { axis: 1 })), ['N', count])
  return net.graph.encode()
}

/** The six pictures of falling size that faces are looked for in. */
function featureMaps(net: Network): Value[] {
  const maps: Value[] = []
  let x = pointwise(net, net.pixels, 'MobilenetV1/Conv2d_0_pointwise', 2)
  for (let layer = 1; layer <= 13; layer++) {
    x = depthwise(net, x, `MobilenetV1/Conv2d_${layer}_depthwise`, HALVING_LAYERS.includes(layer) ? 2 : 1)
    x = pointwise(net, x, `MobilenetV1/Conv2d_${layer}_pointwise`, 1)
    if (layer === 11 || layer === 13) maps.push(x)
  }
  for (let layer = 0; layer < 8; layer++) {
    const halves = layer % 2 === 1
    x = pointwise(net, x, `Prediction/Conv2d_${layer}_pointwise`, halves ? 2 : 1)
    if (halves) maps.push(x)
  }
  return maps
}

function pointwise(net: Network, x: Value, name: string, stride: number): Value {
  return net.relu6(net.conv(x, `${name}/weights`, { stride, bias: `${name}/convolution_bn_offset` }))
}

function depthwise(net: Network, x: Value, name: string, stride: number): Value {
  const parameter = (suffix: string) => net.weights.floats(`${name}/BatchNorm/${suffix}`)
  const mean = parameter('moving_mean')
  const variance = parameter('moving_variance')
  const scale = parameter('gamma').map((gamma, i) => gamma / Math.sqrt((variance[i] as number) + BATCH_NORM_EPSILON))
  const shift = parameter('beta').map((beta, i) => beta - (mean[i] as number) * (scale[i] as number))
  return net.relu6(net.conv(x, `${name}/depthwise_weights`, { depthwise: true, stride, affine: { scale, shift } }))
}

/** One prediction head: [N,C,H,W] features to [N, anchors, width]. */
function predictor(net: Network, features: Value, name: string, width: number): Value {
  const planes = net.conv(features, `${name}/weights`, { bias: `${name}/biases` })
  const rows = net.graph.node('Transpose', [planes], { perm: [0, 2, 3, 1] })
  return net.graph.node('Reshape', [rows, net.graph.integers([0, -1, width])])
}

/** Box encodings are offsets (a tenth of the anchor's size) and log sizes (a fifth), relative to anchors y0, x0, y1, x1. */
function decodeBoxes({ graph }: Network, encodings: Value, anchors: Float32Array): Value {
  const count = anchors.length / 4
  const sizes = new Float32Array(count * 2)
  const centres = new Float32Array(count * 2)
  for (let anchor = 0; anchor < count; anchor++) {
    for (const axis of [0, 1]) {
      const start = anchors[4 * anchor + axis] as number
      const size = (anchors[4 * anchor + 2 + axis] as number) - start
      sizes[2 * anchor + axis] = size
      centres[2 * anchor + axis] = start + size / 2
    }
  }
  const anchorSize = graph.floats(sizes, [1, count, 2])
  const [offset, logSize] = graph.nodeWithOutputs('Split', [encodings, graph.integers([2, 2])], { axis: 2 }, 2) as [
    Value,
    Value,
  ]
  const shift = graph.node('Mul', [graph.node('Mul', [offset, graph.scalar(0.1)]), anchorSize])
  const centre = graph.node('Add', [shift, graph.floats(centres, [1, count, 2])])
  const size = graph.node('Mul', [graph.node('Exp', [graph.node('Mul', [logSize, graph.scalar(0.2)])]), anchorSize])
  const half = graph.node('Mul', [size, graph.scalar(0.5)])
  return graph.node('Concat', [graph.node('Sub', [centre, half]), graph.node('Add', [centre, half])], { axis: 2 })
}

/** Column 0 is background, 1 is face, 2 is unused. */
function faceScores({ graph }: Network, classes: Value): Value {
  const column = graph.node('Slice', [classes, graph.integers([1]), graph.integers([2]), graph.integers([2])])
  return graph.node('Sigmoid', [graph.node('Squeeze', [column, graph.integers([2])])])
}
