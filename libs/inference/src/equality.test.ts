import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODELS, MODEL_NAMES, type ModelName } from './catalogue.js'
import type { Inference } from './inference.js'
import { openInference } from './open-inference.js'
import { prepareModels } from './prepare.js'
import { largestDifference, TOLERANCES } from './testing/largest-difference.js'
import { tfjsReference, type Reference } from './testing/tfjs-reference.js'

describe('the converted models', () => {
  let dir: string
  let inference: Inference<ModelName>
  let reference: Record<ModelName, Reference>

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keepsake-models-'))
    await prepareModels(dir)
    inference = openInference(dir, { workers: 1 })
    reference = await tfjsReference()
  }, 120_000)
  afterAll(async () => {
    await inference.close()
    await rm(dir, { recursive: true })
  })
  const deadline = () => Date.now() + 60_000

  test.each(MODEL_NAMES)('%s equals the original in TensorFlow.js on random pixels', async model => {
    const pixels = noise(MODELS[model].size, 1)
    const outputs = await inference.run(model, { rows: 1, data: pixels }, { deadline: deadline() })
    const expected = reference[model](pixels)
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(MODELS[model].outputs).sort())
    for (const [name, values] of Object.entries(outputs)) {
      expect(values.length).toBe(MODELS[model].outputs[name as keyof (typeof MODELS)[ModelName]['outputs']])
      expect(largestDifference(values, expected[name] ?? [])).toBeLessThan(TOLERANCES[name] ?? 0)
    }
  })

  test.each(MODEL_NAMES)('%s gives the same bits for a picture alone and in a batch', async model => {
    const { size } = MODELS[model]
    const pictures = [1, 2, 3].map(seed => noise(size, seed))
    const together = await inference.run(model, { rows: 3, data: Buffer.concat(pictures) }, { deadline: deadline() })
    for (const [row, data] of pictures.entries()) {
      const alone = await inference.run(model, { rows: 1, data }, { deadline: deadline() })
      for (const [name, values] of Object.entries(alone))
        expect(
          largestDifference(values, together[name]?.subarray(row * values.length, (row + 1) * values.length) ?? []),
        ).toBe(0)
    }
  })
})

/** Reproducible random pixels (a linear congruential generator; Numerical Recipes' constants). */
function noise(size: number, seed: number): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: size * size * 3 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 24
  })
}
