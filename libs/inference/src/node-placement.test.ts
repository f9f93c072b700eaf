import { expect, test } from 'vitest'
import { placementsIn, strayNode } from './node-placement.js'

const event = (name: string, provider: string, weights = 0) => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  args: { provider, parameter_size: String(weights) },
})
const profile = (...events: unknown[]) => JSON.stringify([{ cat: 'Session', name: 'model_run', args: {} }, ...events])

test('a provider is used where every node with weights ran on it; shapes may be computed on the CPU', () => {
  const placements = placementsIn(
    profile(
      event('Conv_1', 'CUDAExecutionProvider', 40_000),
      event('Shape_2', 'CPUExecutionProvider'),
      event('Slice_3', 'CPUExecutionProvider', 16),
    ),
  )
  expect(placements[0]).toEqual({ node: 'Conv_1', provider: 'CUDAExecutionProvider', weightBytes: 40_000 })
  expect(strayNode(placements, 'cuda')).toBeUndefined()
})

test('a provider is not used where one such node ran elsewhere, or where nothing ran on it', () => {
  const mixed = placementsIn(
    profile(event('Conv_1', 'WebGpuExecutionProvider', 40_000), event('Conv_2', 'CPUExecutionProvider', 40_000)),
  )
  expect(strayNode(mixed, 'webgpu')).toMatchObject({ node: 'Conv_2' })
  expect(strayNode(placementsIn(profile(event('Add', 'CPUExecutionProvider'))), 'cuda')).toBe('nothing')
  expect(strayNode([], 'cuda')).toBe('nothing')
})
