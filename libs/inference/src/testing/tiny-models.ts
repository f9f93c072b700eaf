import { OnnxGraph, ONNX_TYPES } from '../onnx-graph.js'

/** Side of the pictures that the tiny models read. */
export const TINY_SIZE = 2

/** Bytes of one picture of a tiny model. */
export const TINY_BYTES = TINY_SIZE * TINY_SIZE * 3

/** `sum` [N,1]: the sum of a picture's bytes. */
export function tinySumModel(): Uint8Array {
  const graph = new OnnxGraph('sum')
  const pixels = graph.input('input', 'uint8', ['N', TINY_SIZE, TINY_SIZE, 3])
  const floats = graph.node('Cast', [pixels], { to: ONNX_TYPES.float32 })
  const rows = graph.node('Flatten', [floats], { axis: 1 })
  graph.output('sum', graph.node('ReduceSum', [rows, graph.integers([1])], { keepdims: 1 }), ['N', 1])
  return graph.encode()
}

/** `looked_up` [N,12]: every byte looked up in a table of four (10, 20, 30, 40); a byte of 4 or more makes the whole batch fail. */
export function tinyPoisonableModel(): Uint8Array {
  const graph = new OnnxGraph('poisonable')
  const pixels = graph.input('input', 'uint8', ['N', TINY_SIZE, TINY_SIZE, 3])
  const indices = graph.node('Cast', [graph.node('Flatten', [pixels], { axis: 1 })], { to: ONNX_TYPES.int64 })
  graph.output('looked_up', graph.node('Gather', [graph.floats([10, 20, 30, 40]), indices]), ['N', TINY_BYTES])
  return graph.encode()
}
