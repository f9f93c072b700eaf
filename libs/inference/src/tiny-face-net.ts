import { normalised, type Network } from './network.js'
import type { Value } from './onnx-graph.js'

/** The mean colour that tiny_face_detector subtracts (face-api src/tinyFaceDetector/const.ts). */
const PREPROCESSING = { mean: [117.001, 114.697, 97.404], scale: 1 / 255 } as const
/** Pixels of the input between two cells of the answer: five poolings halve it. */
export const TINY_FACE_STRIDE = 32
/** Widths and heights of the five boxes that each cell guesses from, in cells (face-api src/tinyFaceDetector/const.ts). */
const ANCHORS = [1.603231, 2.094468, 6.041143, 7.080126, 2.882459, 3.518061, 4.266906, 5.178857, 9.041765, 10.66308]
/** x, y, width, height and the score of one guess. */
const GUESS = 5
const GUESSES = ANCHORS.length / 2
/** Slope below zero of the network's activation. */
const LEAK = 0.1

/** How many boxes tiny_face_detector guesses in a picture of `size` x `size` pixels. */
export function tinyFaceGuesses(size: number): number {
  return cellsOf(size) ** 2 * GUESSES
}

/** Planes of 0 to 255, [N,3,H,W] of any size, to [N,25,h,w]: five raw guesses for every 32 x 32 pixels. */
export function tinyFaceCells(net: Network, planes: Value): Value {
  const pixels = normalised(net.graph, planes, PREPROCESSING)
  let x = leaky(net, net.conv(pixels, 'conv0/filters', { padding: 'valid', bias: 'conv0/bias' }))
  for (const layer of [1, 2, 3, 4, 5]) {
    x = net.graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' })
    x = leaky(net, net.separable(x, `conv${layer}`))
  }
  x = net.graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [1, 1], auto_pad: 'SAME_UPPER' })
  return net.conv(x, 'conv8/filters', { bias: 'conv8/bias' })
}

/** The cells of a picture as rows of guesses, [N,K,5]: x, y, log width, log height and the logit of being a face, five for each cell. */
export function tinyFaceRows(net: Network, planes: Value): Value {
  const rows = net.graph.node('Transpose', [tinyFaceCells(net, planes)], { perm: [0, 2, 3, 1] })
  return net.graph.node('Reshape', [rows, net.graph.integers([0, -1, GUESS])])
}

/** What the guesses in a square picture of `size` pixels start from, in pixels, x and y of each in turn: corners of cells, and half the sizes of the boxes. */
export function tinyFaceStarts(size: number): { corners: number[]; halves: number[] } {
  const cells = cellsOf(size)
  const starts = { corners: [] as number[], halves: [] as number[] }
  for (let cell = 0; cell < cells ** 2; cell++)
    for (let anchor = 0; anchor < ANCHORS.length; anchor += 2) {
      starts.corners.push((cell % cells) * TINY_FACE_STRIDE, Math.floor(cell / cells) * TINY_FACE_STRIDE)
      starts.halves.push(
        ((ANCHORS[anchor] ?? 0) * TINY_FACE_STRIDE) / 2,
        ((ANCHORS[anchor + 1] ?? 0) * TINY_FACE_STRIDE) / 2,
      )
    }
  return starts
}

/** The first convolution leaves out a pixel at each side, the poolings round up. */
function cellsOf(size: number): number {
  let cells = size - 2
  for (let halved = 1; halved < TINY_FACE_STRIDE; halved *= 2) cells = Math.ceil(cells / 2)
  return cells
}

function leaky({ graph }: Network, x: Value): Value {
  return graph.node('LeakyRelu', [x], { alpha: { float: LEAK } })
}
