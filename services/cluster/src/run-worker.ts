// One thread decides families, so that seconds of arithmetic never hold up whoever shares the process.
import { uuidv7 } from '@keepsake/db/id'
import { parentPort, workerData } from 'node:worker_threads'
import { DIMENSIONS } from './age-groups.js'
import type { Face } from './face.js'
import type { FamilyChange, OutcomeChange } from './family-people.js'
import { FamilyPeople } from './family-people.js'
import { meansOf } from './outcome.js'

/** A face without its embedding. */
export type FaceFacts = Omit<Face, 'embedding'> & {
  /** Changes when the embedding may have changed. */
  version: number
}

/** One run: what is different in a family since the one before, for which this thread keeps it. */
export interface RunRequest extends Omit<FamilyChange, 'added'> {
  run: number
  familyId: string
  added: readonly FaceFacts[]
  /** Those of `added`, one after the other. */
  embeddings: Float32Array
}

/** The answer to a run. */
export type RunAnswer = { run: number } & ({ outcome: OutcomeChange } | { error: string })

if (parentPort) {
  const port = parentPort
  const means = meansOf((workerData as { means?: string }).means)
  const families = new Map<string, FamilyPeople>()
  port.on('message', (message: RunRequest | { forget: string }) => {
    if ('forget' in message) {
      families.delete(message.forget)
      return
    }
    const { run, familyId, embeddings, ...change } = message
    try {
      const family = families.get(familyId) ?? new FamilyPeople(means, uuidv7)
      families.set(familyId, family)
      const added = change.added.map((facts, i): Face => ({
        ...facts,
        // A copy: one face that stays must not keep the vectors of all that came with it.
        embedding: embeddings.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS),
      }))
      port.postMessage({ run, outcome: family.run({ ...change, added }) } satisfies RunAnswer)
    } catch (error) {
      families.delete(familyId)
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      port.postMessage({ run, error: text } satisfies RunAnswer)
    }
  })
}
