import { beNice } from '@keepsake/config/niceness'
import { parentPort, workerData } from 'node:worker_threads'
import { SessionHost } from './session-host.js'
import type { RunMessage, StopMessage, WorkerStart } from './session-messages.js'

/*
 * The body of an inference thread: a thread of its own, because onnxruntime-node's run() blocks the thread that calls it
 * (512 rows stopped the main thread's timers for 624 ms). A stop message ends it.
 */

const port = parentPort
if (!port) throw new Error('session-worker is not a program: start it as a worker thread')

// People who wait and photos to be decoded come first: what models say can come later. On Linux this is the thread's own, elsewhere the process's.
if (process.platform === 'linux') beNice(10)

const host = await SessionHost.open(workerData as WorkerStart)

port.on('message', (message: RunMessage | StopMessage) => {
  if ('stop' in message) return void host.stop().finally(() => port.close())
  void host.run(message).then(result => {
    const buffers = 'outputs' in result ? Object.values(result.outputs).map(output => output.buffer as ArrayBuffer) : []
    port.postMessage(result, buffers)
  })
})
