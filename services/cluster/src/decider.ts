import { Worker } from 'node:worker_threads'
import { DIMENSIONS } from './age-groups.js'
import type { RegisteredChild } from './child-proposals.js'
import type { OutcomeChange, StoredFace } from './family-people.js'
import type { LedgerEntry } from './ledger.js'
import type { FaceFacts, RunAnswer, RunRequest } from './run-worker.js'
import { FacesChanged } from './store.js'

/** What is stored of a family that the decider does not know yet. */
export interface FamilyState {
  familyId: string
  /** What this state answers to. */
  generation: number
  /** Items that changed since the state before; absent where `faces` are all there are. */
  media?: readonly string[]
  /** Faces of these items. */
  faces: readonly (FaceFacts & StoredFace)[]
  ledger: readonly LedgerEntry[]
  children: readonly RegisteredChild[]
}

/** A family as the thread knows it. */
interface Known {
  /** The latest state that was decided. */
  generation: number
  /** Facts of faces by item and id, written out. */
  media: Map<string, Map<string, string>>
  faces: number
}

/** Families that the thread keeps, at most. */
const KEPT_FAMILIES = 8
/** The thread ends after so long without work and gives its memory back, ms. */
const IDLE_MS = 60_000
/**
 * Young heap of the thread, MiB: two halves of a third each and what is moved between them. V8 lets it grow to 192 MiB on such a machine, nearly all of it garbage of the last runs: over
 * 2,000 faces in threes the heap came to 159 MiB of which 13 lived, with this to 42 in no more time.
 */
const YOUNG_HEAP_MIB = 12

/** Runs decisions in a thread of its own, one at a time. */
export class Decider {
  readonly #means: string | undefined
  /** What the thread has, least recently used first. */
  readonly #known = new Map<string, Known>()
  readonly #waiting = new Map<number, { resolve: (answer: RunAnswer) => void; reject: (error: Error) => void }>()
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #runs = 0
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  /** @param means file of the age group means; empty for none, undefined for the shipped one. */
  constructor(means?: string) {
    this.#means = means
  }

