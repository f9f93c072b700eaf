import type { Db } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import type { Client } from '@keepsake/rpc'
import { logger, withFamily } from '@keepsake/telemetry'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RegisteredChild } from './child-proposals.js'
import type { Decider } from './decider.js'
import { runSeconds } from './metrics.js'
import type { OutcomeChange } from './family-people.js'
import type { Stored } from './store.js'
import { FacesChanged, load, loadEmbeddings, save } from './store.js'

/** When a family that changed is sorted again, ms. */
export interface Waiting {
  /** After so long without a change. */
  quiet: number
  /** After so long in any case. */
  longest: number
}

/** Why people are sorted. */
type Reason = 'change' | 'correction'

const POLL_MS = 200
/** How often families that changed under the decider are let go of: what is erased must not stay in memory. */
const FORGET_MS = 5_000
const CALL_MS = 10_000
/** A run that met a change is done again, at most so often in a row. */
const ATTEMPTS = 5

/**
 * Sorts the people of families that changed. What a run stores is guarded by the family's generation, so several processes may sort one
 * family at the same time and only waste time; a lease keeps them from doing so.
 */
export class Runner {
  readonly #stop = new AbortController()
  /** Runs under way by family: one at a time here, others wait for it. */
  readonly #running = new Map<string, Promise<void>>()
  /** Not before: a long run is followed by as long a pause, so that an import and its people share the machine. */
  readonly #notBefore = new Map<string, number>()
  #loop: Promise<void> = Promise.resolve()

  constructor(
    private readonly db: Db,
    private readonly decider: Decider,
    private readonly family: Client<typeof FamilyServiceService>,
    private readonly waiting: Waiting,
  ) {}

  start(): void {
    this.#loop = this.#watch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.allSettled(this.#running.values())
  }

