import path from 'node:path'
import { parseArgs } from 'node:util'
import { setLogLevel } from '@keepsake/telemetry/logger'
import { plants, readHistory, type Plan, type Plant } from './history.js'
import { makePlan, scenes, type Scene } from './plan.js'
import { runPlan, type Report } from './run.js'

/** Shown by --help. */
export const usage = `npm run faults -- --seed N     imports 200 items of two families while things go wrong, and judges what is there afterwards
  --items N           of both families together (default 200; 2,000 with --minutes)
  --minutes M         things go wrong for so long (default: a minute and a half)
  --scenes A,B        only these: ${scenes.join(', ')}; none
  --plant commit-before-effect   plants a bug, which must be reported
  --history FILE      plays a run again that was kept
  --no-compare        leaves the undisturbed run out
  --keep              leaves everything, with logs, where it lies
`

const shortWindowMs = 90_000
const minuteMs = 60_000

/** The command line. Answers the exit status: 1 where an invariant is violated. */
export async function faults(args: readonly string[], say: (line: string) => void, root: string): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      items: { type: 'string' },
      minutes: { type: 'string' },
      scenes: { type: 'string' },
      plant: { type: 'string' },
      history: { type: 'string' },
      'no-compare': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    say(usage)
    return 0
  }
  setLogLevel('fatal')
  // Servers and services end with this process; mounts go at its exit, which a signal alone would skip.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
  const plan = values.history ? readHistory(values.history).plan : planOf(values)
  const file = path.join(root, '.cache', 'faults', `seed-${plan.seed}-${Date.now()}.json`)
  const report = await runPlan({ plan, file, say, compare: !values['no-compare'], keep: values.keep })
  return tellReport(report, plan, file, say)
}

function planOf(values: {
  seed: string
  items?: string | undefined
  minutes?: string | undefined
  scenes?: string | undefined
  plant?: string | undefined
}): Plan {
  const number = (name: string, text: string, least: number) => {
    const value = Number(text)
    if (!Number.isFinite(value) || value < least)
      throw new Error(`--${name} wants a number from ${least}, not ${text}.`)
    return value
  }
  const minutes = values.minutes === undefined ? undefined : number('minutes', values.minutes, 0.1)
  if (values.plant !== undefined && !(plants as readonly string[]).includes(values.plant))
    throw new Error(`--plant is one of ${plants.join(', ')}.`)
  const kinds = values.scenes === 'none' ? [] : values.scenes?.split(',')
  const unknown = kinds?.filter(kind => !(scenes as readonly string[]).includes(kind)) ?? []
  if (unknown.length > 0) throw new Error(`There is no scene ${unknown.join(', ')}.`)
  return makePlan({
    seed: number('seed', values.seed, 0),
    items: Math.round(number('items', values.items ?? (minutes === undefined ? '200' : '2000'), 2)),
    // Long runs hold still and slow down for up to a minute.
    windowMs: minutes === undefined ? shortWindowMs : minutes * minuteMs,
    ...(minutes !== undefined && minutes >= 10 ? { sceneMs: { min: 3_000, max: 60_000 } } : {}),
    ...(kinds === undefined ? {} : { kinds: kinds as Scene[] }),
    ...(values.plant === undefined ? {} : { plant: values.plant as Plant }),
  })
}

/** Prints the report and answers the exit status. */
export function tellReport({ violations }: Report, plan: Plan, file: string, say: (line: string) => void): number {
  const shown = 10
  let broken = 0
  for (const [name, found] of Object.entries(violations)) {
    say(`${found.length === 0 ? '  holds     ' : '  VIOLATED  '}${name}`)
    for (const each of found.slice(0, shown)) say(`              ${each}`)
    if (found.length > shown) say(`              and ${found.length - shown} more`)
    if (found.length > 0) broken++
  }
  say(
    broken === 0
      ? `seed ${plan.seed}: every invariant holds (${file})`
      : `seed ${plan.seed}: ${broken} invariants are violated; play it again with --history ${file}`,
  )
  return broken === 0 ? 0 : 1
}
