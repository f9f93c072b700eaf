import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beganAt, below, ended, isRunning, signal, type Identity } from './processes.js'
import { Sentence } from './sentence.js'
import type { StackPart } from './stack-file.js'

/** A program as the operating system starts it. */
export interface Program {
  command: string
  args: string[]
  env: Record<string, string>
  cwd: string
  uid?: number
  gid?: number
}

/** What is particular to one server of the stack. */
export interface Recipe {
  /** As the state file and the command line name it. */
  name: string
  port: number
  /** Its data folder, absolute. */
  data: string
  /** Its log file, absolute; appended to. */
  log: string
  program: Program
  /** Whether it answers; what it throws counts as not yet. */
  ready(): Promise<boolean>
  /** How long it may take until it answers: it may have to recover. */
  startDeadlineMs: number
  /** How it is asked to end, and how long it gets before it is killed. */
  stopSignal: NodeJS.Signals
  stopDeadlineMs: number
  /** More environment for the next starts, e.g. LD_PRELOAD of a shifted clock. */
  extraEnv?: Record<string, string>
}

/**
 * One server of the stack: started, ended, killed, held still and started again on the same port and data.
 * A small guard kills it when the process that started it ends, however that ends, until it is released.
 */
export class Part {
  private process: Identity | undefined
  private guard: ChildProcess | undefined
  private tied = true

  constructor(private readonly recipe: Recipe) {}

  get name(): string {
    return this.recipe.name
  }

  get port(): number {
    return this.recipe.port
  }

  /** Where it keeps its data. */
  get data(): string {
    return this.recipe.data
  }

  get log(): string {
    return this.recipe.log
  }

  /** Of the running process. @throws where it does not run */
  get pid(): number {
    if (!this.process) throw new Error(`${this.name} does not run`)
    return this.process.pid
  }

  get running(): boolean {
    return this.process !== undefined && isRunning(this.process)
  }

  /** For the state file. @throws where it does not run */
  record(): StackPart {
    const { name, port, data, log } = this.recipe
    if (!this.process) throw new Error(`${name} does not run`)
    return { name, ...this.process, port, data, log }
  }

  /**
   * Starts it and waits until it answers. Nothing happens where it runs already.
   * @param extraEnv more environment for this and later starts (a shifted clock)
   * @throws a Sentence with the last words of its log where it ends or does not answer in time
   */
  async start(extraEnv: Record<string, string> = {}): Promise<void> {
    if (this.running) return
    Object.assign((this.recipe.extraEnv ??= {}), extraEnv)
    const { program, log, name } = this.recipe
    mkdirSync(path.dirname(log), { recursive: true })
    const said = statSync(log, { throwIfNoEntry: false })?.size ?? 0
    const output = openSync(log, 'a', 0o600)
    const child = spawn(program.command, program.args, {
      cwd: program.cwd,
      env: { ...program.env, ...this.recipe.extraEnv },
      ...(program.uid === undefined ? {} : { uid: program.uid }),
      ...(program.gid === undefined ? {} : { gid: program.gid }),
      stdio: ['ignore', output, output],
      detached: true, // Ctrl-C in the terminal is for us; we end it when nobody needs it
    })
    const failed = new Promise<never>((_, reject) =>
      child.once('error', error => reject(new Sentence(`${name} could not be started: ${error.message}`))),
    )
    closeSync(output)
    child.unref()
    const { pid } = child
    if (pid === undefined) return failed
    failed.catch(() => undefined)
    const began = beganAt(pid)
    if (began === undefined) throw new Sentence(`${name} ended at once (see ${log}): ${lastWords(log, said)}`)
    this.process = { pid, began }
    if (this.tied) this.guard = guard(this.process)
    try {
      await this.answering(said)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Asks it to end in order, and kills it where it does not in time. Answers whether it ended by itself. */
  async stop(): Promise<boolean> {
    const { process } = this
    if (!process || !isRunning(process)) return this.forget(true)
    signal(process, 'SIGCONT') // one that is held still could not hear
    signal(process, this.recipe.stopSignal)
    if (await ended(process, this.recipe.stopDeadlineMs)) return this.forget(true)
    await this.kill()
    return false
  }

  /** kill -9, its children too; returns when they are gone. */
  async kill(): Promise<void> {
    const all = this.all()
    for (const each of all) signal(each, 'SIGKILL')
    for (const each of all) await ended(each, 10_000)
    this.forget(false)
  }

  /** From now on it outlives the process that started it. */
  release(): void {
    this.tied = false
    this.guard?.stdin?.end('done\n')
    this.guard = undefined
  }

  /** SIGSTOP: it holds still with all its connections open. */
  pause(): void {
    for (const each of this.all()) signal(each, 'SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    for (const each of this.all()) signal(each, 'SIGCONT')
  }

  /** Itself before its children: while it is held still it makes no more of them. */
  private all(): Identity[] {
    return this.process ? [this.process, ...below(this.process.pid)] : []
  }

  private forget(result: boolean): boolean {
    this.guard?.stdin?.end('done\n')
    this.guard = undefined
    this.process = undefined
    return result
  }

  private async answering(said: number): Promise<void> {
    const { name, log, startDeadlineMs } = this.recipe
    const deadline = Date.now() + startDeadlineMs
    for (;;) {
      if (!this.running) throw new Sentence(`${name} ended while it started (see ${log}): ${lastWords(log, said)}`)
      if (await this.recipe.ready().catch(() => false)) return
      if (Date.now() > deadline)
        throw new Sentence(
          `${name} did not answer within ${startDeadlineMs / 1000} s (see ${log}): ${lastWords(log, said)}`,
        )
      await sleep(50)
    }
  }
}

/** A shell that waits for the end of our pipe to it: a word means that all is well, its end that we are gone, and then it kills. */
function guard({ pid, began }: Identity): ChildProcess {
  const same = process.platform === 'linux' ? '[ "$(sed "s/.*) //" /proc/$0/stat | cut -d" " -f20)" = "$1" ] && ' : ''
  const child = spawn('/bin/sh', ['-c', `read -r word && exit 0; ${same}kill -KILL "$0"`, String(pid), began], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  child.stdin.on('error', () => undefined)
  ;(child.stdin as unknown as { unref?: () => void }).unref?.()
  return child
}

/** The last lines that a log got since it had `from` bytes. */
function lastWords(log: string, from: number): string {
  try {
    return readFileSync(log).subarray(from).toString('utf8').trim().split('\n').slice(-5).join('\n')
  } catch {
    return ''
  }
}
