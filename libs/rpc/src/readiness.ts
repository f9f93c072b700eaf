import type { logger } from '@keepsake/telemetry'

/**
 * What must hold before a service may be called, by the name that an operator reads: database, migrations, events, objects, models. Each rejects with a sentence
 * while it does not hold. Never another service: one that is ill would take all others with it.
 */
export type ReadinessChecks = Readonly<Record<string, () => Promise<void>>>

/** One check may take so long, in milliseconds: Postgres answers a ping in one. */
const checkMs = 2_000
/** An answer is kept so long, in milliseconds: probes of several systems must cost no more than one. A "no" is soon looked at again. */
const keptMs = { ready: 1_000, not: 100 }
/** Health is looked at so often without being asked, in milliseconds. */
const watchMs = { ready: 5_000, not: 250 }

/**
 * A start may take so long, in milliseconds, before what does not hold is worth a warning: on two busy cores with every service in one process the last of
 * them, whose models run once, is ready after 20 s.
 */
const startMs = 60_000

/**
 * Whether a service may be called, for /readyz and gRPC health; every change is written to the log with what does not hold, as a warning
 * where it held before or should hold by now.
 */
export class Readiness {
  readonly #checks: readonly (readonly [string, () => Promise<void>])[]
  readonly #log: ReturnType<typeof logger>
  readonly #changed: (ready: boolean) => void
  #last: { at: number; problems: readonly string[] } | undefined
  #asking: Promise<readonly string[]> | undefined
  #said: string | undefined
  #warned: string | undefined
  #held = false
  readonly #since = Date.now()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param changed called whenever the answer is another; before the first look it is no */
  constructor(
    checks: ReadinessChecks,
    options: { log: ReturnType<typeof logger>; changed?: (ready: boolean) => void },
  ) {
    this.#checks = Object.entries(checks)
    this.#log = options.log
    this.#changed = options.changed ?? (() => undefined)
  }

  /** Looks now, and from now on now and then. */
  watch(): void {
    void this.problems().then(problems => {
      if (this.#stopped) return
      this.#timer = setTimeout(() => this.watch(), problems.length === 0 ? watchMs.ready : watchMs.not).unref()
    })
  }

  /** What does not hold, `name: sentence` each; nothing where the service may be called. */
  async problems(): Promise<readonly string[]> {
    if (this.#stopped) return ['stopping']
    const last = this.#last
    if (last !== undefined && Date.now() - last.at < (last.problems.length === 0 ? keptMs.ready : keptMs.not))
      return last.problems
    this.#asking ??= this.#look().finally(() => (this.#asking = undefined))
    const problems = await this.#asking
    return this.#stopped ? ['stopping'] : problems
  }

  /** From now on the service is stopping, whatever the checks say. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<readonly string[]> {
    const found = await Promise.all(this.#checks.map(([name, check]) => problemOf(name, check)))
    const problems = found.filter(problem => problem !== undefined)
    this.#last = { at: Date.now(), problems }
    if (!this.#stopped) this.#tell(problems)
    return problems
  }

  /** Says it once, however often it is asked. */
  #tell(problems: readonly string[]): void {
    const names = problems.map(problem => problem.slice(0, problem.indexOf(':'))).join()
    this.#warn(names, problems)
    if (names === this.#said) return
    if (names === '' && this.#said !== undefined) this.#log.info('ready')
    if ((this.#said === '') !== (names === '')) this.#changed(names === '')
    this.#said = names
    this.#held ||= names === ''
  }

  #warn(names: string, problems: readonly string[]): void {
    const expected = !this.#held && Date.now() - this.#since < startMs
    if (expected || names === this.#warned) return
    if (names !== '') this.#log.warn({ problems }, 'not ready')
    this.#warned = names
  }
}

async function problemOf(name: string, check: () => Promise<void>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${checkMs} ms`)), checkMs)
  })
  try {
    await Promise.race([check(), late])
    return undefined
  } catch (error) {
    return `${name}: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    clearTimeout(timer)
  }
}

/**
 * A check of what must have worked once since the start (a store reached, models run) and says nothing afterwards. The attempt runs beside the probes; a probe waits
 * half a second for it at most, and after a failure the next one begins it anew.
 */
export function workedOnce(attempt: () => Promise<unknown>): () => Promise<void> {
  const waitMs = 500
  let running: Promise<string | undefined> | undefined
  let worked = false
  let problem: string | undefined
  const run = async (): Promise<string | undefined> => {
    try {
      await attempt()
      worked = true
      return undefined
    } catch (error) {
      return (problem = error instanceof Error ? error.message : String(error))
    } finally {
      running = undefined
    }
  }
  return async () => {
    if (worked) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<string>(resolve => {
      timer = setTimeout(() => resolve(problem ?? 'not yet'), waitMs)
    })
    const said = await Promise.race([(running ??= run()), late])
    clearTimeout(timer)
    if (said !== undefined) throw new Error(said)
  }
}