  /** Families that the thread keeps. */
  families(): string[] {
    return [...this.#known.keys()]
  }

  /** The generation that was decided last for a family, while it is known: a state may then be of what changed since. */
  generationOf(familyId: string): number | undefined {
    return this.#known.get(familyId)?.generation
  }

  /** Whether a family has so many faces after a change: if not, faces went of which the change does not tell. */
  fits(state: Pick<FamilyState, 'familyId' | 'media' | 'faces'>, count: number): boolean {
    const known = this.#known.get(state.familyId)
    if (!known || !state.media) return false
    const replaced = state.media.reduce((sum, id) => sum + (known.media.get(id)?.size ?? 0), 0)
    return known.faces - replaced + state.faces.length === count
  }

  /**
   * Decides one family; answers what is different from what is stored. Whoever does not store that must `forget` the family.
   * @param embeddings answers those of the given face ids in order, as 128 little-endian floats each.
   */
  decide(
    state: FamilyState,
    embeddings: (ids: readonly string[]) => Promise<readonly Buffer[]>,
  ): Promise<OutcomeChange> {
    const mine = this.#queue.then(() => this.#decide(state, embeddings))
    this.#queue = mine.catch(() => undefined)
    return mine
  }

  /** Lets go of everything about a family. */
  forget(familyId: string): void {
    this.#known.delete(familyId)
    this.#worker?.postMessage({ forget: familyId })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    await this.#stop()
  }

  async #decide(
    state: FamilyState,
    load: (ids: readonly string[]) => Promise<readonly Buffer[]>,
  ): Promise<OutcomeChange> {
    if (this.#closed) throw new Error('the decider is closed')
    clearTimeout(this.#idle)
    const worker = this.#start()
    const { familyId, ledger, children, generation } = state
    const before = this.#known.get(familyId)
    // It was let go of since the state was read: what changed says nothing then.
    if (state.media && !before) throw new FacesChanged()
    const known: Known = before ?? { generation: 0, media: new Map(), faces: 0 }
    const now = byMedia(state.faces)
    const gone: string[] = []
    const added: (FaceFacts & StoredFace)[] = []
    for (const id of state.media ?? known.media.keys())
      for (const faceId of known.media.get(id)?.keys() ?? []) if (!now.get(id)?.has(faceId)) gone.push(faceId)
    for (const face of state.faces)
      if (known.media.get(face.mediaId)?.get(face.id) !== now.get(face.mediaId)!.get(face.id)) added.push(face)
    const buffers = added.length ? await load(added.map(face => face.id)) : []
    // The thread ended meanwhile, and with it all that it knew.
    if (this.#worker !== worker) throw new FacesChanged()
    const embeddings = new Float32Array(added.length * DIMENSIONS)
    buffers.forEach((buffer, i) => embeddings.set(floats(buffer), i * DIMENSIONS))
    const run = ++this.#runs
    // Until it is answered, nobody can tell what the thread knows.
    this.#known.delete(familyId)
    const answer = await new Promise<RunAnswer>((resolve, reject) => {
      this.#waiting.set(run, { resolve, reject })
      const request: RunRequest = {
        run,
        familyId,
        whole: state.media === undefined,
        added: added.map(({ personId: _p, confidence: _c, confirmed: _d, ...facts }) => facts),
        embeddings,
        gone,
        ledger,
        children,
        stored: state.faces.map(({ id, personId, confidence, confirmed }) => [id, { personId, confidence, confirmed }]),
      }
      worker.postMessage(request, [embeddings.buffer])
    })
    this.#idle = setTimeout(() => void this.#stop(), IDLE_MS)
    this.#idle.unref()
    if ('error' in answer) throw new Error(answer.error)
    for (const id of state.media ?? [...known.media.keys()]) {
      known.faces -= known.media.get(id)?.size ?? 0
      known.media.delete(id)
    }
    for (const [id, faces] of now) {
      known.media.set(id, faces)
      known.faces += faces.size
    }
    known.generation = generation
    this.#known.set(familyId, known)
    for (const oldest of [...this.#known.keys()].slice(0, -KEPT_FAMILIES)) this.forget(oldest)
    return answer.outcome
  }

  #start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL('./run-worker.js', import.meta.url), {
      workerData: { means: this.#means },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
    })
    worker.unref()
    worker.on('message', (answer: RunAnswer) => {
      this.#waiting.get(answer.run)?.resolve(answer)
      this.#waiting.delete(answer.run)
    })
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      this.#known.clear()
      for (const waiting of this.#waiting.values()) waiting.reject(error)
      this.#waiting.clear()
    }
    worker.on('error', gone)
    worker.on('exit', code => gone(new Error(`the thread that decides ended with ${code}`)))
    this.#worker = worker
    return worker
  }

  async #stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#known.clear()
    for (const waiting of this.#waiting.values()) waiting.reject(new Error('the decider is closed'))
    this.#waiting.clear()
    await worker?.terminate()
  }
}

/** What a run depends on of each face, by item and face. */
function byMedia(faces: readonly FaceFacts[]): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const { id, mediaId, version, age, ageSpread, quality, box, takenAt, ranges } of faces) {
    const list = found.get(mediaId) ?? new Map<string, string>()
    found.set(mediaId, list)
    const { x, y, w, h } = box
    const seen = ranges?.map(range => `${range.start}-${range.end}`) ?? []
    list.set(id, [version, takenAt ?? '', age, ageSpread, quality, x, y, w, h, ...seen].join(' '))
  }
  return found
}

/** 128 little-endian floats, wherever the bytes begin. */
function floats(buffer: Buffer): Float32Array {
  if (buffer.length !== DIMENSIONS * 4)
    throw new Error(`an embedding has ${buffer.length} bytes instead of ${DIMENSIONS * 4}`)
  const out = new Float32Array(DIMENSIONS)
  for (let k = 0; k < DIMENSIONS; k++) out[k] = buffer.readFloatLE(k * 4)
  return out
}
