import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MODELS, MODEL_NAMES, prepareModels, type ModelName } from '@keepsake/inference'
import { BATCH_SIZES, type CurvePoint } from './batch-curve.js'
import { median } from './figures.js'

/** What this bench is called on the command line. */
export const name = 'batches'

/** A batch is large enough when its speed is at least so much of the best: beyond, it only holds more memory and keeps others waiting for longer. */
const enough = 0.95

/**
 * What batches gain on the CPU: pictures per second of processor time for each model and size of batch (median, best), and the memory that it takes, each model in
 * a process of its own. Says which `maxRows` follows, and holds where the catalogue's is as fast. `--model=NAME` does one.
 */
export async function run(words: readonly string[] = []): Promise<boolean> {
  const only = words.find(word => word.startsWith('--model='))?.slice('--model='.length)
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
  try {
    await prepareModels(dir)
    let holds = true
    console.log(
      `   rows/s of processor time as median (best), and MiB above rest, at batches of ${BATCH_SIZES.join(', ')}`,
    )
    for (const model of MODEL_NAMES.filter(each => only === undefined || each === only)) {
      const curve = await curveOf(dir, model)
      const { maxRows } = MODELS[model]
      const follows = maxRowsFrom(curve)
      const isEnough = speedAt(curve, maxRows) >= enough * bestOf(curve)
      holds &&= isEnough
      const cells = curve.map(
        ({ perSecond, peakMiB }) =>
          `${median(perSecond).toFixed(1)} (${Math.max(...perSecond).toFixed(1)}) ${peakMiB.toFixed(0)}M`,
      )
      console.log(`   ${model}: ${cells.join(' | ')}`)
      console.log(
        `      maxRows ${follows} follows; the catalogue's ${maxRows} is at ${(speedAt(curve, maxRows) / bestOf(curve)).toFixed(2)} of the best${isEnough ? '' : ': TOO SLOW'}`,
      )
    }
    return holds
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** The smallest batch that is fast enough. */
function maxRowsFrom(curve: readonly CurvePoint[]): number {
  return curve.find(({ perSecond }) => median(perSecond) >= enough * bestOf(curve))?.rows ?? 1
}

function bestOf(curve: readonly CurvePoint[]): number {
  return Math.max(...curve.map(({ perSecond }) => median(perSecond)))
}

function speedAt(curve: readonly CurvePoint[], rows: number): number {
  return median(curve.find(point => point.rows === rows)?.perSecond ?? [])
}

async function curveOf(dir: string, model: ModelName): Promise<CurvePoint[]> {
  const child = fork(new URL('./batch-curve.js', import.meta.url), [dir, model])
  const exited = once(child, 'exit')
  const told = once(child, 'message') as Promise<[CurvePoint[]]>
  const [curve] = await Promise.race([
    told,
    exited.then(([code]) => Promise.reject(new Error(`the curve of ${model} ended with code ${String(code)}`))),
  ])
  child.disconnect()
  await exited
  return curve
}
