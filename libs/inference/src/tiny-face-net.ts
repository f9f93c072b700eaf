import { normalised, type Network } from './network.js'
import type { Value } from './onnx-graph.js'

/** The mean colour that tiny_face_detector subtracts (face-api src/tinyFaceDetector/const.ts). */
const PREPROCESSING = { mean: [117.001, 114.697, 97.404], scale: 1 / 255 } as const
/** Pixels of the input between two cells of the answer: five poolings halve it. */
const STRIDE = 32
/** Widths and heights of the five boxes that each cell guesses from, in cells (face-api src/tinyFaceDetector/const.ts). */
const ANCHORS = [1.603231, 2.094468, 6.041143, 7.080126, 2.882459, 3.518061, 4.266906, 5.178857, 9.041765, 10.66308]
/** x, y, width, height and the score of one guess. */
const GUESS = 5
const GUESSES = ANCHORS.length / 2
/** Slope below zero of the network's activation. */
const LEAK = 0.1

/**
 * tiny_face_detector on planes of 0 to 255 of `size` x `size` pixels: `boxes` [N,K,4] (x0, y0, x1, y1 in pixels) and `scores` [N,K] from 0 to 1, K being
 * `tinyFaceGuesses(size)`. Overlapping boxes are not yet suppressed. No layer knows the picture's size, which is what lets one set of weights read
 * a pyramid.
 */
export function tinyFaceBranch(net: Network, planes: Value, size: number): { boxes: Value; scores: Value } {
  return decode(net, cellMap(net, normalised(net.graph, planes, PREPROCESSING)), size)
}

/** How many boxes tiny_face_detector guesses in a picture of `size` x `size` pixels. */
export function tinyFaceGuesses(size: number): number {
  return cellsOf(size) ** 2 * GUESSES
}

/** [N,3,H,W] to [N,25,h,w]: five raw guesses for every 32 x 32 pixels. */
function cellMap(net: Network, planes: Value): Value {
  let x = leaky(net, net.conv(planes, 'conv0/filters', { padding: 'valid', bias: 'conv0/bias' }))
  for (const layer of [1, 2, 3, 4, 5]) {
    x = net.graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' })
    x = leaky(net, net.separable(x, `conv${layer}`))
  }
  x = net.graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [1, 1], auto_pad: 'SAME_UPPER' })
  return net.conv(x, 'conv8/filters', { bias: 'conv8/bias' })
}

function decode({ graph }: Network, map: Value, size: number): { boxes: Value; scores: Value } {
  const cells = cellsOf(size)
  const count = tinyFaceGuesses(size)
  const corners = new Float32Array(count * 2)
  const sizes = new Float32Array(count * 2)
  for (let guess = 0; guess < count; guess++) {
    const cell = Math.floor(guess / GUESSES)
    corners.set([(cell % cells) * STRIDE, Math.floor(cell / cells) * STRIDE], guess * 2)
    const anchor = (guess % GUESSES) * 2
    // Half of it: boxes reach so far from their centre on either side.
    sizes.set([((ANCHORS[anchor] ?? 0) * STRIDE) / 2, ((ANCHORS[anchor + 1] ?? 0) * STRIDE) / 2], guess * 2)
  }
  const rows = graph.node('Transpose', [map], { perm: [0, 2, 3, 1] })
  const guesses = graph.node('Reshape', [rows, graph.integers([0, -1, GUESS])])
  const parts = graph.nodeWithOutputs('Split', [guesses, graph.integers([2, 2, 1])], { axis: 2 }, 3)
  const [offset, logSize, face] = parts as [Value, Value, Value]
  const shift = graph.node('Mul', [graph.node('Sigmoid', [offset]), graph.scalar(STRIDE)])
  const centre = graph.node('Add', [shift, graph.floats(corners, [1, count, 2])])
  const half = graph.node('Mul', [graph.node('Exp', [logSize]), graph.floats(sizes, [1, count, 2])])
  return {
    boxes: graph.node('Concat', [graph.node('Sub', [centre, half]), graph.node('Add', [centre, half])], { axis: 2 }),
    scores: graph.node('Sigmoid', [graph.node('Squeeze', [face, graph.integers([2])])]),
  }
}

/** The first convolution leaves out a pixel at each side, the poolings round up. */
function cellsOf(size: number): number {
  let cells = size - 2
  for (let halved = 1; halved < STRIDE; halved *= 2) cells = Math.ceil(cells / 2)
  return cells
}

function leaky({ graph }: Network, x: Value): Value {
  return graph.node('LeakyRelu', [x], { alpha: { float: LEAK } })
}
