import { expect, test } from 'vitest'
import { proveProvider, relativeDifference } from './prove-provider.js'
import type { NodePlacement } from './node-placement.js'
import type { BatchResult, Executor } from './session-pool.js'

const on = (provider: string): NodePlacement[] => [{ node: 'Conv_1', provider, weightBytes: 40_000 }]
const answering = (result: Partial<Extract<BatchResult, { ok: true }>> | Error): Executor => ({
  idle: () => [{ id: 0, loaded: [] }],
  run: () =>
    Promise.resolve<BatchResult>(
      result instanceof Error
        ? { ok: false, error: result, broken: true }
        : { ok: true, outputs: { out: Float32Array.of(1, -2) }, runMs: 1, ...result },
    ),
  release: () => Promise.resolve(),
  liveWorkers: () => 1,
  problem: () => undefined,
})
const prove = (result: Parameters<typeof answering>[0]) =>
  proveProvider('cuda', { tiny: { size: 2 } }, { proven: answering(result), cpu: answering({}) })

test('a provider that computed the model and answers as the CPU does is proven', async () => {
  await prove({ nodes: on('CUDAExecutionProvider'), outputs: { out: Float32Array.of(1.0005, -2) } })
})

test.each([
  ['it cannot be opened', new Error('Failed to load shared library'), 'libonnxruntime_providers_cuda.so'],
  ['it ran elsewhere', { nodes: on('CPUExecutionProvider') }, 'ran nothing of tiny'],
  [
    'a part ran elsewhere',
    { nodes: [...on('CUDAExecutionProvider'), ...on('CPUExecutionProvider')] },
    'Conv_1 of tiny on CPUExecutionProvider',
  ],
  ['it does not say where', {}, 'ran nothing of tiny'],
  [
    'it answers something else',
    { nodes: on('CUDAExecutionProvider'), outputs: { out: Float32Array.of(1, -2.1) } },
    'out of tiny is 0.050 apart',
  ],
  [
    'it answers no number',
    { nodes: on('CUDAExecutionProvider'), outputs: { out: Float32Array.of(NaN, -2) } },
    'NaN apart',
  ],
  ['it does not answer', { nodes: on('CUDAExecutionProvider'), outputs: {} }, 'Infinity apart'],
])('a provider is refused where %s', async (_, result, sentence) => {
  await expect(prove(result)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'PROVIDER_UNUSABLE',
    message: expect.stringContaining(sentence) as string,
  })
})

test('differences are parts of the largest value', () => {
  expect(relativeDifference([1, 99], [0, 100])).toBeCloseTo(0.01)
  expect(relativeDifference([0], [0])).toBe(0)
  expect(relativeDifference([1], [1, 2])).toBe(Infinity)
})
