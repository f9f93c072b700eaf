import { describe, expect, test } from 'vitest'
import { convertGraphModel } from './tfjs-to-onnx.js'

const options = {
  name: 'tiny',
  size: 2,
  preprocessing: { mean: [127.5], scale: 1 },
  output: { from: 'out', name: 'out' },
}

describe('convertGraphModel', () => {
  test('names the node and the operation that it does not know', () => {
    const node = [
      { name: 'input', op: 'Placeholder' },
      { name: 'out', op: 'TensorListReserve', input: ['input'] },
    ]
    const convert = () => convertGraphModel({ modelTopology: { node }, weightsManifest: [] }, new Uint8Array(), options)
    expect(convert).toThrow('cannot convert node "out": the operation TensorListReserve is not known')
  })

  test('names a node that is missing', () => {
    const node = [{ name: 'out', op: 'Relu', input: ['nowhere:0'] }]
    const convert = () => convertGraphModel({ modelTopology: { node }, weightsManifest: [] }, new Uint8Array(), options)
    expect(convert).toThrow('the graph has no node "nowhere"')
  })
})
