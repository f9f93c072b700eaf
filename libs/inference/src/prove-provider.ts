import type { ModelShape } from './catalogue.js'
import { providerUnusable } from './errors.js'
import { strayNode } from './node-placement.js'
import { whatIsMissing, type Provider } from './provider.js'
import type { BatchResult, Executor } from './session-pool.js'

/**
 * How far an output may be from the CPU's, as a part of the CPU's largest value of that output: both compute in 32 bits but add in another order. WebGPU on a
 * software driver is at most 2e-5 apart over our models; the rest is room for hardware, and still far below what moves a face to another person.
 */
export const MOST_DIFFERENCE = 1e-3

/**
 * Runs each model once on a provider and on the CPU. Afterwards it is known that the provider is there, that the work of each model runs on it and nowhere else, and that
 * it gives the same answers.
 * @throws KeepsakeError PROVIDER_UNUSABLE with one sentence that names what is missing or wrong
 */
export async function proveProvider(
  provider: Provider,
  models: Readonly<Record<string, Pick<ModelShape, 'size'>>>,
  executors: { proven: Executor; cpu: Executor },
): Promise<void> {
  for (const [model, { size }] of Object.entries(models)) {
    const here = outputsOf(await runOnce(executors.proven, model, size, true))
    if ('error' in here) throw providerUnusable(provider, whatIsMissing(provider, here.error.message), here.error)
    const stray = strayNode(here.nodes ?? [], provider)
    if (stray === 'nothing') throw providerUnusable(provider, `onnxruntime ran nothing of ${model} on it`)
    if (stray)
      throw providerUnusable(provider, `onnxruntime ran ${stray.node} of ${model} on ${stray.provider} instead`)
    const onCpu = outputsOf(await runOnce(executors.cpu, model, size, false))
    if ('error' in onCpu) throw onCpu.error
    for (const [output, values] of Object.entries(onCpu.outputs)) {
      const difference = relativeDifference(here.outputs[output] ?? [], values)
      // Written so that a NaN is no equal.
      if (!(difference <= MOST_DIFFERENCE))
        throw providerUnusable(
          provider,
          `${output} of ${model} is ${difference.toPrecision(2)} apart from what the CPU answers, more than ${MOST_DIFFERENCE}`,
        )
    }
  }
}

/** The largest difference as a part of the largest magnitude in `expected`; NaN where something is no number, Infinity where lengths differ. */
export function relativeDifference(values: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (values.length !== expected.length) return Infinity
  let difference = 0
  let largest = Number.MIN_VALUE
  for (let i = 0; i < expected.length; i++) {
    const [value, wanted] = [values[i] as number, expected[i] as number]
    if (Number.isNaN(value - wanted)) return NaN
    difference = Math.max(difference, Math.abs(value - wanted))
    largest = Math.max(largest, Math.abs(wanted))
  }
  return difference / largest
}

function runOnce(executor: Executor, model: string, size: number, profiled: boolean): Promise<BatchResult> {
  return executor.run(0, { model, rows: 1, pixels: testPicture(size), traces: [], profiled })
}

function outputsOf(result: BatchResult): Extract<BatchResult, { ok: true }> | { error: Error } {
  return result.ok ? result : { error: result.error }
}

/** A picture with something in every frequency, the same each time: a linear congruential generator with Numerical Recipes' constants. */
function testPicture(size: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length: size * size * 3 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 24
  })
}
