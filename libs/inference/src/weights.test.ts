import { describe, expect, test } from 'vitest'
import { decodeWeights, transpose } from './weights.js'

const one = (spec: {
  name?: string
  shape: number[]
  dtype: string
  quantization?: { dtype: string; scale?: number; min?: number }
}) => [{ weights: [{ name: 'w', ...spec }] }]

describe('decodeWeights', () => {
  test('widens uint8 and uint16 by scale and minimum, in double before it rounds to float', () => {
    const bytes = decodeWeights(
      one({ shape: [3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.1, min: -1 } }),
      Buffer.from([0, 1, 255]),
    )
    expect([...bytes.floats('w')]).toEqual([-1, -0.9, 24.5].map(Math.fround))
    const words = decodeWeights(
      one({ shape: [1], dtype: 'int32', quantization: { dtype: 'uint16', scale: 0.5, min: 2 } }),
      Buffer.from([3, 1]),
    )
    expect([...words.get('w').data]).toEqual([132])
  })

  test('widens half precision: normal, subnormal, infinite and negative zero', () => {
    const halves = new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7c00, 0x8000])
    const weights = decodeWeights(
      one({ shape: [5], dtype: 'float32', quantization: { dtype: 'float16' } }),
      new Uint8Array(halves.buffer),
    )
    expect([...weights.floats('w')]).toEqual([1, -2, 2 ** -24, Infinity, -0])
  })

  test('says what is wrong with a file that does not fit its manifest', () => {
    const manifest = one({ shape: [2], dtype: 'float32' })
    expect(() => decodeWeights(manifest, new Uint8Array(4))).toThrow('the weights end before tensor "w"')
    expect(() => decodeWeights(manifest, new Uint8Array(12))).toThrow(
      'the weights are 12 bytes, the manifest describes 8',
    )
    expect(() => decodeWeights(one({ shape: [1], dtype: 'complex64' }), new Uint8Array(8))).toThrow(
      'unknown type complex64',
    )
  })

  test('does not hold on to the memory of the file', () => {
    const file = Buffer.from(new Float32Array([1, 2]).buffer)
    const weights = decodeWeights(one({ shape: [2], dtype: 'float32' }), file)
    file.fill(0)
    expect([...weights.floats('w')]).toEqual([1, 2])
  })
})

test('transpose moves axes as numpy does', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i)
  const result = transpose({ data, shape: [2, 3, 4] }, [2, 0, 1])
  expect(result.shape).toEqual([4, 2, 3])
  expect([...result.data].slice(0, 7)).toEqual([0, 4, 8, 12, 16, 20, 1])
})
