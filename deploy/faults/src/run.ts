import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Household } from './clients.js'
import { writeHistory, type FaultOutcome, type Outcome, type Plan } from './history.js'
import { digestOf, judge, type Case, type Digest } from './invariants.js'
import { makeMaterial, type Piece } from './material.js'
import { playFaults } from './play.js'
import { hurry, readStores, underWay } from './stores.js'
import { Fleet, World } from './world.js'

/** How a plan is run. */
export interface RunOptions {
  plan: Plan
  /** Where the history is kept. */
  file: string
  say: (line: string) => void
  /** Runs the plan undisturbed first, for comparing. Default true. */
  compare?: boolean
  /** Leaves the home with every log where it is. */
  keep?: boolean
  /** A run in which nothing has changed for so long is taken for settled, ms. Default a minute. */
  stillMs?: number
  /** Runs on this world, which stays, instead of one of its own. */
  world?: World
}

/** What a run came to. */
export interface Report {
  /** By invariant: what violates it. */
  violations: Record<string, string[]>
  outcomes: Outcome[]
  faults: FaultOutcome[]
}

/**
 * After the last fault clients get so long for what is still open, ms: on a slow machine the calls of two hundred items at once take some minutes,
 * and a call that only one of two runs made is no difference that says anything.
 */
const afterwardsMs = 900_000
const settleMs = 900_000

