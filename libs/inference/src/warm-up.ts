import type { ModelShape } from './catalogue.js'
import type { Inference } from './inference.js'
import { warmUpSeconds } from './metrics.js'

/** One model gets so long for its first picture, in milliseconds: on a busy machine loading takes seconds. */
const firstRunMs = 120_000

/**
 * Runs each model on black pictures, one after another: afterwards it is known that the files can be opened and computed with on this machine, by this adapter.
 * @param batches how many pictures at a time: one, and on a GPU each size that a batch may have, for there a new one takes a while
 * @throws as `Inference.run`, and an Error where an output has not the width that the catalogue states
 */
export async function warmUp<M extends string>(
  inference: Pick<Inference<M>, 'run'>,
  models: Readonly<Record<string, Pick<ModelShape, 'size' | 'outputs'>>>,
  batches: readonly number[] = [1],
): Promise<void> {
  for (const [name, { size, outputs }] of Object.entries(models)) {
    const began = performance.now()
    for (const rows of batches) {
      const black = { rows, data: new Uint8Array(rows * size * size * 3) }
      const answer = await inference.run(name as M, black, { deadline: Date.now() + firstRunMs })
      for (const [output, width] of Object.entries(outputs))
        if (answer[output]?.length !== rows * width)
          throw new Error(`${name} answers ${answer[output]?.length ?? 0} values as ${output}, not ${rows * width}`)
    }
    warmUpSeconds.set((performance.now() - began) / 1000, { model: name })
  }
}
