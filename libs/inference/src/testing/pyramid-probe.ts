import { readFile, writeFile } from 'node:fs/promises'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Step } from './pyramid-graphs.js'

/*
 * A program of its own, because memory that one way took would help the next: opens the sessions of some ways, lets the ways take turns, and prints as JSON what
 * that cost. Linux only: peaks come from /proc.
 */

/** What the program is given as its one argument, in JSON. */
export interface ProbeRequest {
  ways: Record<string, Step[]>
  rounds: number
  /** Whether the runtime lays out a block for the whole run. */
  memoryPattern: boolean
}

/** What it prints. */
export interface ProbeAnswer {
  /** The most that was held at a time, beyond what the process held before it opened a session, MiB. */
  peakMiB: number
  /** Processor time of each round, ms. */
  cpuMs: Record<string, number[]>
}

const { ways, rounds, memoryPattern } = JSON.parse(process.argv[2] ?? '') as ProbeRequest
const pictures = new Map<number, Tensor>()
for (const { side } of Object.values(ways).flat())
  pictures.set(side, new Tensor('uint8', noise(side * side * 3), [1, side, side, 3]))
// Resets the peak.
await writeFile('/proc/self/clear_refs', '5')
const before = await memory('VmRSS')
const sessions = new Map<string, InferenceSession>()
for (const { file } of Object.values(ways).flat())
  if (!sessions.has(file))
    sessions.set(
      file,
      await InferenceSession.create(file, {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        executionProviders: ['cpu'],
        enableMemPattern: memoryPattern,
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      }),
    )
const cpuMs: Record<string, number[]> = {}
for (let round = 0; round < rounds; round++)
  for (const [way, steps] of Object.entries(ways)) {
    const began = process.cpuUsage()
    for (const { file, side } of steps) {
      const outputs = await sessions.get(file)?.run({ input: pictures.get(side) as Tensor })
      for (const output of Object.values(outputs ?? {})) output.dispose()
    }
    const { user, system } = process.cpuUsage(began)
    ;(cpuMs[way] ??= []).push((user + system) / 1000)
  }
const answer: ProbeAnswer = { peakMiB: (await memory('VmHWM')) - before, cpuMs }
process.stdout.write(`${JSON.stringify(answer)}\n`)

async function memory(line: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8')
  return Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}

/** Reproducible random pixels (a linear congruential generator; Numerical Recipes' constants). */
function noise(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 24
  })
}
