import { describe, expect, test } from 'vitest'
import { providerUnusable } from './errors.js'
import { paddedRows, providerPolicy, whatIsMissing } from './provider.js'

describe('a provider', () => {
  test('that cannot be used says in one sentence what is missing', () => {
    const sentence = (error: string) => providerUnusable('cuda', whatIsMissing('cuda', error)).message
    expect(sentence('OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library')).toContain(
      'libonnxruntime_providers_cuda.so',
    )
    expect(sentence('no available backend found. ERR: [cuda] backend not found.')).toContain('this build')
    expect(whatIsMissing('webgpu', 'Failed to get a WebGPU adapter: No supported adapters')).toContain('Vulkan driver')
    expect(sentence('one line\n and another.\n')).toMatch(/^Models cannot .*: one line and another\.$/)
  })

  test('the CPU pads nothing and waits for nobody; a GPU does both', () => {
    expect(providerPolicy('cpu')).toEqual({ maxDelayMs: 0 })
    const { buckets = [], maxDelayMs } = providerPolicy('webgpu')
    expect(maxDelayMs).toBeGreaterThanOrEqual(2)
    expect(maxDelayMs).toBeLessThanOrEqual(5)
    expect([1, 2, 4, 5, 17, 32].map(rows => paddedRows(rows, buckets))).toEqual([1, 4, 4, 8, 32, 32])
  })
})
