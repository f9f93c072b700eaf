import { beNice } from '@keepsake/config/niceness'
import { parentPort, workerData } from 'node:worker_threads'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { giveBack } from './give-back.js'
import type { ResultMessage, RunMessage, StopMessage, WorkerStart } from './session-messages.js'

/*
 * The body of an inference worker: a thread of its own, because onnxruntime-node's run() blocks the thread that calls it
 * (512 rows stopped the main thread's timers for 624 ms). Sessions open on first use; a stop message ends it.
 */

/** One thread per session, and no spinning: spinning threads made two workers slower than one (models.md section 5). */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionProviders: ['cpu'],
  // Fatal only: every error also rejects the run and is told to the caller.
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
}

interface Tracing {
  around(traces: Record<string, string>[], model: string, run: () => Promise<ResultMessage>): Promise<ResultMessage>
  /** Sends what has not been sent. */
  shutdown(): Promise<void>
}
const NO_TRACING: Tracing = { around: (_traces, _model, run) => run(), shutdown: () => Promise.resolve() }

const { models, telemetry } = workerData as WorkerStart
const sessions = new Map<string, InferenceSession>()
const port = parentPort
if (!port) throw new Error('session-worker is not a program: start it as a worker thread')

// People who wait and photos to be decoded come first: what models say can come later. On Linux this is the thread's own, elsewhere the process's.
if (process.platform === 'linux') beNice(10)

const tracing = telemetry ? await exportingTraces(telemetry) : NO_TRACING

port.on('message', (message: RunMessage | StopMessage) => {
  if ('stop' in message) return void stop().finally(() => port.close())
  void tracing
    .around(message.traces, message.model, () => runBatch(message))
    .then(result => {
      const buffers =
        'outputs' in result ? Object.values(result.outputs).map(output => output.buffer as ArrayBuffer) : []
      port.postMessage(result, buffers)
    })
})

async function runBatch({ batch, model, rows, pixels }: RunMessage): Promise<ResultMessage> {
  let session: InferenceSession
  try {
    session = await openSession(model)
  } catch (error) {
    return { batch, error: asError(error), broken: true }
  }
  try {
    const size = models[model]?.size ?? 0
    const input = new Tensor('uint8', pixels, [rows, size, size, 3])
    const startedAt = performance.now()
    const results = await session.run({ input })
    const runMs = performance.now() - startedAt
    const outputs: Record<string, Float32Array> = {}
    for (const [name, tensor] of Object.entries(results)) {
      // A copy into memory of our own: a tensor's buffer belongs to the runtime and may not be transferred.
      outputs[name] = Float32Array.from(tensor.data as Float32Array)
      tensor.dispose()
    }
    return { batch, outputs, runMs }
  } catch (error) {
    return { batch, error: asError(error), broken: false }
  } finally {
    giveBack(pixels)
  }
}

async function stop(): Promise<void> {
  await Promise.all([...sessions.values()].map(session => session.release()))
  await tracing.shutdown()
}

async function openSession(model: string): Promise<InferenceSession> {
  const open = sessions.get(model)
  if (open) return open
  const entry = models[model]
  if (!entry) throw new Error(`there is no model ${model}`)
  const session = await InferenceSession.create(entry.file, SESSION_OPTIONS)
  sessions.set(model, session)
  return session
}

/** Telemetry is loaded only where spans are exported: it costs each worker memory. A batch of several traces runs inside a span of each. */
async function exportingTraces(env: Record<string, string | undefined>): Promise<Tracing> {
  const { span, startTelemetry, withTrace } = await import('@keepsake/telemetry')
  const { shutdown } = startTelemetry('inference-worker', env)
  return {
    around: (traces, model, run) =>
      traces.reduceRight(
        (inner, trace) => () => withTrace(trace, () => span('inference.session', inner, { model })),
        run,
      )(),
    shutdown,
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
