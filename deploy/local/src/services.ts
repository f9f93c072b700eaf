import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { RunningService } from '@keepsake/rpc'
import { Sentence } from './sentence.js'

/** The services of an album, in the order in which their schemas are made. */
export const serviceNames = ['family', 'ingest', 'album', 'face', 'cluster', 'rating', 'render', 'gateway'] as const

/** One of them. */
export type ServiceName = (typeof serviceNames)[number]

/** Those that own a schema. */
export const schemaNames = serviceNames.filter(name => name !== 'gateway')

type Env = Readonly<Record<string, string | undefined>>

/** One process of a service. */
export interface ProcessState {
  address: string
  internalUrl: string
  pid: number
  restarts: number
  /** host:port for people; a gateway's. */
  http?: string
}

/** All services of the album while they run. */
export interface Fleet {
  /** For run.json: how each process is reached; further ones of a service are called face-2, face-3. */
  state(): Record<string, ProcessState>
  /** Adds or removes processes of a service; one that goes drains first. Only where services have processes of their own. */
  scale(name: ServiceName, count: number): Promise<void>
  /** Drains and stops them. Safe to call twice. */
  close(): Promise<void>
}

/** The folder of a service in the repository. */
export const serviceFolder = (name: ServiceName): string =>
  fileURLToPath(new URL(`../../../services/${name}`, import.meta.url))

/** Starts every service in this process. */
export async function startInProcess(environments: Record<ServiceName, Env>): Promise<Fleet> {
  const started = await Promise.allSettled(
    serviceNames.map(async name => {
      const exported = (await import(`@keepsake/${name}`)) as Record<string, (env: Env) => Promise<RunningService>>
      const start = exported[`start${name[0]?.toUpperCase()}${name.slice(1)}`]
      if (!start) throw new Error(`services/${name} exports no start function`)
      return start(environments[name])
    }),
  )
  const running = started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  let closing: Promise<void> | undefined
  // The gateway first: nobody new comes in while the others finish what they are at.
  const close = () =>
    (closing ??= (async () => {
      await running.find(service => service.name === 'gateway')?.close()
      await Promise.allSettled(running.map(service => service.close()))
    })())
  const failed = started.find(each => each.status === 'rejected')
  if (failed) {
    await close()
    throw failed.reason
  }
  return {
    state: () =>
      Object.fromEntries(
        running.map(({ name, address, internalUrl }) => [
          name,
          { address, internalUrl, pid: process.pid, restarts: 0 },
        ]),
      ),
    scale: () => Promise.reject(new Sentence('All services run in one process: start with --processes or --stack.')),
    close,
  }
}

/** Waits this long before starting a crashed service again: 0.1 s at first, doubled while it keeps crashing, in ms. */
export const restartDelayMs = (crashesInARow: number): number =>
  Math.min(10_000, 100 * 2 ** Math.max(0, crashesInARow - 1))

// A process that lived so long was not crashing in a row.
const stableAfterMs = 10_000
const readyWithinMs = 60_000
const stopWithinMs = 20_000

/** What `startProcesses` is told. */
export interface FleetPlan {
  /** Processes of a service. Default 1 each. */
  replicas?: Partial<Record<ServiceName, number>>
  /** The environment of one more process of a service; `number` counts from 1. */
  environmentOf: (name: ServiceName, number: number) => Env | Promise<Env>
  /** Folder of the logs. */
  logs: string
  /** Called whenever a process began or ended. */
  changed: () => void
  /** Called with the gRPC addresses of a service whenever these are others. */
  addressed?: (name: ServiceName, addresses: readonly string[]) => void
  mainOf?: (name: ServiceName) => string
}

/**
 * Starts every service in processes of its own and keeps them running: one that ends by itself is started again.
 * Resolves when all are ready.
 */
