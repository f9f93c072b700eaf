import { familyShare } from '@keepsake/db'

/** A piece of work that keeps its order within its lane. */
export interface Task {
  /** Work of one lane runs one after another. */
  readonly lane: string
  /** Whose turn it takes: families take turns, so one family's import does not hold up another's photo. */
  readonly family: string
  /** Which limit it counts against. */
  readonly pool: string
  run(): Promise<void>
}

interface Lane {
  readonly id: string
  readonly family: string
  readonly pool: Pool
  readonly tasks: Task[]
  running: boolean
  /** Whether it stands in its pool's queue. */
  queued: boolean
}

interface Pool {
  readonly limit: number
  running: number
  /** Tasks running now, by family. */
  readonly runningOf: Map<string, number>
  /** Lanes that could run, by family; the map's order is whose turn it is. */
  readonly ready: Map<string, Lane[]>
}

/**
 * Runs tasks side by side, in order within a lane, in turns between families, never more at a time than the pool's limit, and of one family no more than its
 * share of it: handlers that wait for something of their family do not keep others from beginning. A task must not reject: it settles its own failures.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #pools = new Map<string, Pool>()
  readonly #idle: (() => void)[] = []
  #running = 0
  #stopped = false

  constructor(limits: Readonly<Record<string, number>>) {
    for (const [name, limit] of Object.entries(limits))
      this.#pools.set(name, { limit, running: 0, runningOf: new Map(), ready: new Map() })
  }

  /** Tasks running now. */
  get running(): number {
    return this.#running
  }

  add(task: Task): void {
    if (this.#stopped) return
    const pool = this.#pools.get(task.pool)
    if (pool === undefined) throw new Error(`no pool ${task.pool}`)
    let lane = this.#lanes.get(task.lane)
    if (lane === undefined) {
      lane = { id: task.lane, family: task.family, pool, tasks: [], running: false, queued: false }
      this.#lanes.set(task.lane, lane)
    }
    lane.tasks.push(task)
    if (!lane.running) this.#offer(lane)
    this.#pump(pool)
  }

  /** Forgets tasks that have not begun. */
  drop(which: (task: Task) => boolean): void {
    for (const lane of this.#lanes.values()) {
      const kept = lane.tasks.filter(task => !which(task))
      lane.tasks.length = 0
      lane.tasks.push(...kept)
    }
  }

  /** Begins nothing more. */
  stop(): void {
    this.#stopped = true
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    if (this.#running > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #offer(lane: Lane): void {
    if (lane.queued) return
    lane.queued = true
    const lanes = lane.pool.ready.get(lane.family)
    if (lanes === undefined) lane.pool.ready.set(lane.family, [lane])
    else lanes.push(lane)
  }

  #take(pool: Pool): { lane: Lane; task: Task } | undefined {
    const most = familyShare(pool.limit)
    for (const [family, lanes] of pool.ready) {
      if ((pool.runningOf.get(family) ?? 0) >= most) continue
      // The family goes to the end of the queue, whether it has more or not.
      pool.ready.delete(family)
      for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
        lane.queued = false
        const task = lane.tasks.shift()
        if (task === undefined) {
          this.#lanes.delete(lane.id) // its tasks were dropped
          continue
        }
        if (lanes.length > 0) pool.ready.set(family, lanes)
        return { lane, task }
      }
    }
    return undefined
  }

  #pump(pool: Pool): void {
    while (!this.#stopped && pool.running < pool.limit) {
      const next = this.#take(pool)
      if (next === undefined) return
      const { lane, task } = next
      lane.running = true
      pool.running++
      count(pool.runningOf, lane.family, 1)
      this.#running++
      void task.run().finally(() => {
        lane.running = false
        pool.running--
        count(pool.runningOf, lane.family, -1)
        this.#running--
        if (lane.tasks.length > 0) this.#offer(lane)
        else this.#lanes.delete(lane.id)
        this.#pump(pool)
        if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
      })
    }
  }
}

function count(of: Map<string, number>, family: string, change: 1 | -1): void {
  const now = (of.get(family) ?? 0) + change
  if (now > 0) of.set(family, now)
  else of.delete(family)
}
