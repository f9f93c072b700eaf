import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { until } from '@keepsake/testing/until'
import type { ProcessName } from './history.js'

/** Waits so long before it starts a process again that ended by itself, ms. */
const againAfterMs = 300

/** One service in a process of its own: killed, held still, started again; one that ends by itself is started again. */
export class ServiceProcess {
  private child: ChildProcess | undefined
  private wanted = false
  private extra: Record<string, string> = {}
  /** How often it ended without being told to. */
  crashes = 0

  /** @param internal where its health is asked for: host:port */
  constructor(
    readonly name: ProcessName,
    private readonly env: Record<string, string>,
    private readonly internal: string,
    readonly log: string,
  ) {}

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null
  }

  /** @param extra more environment for this life: a moved clock */
  start(extra: Record<string, string> = {}): void {
    this.wanted = true
    if (this.running) return
    this.extra = extra
    const service = this.name.replace(/-\d+$/, '')
    const main = fileURLToPath(new URL(`../../../services/${service}/dist/main.js`, import.meta.url))
    const preload = import.meta.resolve('@keepsake/local/leave-with-parent')
    const log = openSync(this.log, 'a')
    const child = spawn(process.execPath, ['--import', preload, main], {
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...this.env, ...extra },
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    })
    closeSync(log)
    this.child = child
    child.on('error', () => undefined)
    child.once('exit', () => {
      if (!this.wanted || this.child !== child) return
      this.crashes++
      setTimeout(() => {
        if (this.wanted && this.child === child) this.start(this.extra)
      }, againAfterMs).unref()
    })
  }

  /** Waits until it says that it is ready. */
  async ready(deadlineMs = 90_000): Promise<void> {
    const answers = async () =>
      (await fetch(`http://${this.internal}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok
    await until(answers, { deadlineMs, everyMs: 100, what: `the ${this.name} process (see ${this.log})` })
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  /** Asks it to end and waits until it has. */
  async stop(): Promise<void> {
    const late = setTimeout(() => this.child?.kill('SIGKILL'), 20_000)
    await this.end('SIGTERM')
    clearTimeout(late)
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.running) this.child?.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    if (this.running) this.child?.kill('SIGCONT')
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    this.wanted = false
    const child = this.child
    if (!child || !this.running) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill(signal)
    await gone
  }
}