export async function startProcesses(plan: FleetPlan): Promise<Fleet> {
  const mainOf = plan.mainOf ?? (name => path.join(serviceFolder(name), 'dist', 'main.js'))
  const processes = new Map<ServiceName, Supervised[]>(serviceNames.map(name => [name, []]))
  const of = (name: ServiceName) => processes.get(name) ?? []
  const all = () => [...processes.values()].flat()
  const addressed = (name: ServiceName) =>
    plan.addressed?.(
      name,
      of(name).map(each => each.state().address),
    )
  const add = async (name: ServiceName) => {
    const number = of(name).length + 1
    const env = await plan.environmentOf(name, number)
    const child = new Supervised(number === 1 ? name : `${name}-${number}`, mainOf(name), env, plan.logs, plan.changed)
    of(name).push(child)
    return child
  }
  const scale = async (name: ServiceName, count: number) => {
    while (of(name).length < count) {
      const child = await add(name)
      try {
        child.start()
        await child.ready()
      } catch (error) {
        of(name).pop()
        await child.stop()
        throw error
      }
      addressed(name) // nobody is sent to a process that is not ready
    }
    while (of(name).length > Math.max(1, count)) {
      const child = of(name).pop()
      addressed(name)
      await child?.stop()
    }
    plan.changed()
  }
  let turn: Promise<unknown> = Promise.resolve()
  let closing = false
  const fleet: Fleet = {
    state: () => Object.fromEntries(all().map(child => [child.name, child.state()])),
    scale: (name, count) => {
      const mine = turn.then(() => (closing ? undefined : scale(name, count)))
      turn = mine.catch(() => undefined)
      return mine
    },
    close: async () => {
      closing = true
      await turn
      await Promise.all(of('gateway').map(child => child.stop()))
      await Promise.all(all().map(child => child.stop()))
    },
  }
  try {
    for (const name of serviceNames) for (let count = plan.replicas?.[name] ?? 1; count > 0; count--) await add(name)
    for (const name of serviceNames) addressed(name)
    for (const child of all()) child.start()
    await Promise.all(all().map(child => child.ready()))
    return fleet
  } catch (error) {
    await fleet.close()
    throw error
  }
}

class Supervised {
  private child: ChildProcess | undefined
  private restarts = 0
  private crashesInARow = 0
  private stopping = false

  constructor(
    readonly name: string,
    private readonly main: string,
    private readonly env: Env,
    private readonly logs: string,
    private readonly changed: () => void,
  ) {}

  state(): ProcessState {
    const http = this.env['KEEPSAKE_HTTP_LISTEN']
    return {
      address: this.env['KEEPSAKE_GRPC_LISTEN'] ?? '',
      internalUrl: `http://${this.env['KEEPSAKE_INTERNAL_LISTEN'] ?? ''}`,
      pid: this.child?.pid ?? 0,
      restarts: this.restarts,
      ...(http !== undefined && { http }),
    }
  }

  start(): void {
    if (!existsSync(this.main)) throw new Error(`${this.main} is missing`)
    const file = path.join(this.logs, `${this.name}.log`)
    const log = openSync(file, 'a') // for what is said before and after the service's own log, such as a crash
    // The preloaded file ends the process when ours is gone: its port and its database connections must not stay taken.
    const preload = new URL('./leave-with-parent.js', import.meta.url).href
    const began = Date.now()
    const child = spawn(process.execPath, ['--import', preload, this.main], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        TZ: process.env['TZ'],
        KEEPSAKE_LOG_FILE: file,
        ...this.env,
      },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true, // Ctrl-C is ours to handle: first the gateway, then the rest
    })
    this.child = child
    child.once('exit', () => {
      if (this.stopping || this.child !== child) return
      this.crashesInARow = Date.now() - began > stableAfterMs ? 1 : this.crashesInARow + 1
      this.restarts++
      setTimeout(() => {
        if (!this.stopping) this.start()
      }, restartDelayMs(this.crashesInARow))
      this.changed()
    })
    this.changed()
  }

  async ready(): Promise<void> {
    const deadline = Date.now() + readyWithinMs
    for (;;) {
      const answer = await fetch(`${this.state().internalUrl}/readyz`, { signal: AbortSignal.timeout(1000) }).catch(
        () => undefined,
      )
      if (answer?.ok) return
      if (this.crashesInARow >= 5 || Date.now() > deadline)
        throw new Sentence(`The ${this.name} service does not start: see ${path.join(this.logs, `${this.name}.log`)}.`)
      await sleep(50)
    }
  }

  async stop(): Promise<void> {
    this.stopping = true
    const child = this.child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    const forced = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
    await gone
    clearTimeout(forced)
  }
}
