import { readFileSync, writeFileSync } from 'node:fs'
import { MODELS, modelFile, openModelFiles, type ModelName } from '@keepsake/inference'

/** Batches that the curve is drawn over. */
export const BATCH_SIZES = [1, 2, 4, 8, 16, 32] as const

/** One point of a model's curve. */
export interface CurvePoint {
  rows: number
  /** Pictures per second of processor time of one inference thread, a figure for each round. */
  perSecond: number[]
  /** Most memory that the process held by then, in MiB above what it held before the model was opened. */
  peakMiB: number
}

/** Each round computes each size of batch for at least so many milliseconds, by the catalogue's costs: shorter, and collections of garbage would decide. */
const leastMs = 100
/** The curve ends with the batch that takes more, in MiB: nobody would give a worker so much. */
const mostMiB = 1024
/** A large model gets fewer rounds. */
const roundsOf = (cost: number) => (cost > 20 ? 3 : 7)

/*
 * A program of its own, so that memory is that of one model: started by the bench `batches` with the folder of models and a model's name, it tells its parent the curve.
 */
const [, , dir, model] = process.argv
if (process.send && dir !== undefined && model !== undefined) process.send(await curve(dir, model as ModelName))

async function curve(folder: string, name: ModelName): Promise<CurvePoint[]> {
  const { size, outputs, cost } = MODELS[name]
  const shape = { file: modelFile(folder, name), size, outputs, cost, maxRows: Math.max(...BATCH_SIZES) }
  const inference = openModelFiles({ [name]: shape }, { workers: 1, idleReleaseMs: 600_000, maxQueuedCost: Infinity })
  const data = noise(shape.maxRows * size * size * 3)
  const run = (rows: number) =>
    inference.run(name, { rows, data: data.subarray(0, rows * size * size * 3) }, { deadline: Date.now() + 600_000 })
  const atRest = resetPeak()
  const points: CurvePoint[] = []
  // Upwards, for what a larger batch took the runtime keeps.
  for (const rows of BATCH_SIZES) {
    await run(rows)
    points.push({ rows, perSecond: [], peakMiB: peakMiB() - atRest })
    if (peakMiB() - atRest > mostMiB) break
  }
  for (let round = 0; round < roundsOf(cost); round++)
    for (const point of points) {
      const before = process.cpuUsage()
      const batches = Math.ceil(leastMs / (cost * point.rows))
      for (let batch = 0; batch < batches; batch++) await run(point.rows)
      const { user, system } = process.cpuUsage(before)
      point.perSecond.push((batches * point.rows * 1e6) / (user + system))
    }
  await inference.close()
  return points
}

/** The kernel counts the peak anew from what is held now; that, in MiB. */
function resetPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5')
  return peakMiB()
}

function peakMiB(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
}

/** Reproducible random bytes (a linear congruential generator; Numerical Recipes' constants). */
function noise(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 24
  })
}
