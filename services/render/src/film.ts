/** Makes a film from a storyboard in a child process; kills the child when told to stop. */
import { fork } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { childEnv, givesMemoryBack } from '@keepsake/media/child-env'
import { pictureKey, picturesOf, type ChildMessage, type FilmJob } from './film-job.js'
import type { Picture, Storyboard } from './storyboard.js'

/** What a film is made of and who hears of its making. */
export interface FilmRequest {
  board: Storyboard
  /** Local file of a picture. */
  source: (picture: Picture) => string
  /** Segments that are there already: hash to local file. */
  segments: ReadonlyMap<string, string>
  /** 0..1, about once for each second of film. */
  onProgress?: (share: number) => void
  /** A new segment is on disk; it is removed with the job's folder unless it is taken here. Awaited before the film is handed out. */
  onSegment?: (hash: string, file: string) => Promise<void>
  /** Called with the finished files, which are removed afterwards. */
  take: (film: FinishedFilm) => Promise<void>
  signal?: AbortSignal
  /** Milliseconds; default 15 minutes. */
  timeoutMs?: number
  /** Folder for temporary files; default the system's. */
  temporary?: string
}

/** A film on disk. */
export type FinishedFilm = Omit<Extract<ChildMessage, { type: 'done' }>, 'type'>

const TIMEOUT_MS = 15 * 60_000
/** JavaScript heap of the child; pictures live outside of it, in WASM and in FFmpeg. */
const HEAP_MIB = 512

/** Makes one film. Rejects with the signal's reason when stopped, else with what went wrong; temporary files are gone either way. */
export async function makeFilm(request: FilmRequest): Promise<FinishedFilm> {
  const { signal } = request
  signal?.throwIfAborted()
  const parent = request.temporary ?? tmpdir()
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(path.join(parent, 'keepsake-film-'))
  try {
    const film = await runChild(
      {
        board: request.board,
        folder,
        sources: Object.fromEntries(picturesOf(request.board).map(p => [pictureKey(p), request.source(p)])),
        segments: Object.fromEntries(request.segments),
      },
      request,
    )
    signal?.throwIfAborted()
    await request.take(film)
    return film
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function runChild(job: FilmJob, request: FilmRequest): Promise<FinishedFilm> {
  const child = fork(new URL('./film-child.js', import.meta.url), {
    serialization: 'json',
    execArgv: [`--max-old-space-size=${HEAP_MIB}`],
    env: { ...childEnv(), ...givesMemoryBack },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const handled: Promise<void>[] = []
  let done: FinishedFilm | undefined
  let failure: string | undefined
  let noise = ''
  child.stderr?.on('data', (chunk: Buffer) => (noise = (noise + chunk.toString()).slice(-2000)))
  child.on('message', (message: ChildMessage) => {
    if (message.type === 'progress') request.onProgress?.(message.share)
    if (message.type === 'segment' && request.onSegment) handled.push(request.onSegment(message.hash, message.file))
    if (message.type === 'done') done = message
    if (message.type === 'failed') failure = message.message
  })
  const kill = (): void => void child.kill('SIGKILL')
  const timer = setTimeout(kill, request.timeoutMs ?? TIMEOUT_MS)
  request.signal?.addEventListener('abort', kill, { once: true })
  try {
    const exit = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
    child.send(job)
    const { code, signal } = await exit
    // Segments that were announced are kept even when the film as a whole failed: the next attempt goes on from there.
    await Promise.all(handled)
    request.signal?.throwIfAborted()
    if (done) return done
    throw new Error(
      failure ?? `the film process ended with ${signal ?? `status ${code}`}${noise ? `: ${noise.trim()}` : ''}`,
    )
  } finally {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', kill)
    if (child.exitCode === null && child.signalCode === null) kill()
    await Promise.allSettled(handled)
  }
}
