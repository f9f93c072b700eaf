import { Network } from './network.js'
import type { OnnxGraph, Value } from './onnx-graph.js'
import { tinyFaceBranch, tinyFaceGuesses } from './tiny-face-net.js'
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
 * tiny_face_detector over a pyramid, as one graph: five branches over one picture of `size` pixels (a multiple of 32), with one set of weights, each
 * stored once. `face_boxes` [N,K,4] are x0, y0, x1, y1 in parts of the picture (they may lie outside 0 to 1), `face_scores` [N,K] 0 to 1, those of the smallest
 * scale first. Each branch starts from the picture by itself and the largest runs last, so that when it does nothing of the others is alive but their
 * answers, and the runtime needs no more memory than for the largest alone.
 */
export function buildPyramid(weights: Weights, size: number, scales: readonly Scale[] = PYRAMID_SCALES): Uint8Array {
  const net = new Network(`face_pyramid_${size}`, weights, size)
  const { graph } = net
  const answers = scales.map(scale => {
    const side = size * scale.part
    const border = Math.round(side * scale.border)
    const scaled = shrunk(graph, net.pixels, scale.part)
    const padded = border === 0 ? scaled : surrounded(graph, scaled, border)
    const { boxes, scores } = tinyFaceBranch(net, padded, side + 2 * border)
    const inside = border === 0 ? boxes : graph.node('Sub', [boxes, graph.scalar(border)])
    return { boxes: graph.node('Mul', [inside, graph.scalar(1 / side)]), scores }
  })
  const joined = (values: Value[]) =>
    values.length === 1 ? (values[0] as Value) : graph.node('Concat', values, { axis: 1 })
  const count = pyramidGuesses(size, scales)
  graph.output('face_boxes', joined(answers.map(answer => answer.boxes)), ['N', count, 4])
  graph.output('face_scores', joined(answers.map(answer => answer.scores)), ['N', count])
  return graph.encode()
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
