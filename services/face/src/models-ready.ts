import { warmUp, type Inference, type ModelName, type ModelShape } from '@keepsake/inference'
import { workedOnce } from '@keepsake/rpc'

/**
 * Readiness of the models: each has run once, in every size of batch that it will have, and no worker crashes again and again. The check rejects with a sentence while
 * that is not so.
 */
export function modelsReady(
  models: Pick<Inference<ModelName>, 'run' | 'problem'>,
  shapes: Readonly<Record<string, Pick<ModelShape, 'size' | 'outputs'>>>,
  batches: readonly number[],
): () => Promise<void> {
  const warm = workedOnce(() => warmUp(models, shapes, batches))
  return async () => {
    await warm()
    const problem = models.problem()
    if (problem !== undefined) throw new Error(problem)
  }
}
