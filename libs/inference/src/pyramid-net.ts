import { Network } from './network.js'
import { ONNX_TYPES, type OnnxGraph, type Value } from './onnx-graph.js'
import { TINY_FACE_STRIDE, tinyFaceGuesses, tinyFaceRows, tinyFaceStarts } from './tiny-face-net.js'
import type { Weights } from './weights.js'

/** One picture of a pyramid. */
interface Scale {
  /** Its side in parts of the picture that goes in. */
  part: number
  /** Black around it on each side, in parts of its own side: a face that fills the frame is found only with something around it. */
  border: number
}

/**
 * The five pictures of the pyramid, the smallest first. Halves are means of 2 x 2 pixels, which do not alias, and three quarters are sampled
 * from the full picture, so that each step is small.
 */
export const PYRAMID_SCALES: readonly Scale[] = [
  { part: 1 / 4, border: 1 / 2 },
  { part: 3 / 8, border: 0 },
  { part: 1 / 2, border: 0 },
  { part: 3 / 4, border: 0 },
  { part: 1, border: 0 },
]

/** Boxes that the pyramid of a picture of `size` pixels answers with, all scales together. */
export function pyramidGuesses(size: number, scales: readonly Scale[] = PYRAMID_SCALES): number {
  return scales.reduce((sum, scale) => sum + tinyFaceGuesses(paddedSide(size, scale)), 0)
}

/**
 * tiny_face_detector over a pyramid, as one graph: five branches over one picture of `size` pixels (a multiple of 256, or 320), with one set of weights, each
 * stored once. `face_boxes` [N,K,4] are x0, y0, x1, y1 in parts of the picture (they may lie outside 0 to 1), `face_scores` [N,K] 0 to 1, those of the
 * smallest scale first.
 *
 * onnxruntime runs the last branch, the largest, first (a depth-first walk from the end), and each to its end before the next. The smaller ones then find the memory
 * that the largest gave back, and the graph needs what the largest alone needs: all that is alive beside it are the picture's bytes.
 */
export function buildPyramid(weights: Weights, size: number, scales: readonly Scale[] = PYRAMID_SCALES): Uint8Array {
  const net = new Network(`face_pyramid_${size}`, weights, size)
  const { graph } = net
  let shared: Value | undefined
  const floats = () => (shared ??= graph.node('Cast', [net.pixels], { to: ONNX_TYPES.float32 }))
  const rows = scales.map(({ part, border }) => {
    const scaled = shrunk(graph, part === 1 ? widened(graph, net.pixels) : floats(), part)
    const black = Math.round(size * part * border)
    return tinyFaceRows(net, black === 0 ? scaled : surrounded(graph, scaled, black))
  })
  const { boxes, scores } = decoded(
    graph,
    rows.length === 1 ? (rows[0] as Value) : graph.node('Concat', rows, { axis: 1 }),
    scales.map(({ part, border }) => ({ side: size * part, black: Math.round(size * part * border) })),
  )
  const count = pyramidGuesses(size, scales)
  graph.output('face_boxes', boxes, ['N', count, 4])
  graph.output('face_scores', scores, ['N', count])
  return graph.encode()
}

/** Guesses of all scales as boxes in parts of the picture, and scores. Decoded together: nodes for each scale would cost memory that counts where pictures are small. */
function decoded(
  graph: OnnxGraph,
  rows: Value,
  scales: readonly { side: number; black: number }[],
): { boxes: Value; scores: Value } {
  const steps: number[] = []
  const corners: number[] = []
  const halves: number[] = []
  for (const { side, black } of scales) {
    const starts = tinyFaceStarts(side + 2 * black)
    for (const corner of starts.corners) corners.push((corner - black) / side)
    for (const half of starts.halves) halves.push(half / side)
    for (let guess = 0; guess < starts.corners.length / 2; guess++) steps.push(TINY_FACE_STRIDE / side)
  }
  const count = steps.length
  const [offset, logSize, face] = graph.nodeWithOutputs('Split', [rows, graph.integers([2, 2, 1])], { axis: 2 }, 3) as [
    Value,
    Value,
    Value,
  ]
  const shift = graph.node('Mul', [graph.node('Sigmoid', [offset]), graph.floats(steps, [1, count, 1])])
  const centre = graph.node('Add', [shift, graph.floats(corners, [1, count, 2])])
  const half = graph.node('Mul', [graph.node('Exp', [logSize]), graph.floats(halves, [1, count, 2])])
  return {
    boxes: graph.node('Concat', [graph.node('Sub', [centre, half]), graph.node('Add', [centre, half])], { axis: 2 }),
    scores: graph.node('Sigmoid', [graph.node('Squeeze', [face, graph.integers([2])])]),
  }
}

/**
 * Bytes as floats, for the largest branch alone. Not a Cast: the runtime would find that it is the smaller branches' Cast, and keep the picture's floats for them while the
 * largest runs, a seventh of what that needs.
 */
function widened(graph: OnnxGraph, bytes: Value): Value {
  return graph.node('DequantizeLinear', [bytes, graph.scalar(1), graph.byte(0)])
}

/** Brings planes to a part of their side: 1, 3/4, or a half or a quarter of such a part. */
function shrunk(graph: OnnxGraph, planes: Value, part: number): Value {
  if (part === 1) return planes
  if (part > 1 / 2)
    return graph.node('Resize', [planes, '' as Value, graph.floats([1, 1, part, part])], {
      mode: 'linear',
      coordinate_transformation_mode: 'half_pixel',
    })
  return graph.node('AveragePool', [shrunk(graph, planes, part * 2)], { kernel_shape: [2, 2], strides: [2, 2] })
}

function surrounded(graph: OnnxGraph, planes: Value, border: number): Value {
  return graph.node('Pad', [planes, graph.integers([0, 0, border, border, 0, 0, border, border]), graph.scalar(0)])
}

function paddedSide(size: number, { part, border }: Scale): number {
  return size * part + 2 * Math.round(size * part * border)
}
