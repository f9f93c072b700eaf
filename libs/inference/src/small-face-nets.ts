import type { Value } from './onnx-graph.js'
import { FACE_API_PREPROCESSING, Network } from './network.js'
import type { Weights } from './weights.js'

/** Pixels on a side of the crops that these three networks read. */
const INPUT_SIZE = 112

/** face_landmark_68: `landmarks` [N,136] = 68 x (x, y), each 0 to 1 of the crop. */
export function buildLandmarks(weights: Weights): Uint8Array {
  const net = new Network('face_landmark_68', weights, INPUT_SIZE, FACE_API_PREPROCESSING)
  net.graph.output('landmarks', net.dense(denseFeatures(net), 'fc'), ['N', 136])
  return net.graph.encode()
}

/** face_expression: `probabilities` [N,7] = neutral, happy, sad, angry, fearful, disgusted, surprised. */
export function buildExpression(weights: Weights): Uint8Array {
  const net = new Network('face_expression', weights, INPUT_SIZE, FACE_API_PREPROCESSING)
  net.graph.output('probabilities', net.softmax(net.dense(denseFeatures(net), 'fc')), ['N', 7])
  return net.graph.encode()
}

/** age_gender (a tiny Xception): `age` [N,1] in years, `gender` [N,2] = male, female. */
export function buildAgeGender(weights: Weights): Uint8Array {
  const net = new Network('age_gender', weights, INPUT_SIZE, FACE_API_PREPROCESSING)
  let x = net.relu(net.conv(net.pixels, 'entry_flow/conv_in/filters', { stride: 2, bias: 'entry_flow/conv_in/bias' }))
  x = reduction(net, x, 'entry_flow/reduction_block_0')
  x = reduction(net, net.relu(x), 'entry_flow/reduction_block_1', x)
  for (const block of [0, 1]) x = middle(net, x, `middle_flow/main_block_${block}`)
  x = reduction(net, net.relu(x), 'exit_flow/reduction_block', x)
  x = net.averageOverPixels(net.relu(net.separable(x, 'exit_flow/separable_conv')))
  net.graph.output('age', net.dense(x, 'fc/age'), ['N', 1])
  net.graph.output('gender', net.softmax(net.dense(x, 'fc/gender')), ['N', 2])
  return net.graph.encode()
}

/** The feature extractor of landmarks and expression: four dense blocks of four, then the mean over pixels. */
function denseFeatures(net: Network): Value {
  let x = net.pixels
  for (let block = 0; block < 4; block++) x = denseBlock(net, x, `dense${block}`, block === 0)
  return net.averageOverPixels(x)
}

function denseBlock(net: Network, x: Value, name: string, isFirst: boolean): Value {
  const entry = isFirst
    ? net.conv(x, `${name}/conv0/filters`, { stride: 2, bias: `${name}/conv0/bias` })
    : net.separable(x, `${name}/conv0`, 2)
  const first = net.relu(entry)
  const second = net.separable(first, `${name}/conv1`)
  const third = net.separable(net.relu(net.add(first, second)), `${name}/conv2`)
  const sum = net.add(first, net.add(second, third))
  const fourth = net.separable(net.relu(sum), `${name}/conv3`)
  return net.relu(net.add(first, net.add(second, net.add(third, fourth))))
}

/** Halves the picture. `shortcut` is the block's input before its activation (the first block has none). */
function reduction(net: Network, activated: Value, name: string, shortcut: Value = activated): Value {
  const first = net.separable(activated, `${name}/separable_conv0`)
  const second = net.separable(net.relu(first), `${name}/separable_conv1`)
  const pooled = net.graph.node('MaxPool', [second], { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' })
  const expanded = net.conv(shortcut, `${name}/expansion_conv/filters`, {
    stride: 2,
    bias: `${name}/expansion_conv/bias`,
  })
  return net.add(pooled, expanded)
}

function middle(net: Network, x: Value, name: string): Value {
  let branch = x
  for (const layer of [0, 1, 2]) branch = net.separable(net.relu(branch), `${name}/separable_conv${layer}`)
  return net.add(branch, x)
}
