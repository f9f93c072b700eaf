import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { giveBack } from './give-back.js'
import { placementsIn, type NodePlacement } from './node-placement.js'
import type { ResultMessage, RunMessage, WorkerStart } from './session-messages.js'

interface Tracing {
  around(traces: Record<string, string>[], model: string, run: () => Promise<ResultMessage>): Promise<ResultMessage>
  /** Sends what has not been sent. */
  shutdown(): Promise<void>
}
const NO_TRACING: Tracing = { around: (_traces, _model, run) => run(), shutdown: () => Promise.resolve() }

/** The sessions of one worker, be it a thread or a process: each is opened by the first batch of its model. */
export class SessionHost {
  private readonly sessions = new Map<string, InferenceSession>()
  private readonly options: InferenceSession.SessionOptions

  private constructor(
    private readonly start: WorkerStart,
    private readonly tracing: Tracing,
  ) {
    this.options = {
      // One thread per session, and no spinning: spinning threads made two workers slower than one (models.md section 5).
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      // A block for the whole run, laid out after the first: the memory of the first stays beside it. SSD then holds 107 MiB instead of 67 and is no faster.
      enableMemPattern: start.provider !== 'cpu',
      executionProviders: [start.provider],
      // Fatal only: every error also rejects the run and is told to the caller.
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    }
  }

  static async open(start: WorkerStart): Promise<SessionHost> {
    // A provider that cannot be loaded would print what it rejects with.
    env.logLevel = 'fatal'
    return new SessionHost(start, start.telemetry ? await exportingTraces(start.telemetry) : NO_TRACING)
  }

  /** Runs a batch. Never rejects. */
  run(message: RunMessage): Promise<ResultMessage> {
    return this.tracing.around(message.traces, message.model, () => this.runBatch(message))
  }

  /** Frees everything. */
  async stop(): Promise<void> {
    await Promise.all([...this.sessions.values()].map(session => session.release()))
    await this.tracing.shutdown()
  }

  private async runBatch({ batch, model, rows, pixels, profiled }: RunMessage): Promise<ResultMessage> {
    let session: InferenceSession
    let profile: Profile | undefined
    try {
      if (profiled) profile = await Profile.begin()
      session = await this.openSession(model, profile)
    } catch (error) {
      await profile?.discard()
      return { batch, error: asError(error), broken: true }
    }
    try {
      const size = this.start.models[model]?.size ?? 0
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
      return { batch, outputs, runMs, ...(profile ? { nodes: await profile.end(session) } : {}) }
    } catch (error) {
      return { batch, error: asError(error), broken: false }
    } finally {
      giveBack(pixels)
      await profile?.discard()
    }
  }

  private async openSession(model: string, profile: Profile | undefined): Promise<InferenceSession> {
    const open = this.sessions.get(model)
    if (open && !profile) return open
    const entry = this.start.models[model]
    if (!entry) throw new Error(`there is no model ${model}`)
    const session = await InferenceSession.create(entry.file, { ...this.options, ...profile?.options })
    if (!profile) this.sessions.set(model, session)
    return session
  }
}

/** What the runtime writes down about one session: a file in a folder of its own. */
class Profile {
  private constructor(private readonly folder: string) {}

  static async begin(): Promise<Profile> {
    return new Profile(await mkdtemp(join(tmpdir(), 'keepsake-profile-')))
  }

  get options(): InferenceSession.SessionOptions {
    return { enableProfiling: true, profileFilePrefix: join(this.folder, 'run') }
  }

  /** Closes the session; where each of its nodes ran. */
  async end(session: InferenceSession): Promise<NodePlacement[]> {
    session.endProfiling()
    await session.release()
    const [file = ''] = await readdir(this.folder)
    return placementsIn(await readFile(join(this.folder, file), 'utf8'))
  }

  async discard(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Telemetry is loaded only where spans are exported: it costs each worker memory. A batch of several traces runs inside a span of each. */
async function exportingTraces(environment: Record<string, string | undefined>): Promise<Tracing> {
  const { span, startTelemetry, withTrace } = await import('@keepsake/telemetry')
  const { shutdown } = startTelemetry('inference-worker', environment)
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
