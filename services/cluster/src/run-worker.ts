// One thread decides families, so that seconds of arithmetic never hold up whoever shares the process.
import { uuidv7 } from '@keepsake/db/id'
import { parentPort, workerData } from 'node:worker_threads'
import type { RegisteredChild } from './child-proposals.js'
import { DIMENSIONS } from './age-groups.js'
import type { Face } from './face.js'
import type { LedgerEntry } from './ledger.js'
import type { Outcome } from './outcome.js'
import { decide, meansOf } from './outcome.js'
import type { Partitioner } from './partition.js'

/** A face without its embedding, as it is sent with every run. */
export type FaceFacts = Omit<Face, 'embedding'> & {
  /** Changes when the embedding may have changed. */
  version: number
}

/** One run: the family, its faces, and the embeddings that this thread does not have yet. */
export interface RunRequest {
  run: number
  familyId: string
  faces: FaceFacts[]
  fresh: { keys: string[]; embeddings: Float32Array }
  ledger: LedgerEntry[]
  children: RegisteredChild[]
  previous: [string, string][]
}

/** The answer to a run. */
export type RunAnswer = { run: number; ms: number } & ({ outcome: Outcome } | { error: string })

/** Names one version of one face. */
export const faceKey = (face: { id: string; version: number }): string => `${face.id}:${face.version}`

if (parentPort) {
  const port = parentPort
  const means = meansOf((workerData as { means?: string }).means)
  const families = new Map<string, { embeddings: Map<string, Float32Array>; memory?: Partitioner }>()
  port.on('message', (message: RunRequest | { forget: string }) => {
    if ('forget' in message) {
      families.delete(message.forget)
      return
    }
    const began = performance.now()
    try {
      const family = families.get(message.familyId) ?? { embeddings: new Map<string, Float32Array>() }
      families.set(message.familyId, family)
      const { keys, embeddings } = message.fresh
      keys.forEach((key, i) => family.embeddings.set(key, embeddings.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS)))
      const faces = message.faces.map((face): Face => {
        const embedding = family.embeddings.get(faceKey(face))
        if (!embedding) throw new Error(`the embedding of face ${face.id} was not sent`)
        return { ...face, embedding }
      })
      const { children, ledger } = message
      const { outcome, memory } = decide(
        { faces, ledger, children, previous: new Map(message.previous) },
        means,
        uuidv7,
        family.memory,
      )
      family.memory = memory
      const present = new Set(message.faces.map(faceKey))
      for (const key of family.embeddings.keys()) if (!present.has(key)) family.embeddings.delete(key)
      port.postMessage({ run: message.run, ms: performance.now() - began, outcome } satisfies RunAnswer)
    } catch (error) {
      families.delete(message.familyId)
      port.postMessage({
        run: message.run,
        ms: performance.now() - began,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      } satisfies RunAnswer)
    }
  })
}
