import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { ResultMessage, RunMessage, StartMessage, StopMessage, WorkerStart } from './session-messages.js'

/** A worker that was started, as its pool sees it. */
export interface SessionLink {
  /** The pixels are taken over. */
  send(message: RunMessage): void
  /** Whether this process stays for it: while it works, and not when only it is left. */
  keepAlive(working: boolean): void
  /** Ends it in order, by force where it takes longer than five seconds. Resolves when it is gone. */
  stop(): Promise<void>
}

/** What a worker tells its pool. */
export interface SessionEvents {
  onResult(result: ResultMessage): void
  /** It is gone: by `stop`, or by itself with a sentence about why. */
  onEnd(why: Error): void
}

/** Starts a worker. */
export type StartSession = (start: WorkerStart, name: string, events: SessionEvents) => SessionLink

/** How long a worker may take to free its sessions and send its last spans before it is ended by force. */
const STOP_GRACE_MS = 5_000

/** A worker thread of this process: for the CPU. */
export const startThread: StartSession = (start, name, { onResult, onEnd }) => {
  // onnxruntime 1.30 tells its maker of every session, over the network, unless the environment of the process says no before it is
  // loaded. A worker cannot say so: its `process.env` is a copy, and native code reads the process's.
  process.env['ORT_DISABLE_TELEMETRY'] = '1'
  const worker = new Worker(new URL('./session-worker.js', import.meta.url), { workerData: start, name })
  const exited = new Promise(resolve => worker.once('exit', resolve))
  worker.unref()
  worker.on('message', onResult)
  worker.on('error', onEnd)
  worker.on('exit', code => onEnd(new Error(`the worker ended with code ${code}`)))
  return {
    send: message => worker.postMessage(message, [message.pixels.buffer as ArrayBuffer]),
    keepAlive: working => (working ? worker.ref() : worker.unref()),
    stop: async () => {
      const force = setTimeout(() => void worker.terminate(), STOP_GRACE_MS)
      const message: StopMessage = { stop: true }
      worker.ref()
      worker.postMessage(message)
      await exited
      clearTimeout(force)
    },
  }
}

/** Of what a process says to its standard error, the last so many characters are kept: drivers say there why they died. */
const LAST_WORDS = 2_000

/** A process of its own: for a GPU. `module` is `session-process.js`, or what a test puts before it. */
export function startProcessOf(module: URL): StartSession {
  return (start, name, { onResult, onEnd }) => {
    const child = fork(module, [name], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
      // TF32 keeps 10 of 23 bits: embeddings made on a GPU are compared with those made on a CPU.
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', NVIDIA_TF32_OVERRIDE: '0' },
    })
    let lastWords = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (lastWords = (lastWords + text).slice(-LAST_WORDS)))
    const exited = new Promise(resolve => child.once('exit', resolve))
    const stderr = child.stderr as Socket | null
    const keepAlive = (working: boolean) => {
      for (const handle of [child, child.channel, stderr])
        if (working) handle?.ref()
        else handle?.unref()
    }
    keepAlive(false)
    child.on('message', message => onResult(message as ResultMessage))
    child.on('error', onEnd)
    child.on('exit', (code, signal) => {
      const last = lastWords.trim().split('\n').at(-1) ?? ''
      onEnd(
        new Error(
          `the process of the models ended ${signal ? `by ${signal}` : `with code ${code}`}${last && `: ${last}`}`,
        ),
      )
    })
    // What cannot be sent any more is told by `exit`.
    const send = (message: StartMessage | RunMessage | StopMessage) => void child.send(message, () => undefined)
    send({ start })
    return {
      send,
      keepAlive,
      stop: async () => {
        const force = setTimeout(() => void child.kill('SIGKILL'), STOP_GRACE_MS)
        keepAlive(true)
        send({ stop: true })
        await exited
        clearTimeout(force)
      },
    }
  }
}

/** A process of its own with nothing before it. */
export const startProcess = startProcessOf(new URL('./session-process.js', import.meta.url))