/** Runs a plan, undisturbed and then with its faults, and judges what the stores hold. */
export async function runPlan(options: RunOptions): Promise<Report> {
  const { plan, file, say, compare = true, keep = false, stillMs = 60_000 } = options
  const home = options.world?.home ?? mkdtempSync(path.join(tmpdir(), 'keepsake-faults-'))
  writeHistory(file, { plan })
  const began = performance.now()
  const tell = (line: string) => say(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`)
  let world = options.world
  try {
    tell(`${plan.items} items, ${plan.actions.length} calls, ${plan.faults.length} faults; everything lies in ${home}`)
    const material = await makeMaterial(path.join(home, 'material', String(plan.items)), plan.items)
    world ??= await World.start({ home, items: plan.items, say: tell })
    tell('three brokers, MinIO and Postgres run')
    const run = world.nextRun()
    let undisturbed: Digest | undefined
    if (compare) {
      const calm = { ...plan, faults: [], actions: plan.actions.map(action => ({ ...action, atMs: 0 })) }
      undisturbed = (await runOnce(world, `calm${run}`, calm, material, tell, stillMs)).digest
    }
    const testEvents = [
      ...(plan.disturbDeliveries ? [`disturb=${plan.seed}`] : []),
      ...(plan.plant ? [plan.plant] : []),
    ].join(',')
    const stormy = await runOnce(world, `storm${run}`, plan, material, tell, stillMs, testEvents)
    const violations = judge({ ...stormy, ...(undisturbed ? { undisturbed } : {}) })
    writeHistory(file, { plan, outcomes: stormy.outcomes, faults: stormy.faults, violations })
    tell('judged')
    return { violations, outcomes: stormy.outcomes, faults: stormy.faults }
  } finally {
    if (options.world === undefined) {
      await world?.close()
      if (!keep) rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

async function runOnce(
  world: World,
  name: string,
  plan: Plan,
  material: readonly [Piece[], Piece[]],
  tell: (line: string) => void,
  stillMs: number,
  testEvents?: string,
): Promise<Case & { outcomes: Outcome[]; faults: FaultOutcome[] }> {
  const fleet = await Fleet.start(world, { name, ...(testEvents ? { testEvents } : {}) })
  try {
    tell(`${name}: every service is ready`)
    const homes = material.map((pieces, i) => new Household(i, fleet.gateways, pieces))
    for (const home of homes) await home.begin()
    const families = homes.map(home => home.familyId)
    const outcomes: Outcome[] = []
    const faults: FaultOutcome[] = []
    const poison = new Set<string>()
    const began = Date.now()
    let end = Infinity
    const clients = homes.map(home =>
      home.act(
        plan.actions.filter(action => action.family === home.index),
        began,
        () => end,
        outcome => outcomes.push(outcome),
      ),
    )
    const trouble = playFaults(fleet, plan.faults, began, families, (outcome, planted) => {
      faults.push(outcome)
      if (planted) poison.add(planted)
      const fault = plan.faults[outcome.fault]
      const what = fault && Object.entries(fault).filter(([key]) => !['atMs', 'forMs'].includes(key))
      const note = outcome.note === undefined ? '' : `: ${outcome.note}`
      tell(
        `${name}: ${what?.map(([, value]) => value).join(' ')} from ${seconds(outcome.beganMs)} to ${seconds(outcome.endedMs)}${note}`,
      )
    })
    await trouble
    await fleet.calm()
    tell(`${name}: everything is well again`)
    end = Math.max(Date.now(), began + plan.windowMs) + afterwardsMs
    await Promise.all(clients)
    const refused = outcomes.filter(outcome => !outcome.acknowledged).length
    tell(`${name}: ${outcomes.length} calls ended${refused === 0 ? '' : `, ${refused} without an acknowledgement`}`)
    await settle(fleet, tell, name, stillMs)

    const selections: string[][] = []
    for (const home of homes)
      selections.push(
        (
          JSON.parse(
            (
              await home.must('POST', `${home.base}/selections`, {
                purpose: 'prints',
                count: 25,
                period: { from: '1900-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' },
                lock: [],
                ban: [],
              })
            ).text,
          ) as { items: { mediaId: string }[] }
        ).items.map(item => item.mediaId),
      )
    const seenOfOthers = await peep(homes)
    const stores = await readStores(fleet)
    const crashes = fleet.processes.filter(each => each.crashes > 0).map(each => `${each.name} ${each.crashes} times`)
    if (crashes.length > 0) tell(`${name}: ended by themselves: ${crashes.join(', ')}`)
    tell(`${name}: ${stores.media.length} items, ${stores.objects.length} objects, ${stores.outbox.length} events read`)
    return {
      plan,
      outcomes,
      faults,
      families,
      material,
      stores,
      poison,
      seenOfOthers,
      digest: digestOf(stores, families, selections),
    }
  } finally {
    await fleet.close()
  }
}

/** Waits until nothing is under way, or until nothing has moved for a minute. */
async function settle(fleet: Fleet, tell: (line: string) => void, name: string, stillMs: number): Promise<void> {
  const end = Date.now() + settleMs
  let before = ''
  let moved = Date.now()
  let told = Date.now()
  let calm = 0
  for (;;) {
    await hurry(fleet)
    const now = await underWay(fleet)
    const open = Object.entries(now.open).filter(([, count]) => count > 0)
    const text = open.map(([what, count]) => `${count} ${what}`).join(', ')
    calm = open.length === 0 ? calm + 1 : 0
    // Twice: between two stages nothing is under way either.
    if (calm >= 3) return tell(`${name}: settled`)
    if (now.sign !== before) {
      before = now.sign
      moved = Date.now()
    }
    if (Date.now() - told > 20_000) {
      tell(`${name}: still ${text || 'a moment'}`)
      told = Date.now()
    }
    if (Date.now() - moved > stillMs || Date.now() > end) return tell(`${name}: nothing moves any more: ${text}`)
    await sleep(700)
  }
}

/** What each family is shown of the other's: it must be nothing. */
async function peep(homes: readonly Household[]): Promise<string[]> {
  const seen: string[] = []
  for (const [i, home] of homes.entries()) {
    const other = homes[1 - i]
    const item = other && [...other.items.values()][0]
    if (!other || item === undefined) continue
    for (const path of [`${other.base}/media/${item}`, `${home.base}/media/${item}`, `${other.base}/people`]) {
      const { status } = await home.ask(0, 'GET', path)
      if (status !== 404) seen.push(`family ${i} asked for ${path} and was answered ${status}`)
    }
  }
  return seen
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