  /** Sorts a family until the generation is answered: for corrections, which take effect before they answer. */
  async answer(familyId: string, generation: number, signal?: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      signal?.throwIfAborted()
      await this.#arrived(familyId, signal)
      await this.#once(familyId, 'correction')
      const done = await this.db.family(familyId, tx =>
        tx.maybe<{ doneGeneration: number }>(sql`select done_generation from cluster.families`),
      )
      if (!done || done.doneGeneration >= generation) return
    }
    throw new Error(`family ${familyId} changes faster than its people can be sorted`)
  }

  /** Waits until the family's faces are all of one version again: people sorted before would be people of half of the faces. */
  async #arrived(familyId: string, signal: AbortSignal | undefined): Promise<void> {
    const over = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
    for (;;) {
      over.throwIfAborted()
      const family = await this.db.family(familyId, tx =>
        tx.maybe<{ arriving: boolean }>(sql`select arriving from cluster.families`),
      )
      if (!family?.arriving) return
      await sleep(POLL_MS, undefined, { signal: over })
    }
  }

  /** One run; a run under way is waited for first, because it may have read before the latest change. */
  async #once(familyId: string, reason: Reason): Promise<void> {
    const before = this.#running.get(familyId)
    const mine = (async () => {
      await before?.catch(() => undefined)
      await this.#run(familyId, reason)
    })()
    this.#running.set(familyId, mine)
    try {
      await mine
    } finally {
      if (this.#running.get(familyId) === mine) this.#running.delete(familyId)
    }
  }

  async #run(familyId: string, reason: Reason): Promise<void> {
    const began = Date.now()
    for (let attempt = 1; ; attempt++) {
      try {
        const since = this.decider.generationOf(familyId)
        let stored = await this.db.family(familyId, tx => load(tx, since))
        if (stored.doneGeneration >= stored.generation) return
        if (stored.media && !this.decider.fits({ familyId, ...stored }, stored.count))
          stored = await this.db.family(familyId, tx => load(tx))
        const children = stored.count > 0 ? await this.#children(familyId) : []
        const outcome = await this.decider.decide({ familyId, children, ...stored }, ids =>
          this.db.family(familyId, tx => loadEmbeddings(tx, ids)),
        )
        await this.#store(familyId, stored, outcome)
        break
      } catch (error) {
        if (!(error instanceof FacesChanged) || attempt >= ATTEMPTS) throw error
      }
    }
    const took = Date.now() - began
    runSeconds.record(took / 1000, { reason })
    this.#notBefore.set(familyId, Date.now() + Math.min(30_000, took))
  }

  /** Stores what the decider answered; it knows the family no more where that is not what is stored. */
  async #store(familyId: string, stored: Stored, outcome: OutcomeChange): Promise<void> {
    let done = false
    try {
      done = await this.db.family(familyId, tx => save(tx, stored, outcome), { statementTimeoutMs: 60_000 })
    } finally {
      if (!done) this.decider.forget(familyId)
    }
  }

  /** Birth dates of the family's children. */
  async #children(familyId: string): Promise<RegisteredChild[]> {
    const { children } = await this.family.listChildren({}, { familyId, deadlineMs: CALL_MS })
    return children
      .map(child => ({ id: child.id, birth: Date.parse(`${child.birthDate}T00:00:00Z`) }))
      .filter(child => Number.isFinite(child.birth))
  }

  /** Lets go of families whose latest answer is not the decider's: consent was withdrawn, the family is gone, or another process sorted it. */
  async #forget(connection: Awaited<ReturnType<Db['dedicated']>>): Promise<void> {
    const known = this.decider.families().filter(familyId => !this.#running.has(familyId))
    if (known.length === 0) return
    const rows = await connection.many<{ familyId: string; doneGeneration: number }>(
      sql`select family_id, done_generation from cluster.families where family_id = any(${known}::uuid[])`,
    )
    const done = new Map(rows.map(row => [row.familyId, row.doneGeneration]))
    for (const familyId of known)
      if (!this.#running.has(familyId) && done.get(familyId) !== this.decider.generationOf(familyId))
        this.decider.forget(familyId)
  }

  async #watch(): Promise<void> {
    const log = logger('cluster')
    const { signal } = this.#stop
    let connection: Awaited<ReturnType<Db['dedicated']>> | undefined
    const under = new Set<string>()
    const failures = new Map<string, number>()
    let forgetAt = 0
    while (!signal.aborted) {
      try {
        if (!connection || connection.lost) {
          connection = await this.db.dedicated('families whose people are to be sorted', { system: true, signal })
        }
        // An advisory lock of this connection is the lease: it goes with the process.
        const due = await connection.many<{ familyId: string }>(sql`
          select family_id from cluster.families where waiting_since is not null and not arriving
            and (changed_at < clock_timestamp() - make_interval(secs => ${this.waiting.quiet / 1000})
              or waiting_since < clock_timestamp() - make_interval(secs => ${this.waiting.longest / 1000}))
          order by waiting_since limit 100`)
        for (const { familyId } of due) {
          if (under.has(familyId) || (this.#notBefore.get(familyId) ?? 0) > Date.now()) continue
          const [lock] = await connection.many<{ got: boolean }>(
            sql`select pg_try_advisory_lock(hashtextextended(${familyId}, 7305021)) as got`,
          )
          if (!lock?.got) continue
          under.add(familyId)
          const held = connection
          void withFamily(familyId, () => this.#once(familyId, 'change'))
            .then(
              () => failures.delete(familyId),
              (error: unknown) => {
                if (signal.aborted) return
                const times = (failures.get(familyId) ?? 0) + 1
                failures.set(familyId, times)
                // A peer that is away for a moment: again soon, then more rarely.
                this.#notBefore.set(familyId, Date.now() + Math.min(30_000, 500 * 2 ** Math.min(times, 10)))
                log.warn(
                  { err: error, family_id: familyId, times },
                  'the people of a family could not be sorted; it is tried again',
                )
              },
            )
            .finally(async () => {
              under.delete(familyId)
              if (!held.lost)
                await held
                  .many(sql`select pg_advisory_unlock(hashtextextended(${familyId}, 7305021))`)
                  .catch(() => undefined)
            })
        }
        const now = Date.now()
        if (now >= forgetAt) {
          await this.#forget(connection)
          forgetAt = now + FORGET_MS
        }
        for (const [familyId, at] of this.#notBefore)
          if (at < now && !failures.has(familyId)) this.#notBefore.delete(familyId)
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'families that changed cannot be read; it is tried again')
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
    await Promise.allSettled(this.#running.values())
    await connection?.close()
  }
}
