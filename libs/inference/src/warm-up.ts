import type { ModelShape } from './catalogue.js'
import type { Inference } from './inference.js'
import { warmUpSeconds } from './metrics.js'

/** One model gets so long for its first picture, in milliseconds: on a busy machine loading takes seconds. */
const firstRunMs = 120_000

/**
 * Runs each model on one black picture, one after another: afterwards it is known that the files can be opened and computed with on this machine, by this adapter.
 * @throws as `Inference.run`, and an Error where an output has not the width that the catalogue states
 */
export async function warmUp<M extends string>(
  inference: Pick<Inference<M>, 'run'>,
  models: Readonly<Record<string, Pick<ModelShape, 'size' | 'outputs'>>>,
): Promise<void> {
  for (const [name, { size, outputs }] of Object.entries(models)) {
    const black = { rows: 1, data: new Uint8Array(size * size * 3) }
    const began = performance.now()
    const answer = await inference.run(name as M, black, { deadline: Date.now() + firstRunMs })
    warmUpSeconds.set((performance.now() - began) / 1000, { model: name })
    for (const [output, width] of Object.entries(outputs))
      if (answer[output]?.length !== width)
        throw new Error(`${name} answers ${answer[output]?.length ?? 0} values as ${output}, not ${width}`)
  }
}
