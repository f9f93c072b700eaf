import { sql } from '@keepsake/db'
import { logger, withFamily } from '@keepsake/telemetry'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaceTools } from './events.js'
import { FORMER_KEPT_DAYS, forgetFormer, itemsToPrepare, prepareItem, switchIfPrepared } from './upgrade.js'

/** How often families are looked for that an operator moves to another version, ms. */
const POLL_MS = 5_000
/** Families of one look, at most: each gets one item in turn. */
const FAMILIES = 50
/** New uploads go first: an item of the background waits for them, but no longer than this, ms, so that it comes to an end during a long import. */
const LONGEST_YIELD_MS = 10_000
/** Before an item that failed is tried again: twice as long each time, and no longer than this, ms. */
const LONGEST_PAUSE_MS = 600_000
/** Of the next items one is taken by chance, so that several processes seldom take the same one: that would cost time and change nothing. */
const CHOICE = 50

/** Counts the uploads that are being looked at, so that work in the background can step back. */
export class UploadsUnderWay {
  #count = 0
  #waiting: (() => void)[] = []

  /** Runs the work on an upload. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#count++
    try {
      return await work()
    } finally {
      if (--this.#count === 0) for (const go of this.#waiting.splice(0)) go()
    }
  }

  /** Resolves when no upload is being looked at, or after so many ms. */
  async quiet(longestMs: number, signal: AbortSignal): Promise<void> {
    if (this.#count === 0) return
    const over = AbortSignal.any([signal, AbortSignal.timeout(longestMs)])
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      over.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

/** Families on the way to a version that this release ships, or with a former one whose time is over, as one look found them. */
interface Between {
  familyId: string
  next: number | null
}

/**
 * Moves families to another version of the pipeline in the background: looks at their items again, one at a time, switches each family when all of its
 * items are there, and erases what held before when its time is over. Everything it knows is in the database: a process that is killed loses one item.
 */
export class Upgrader {
  readonly #stop = new AbortController()
  /** Items that failed in this process, by family and item: how often, and when they may be tried again, epoch ms. */
  readonly #failed = new Map<string, { tries: number; notBefore: number }>()
  #loop: Promise<void> = Promise.resolve()

  constructor(private readonly tools: FaceTools) {}

  start(): void {
    this.#loop = this.#watch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  /** One item of each family that is being moved, and the switches that are due. Says how many items were looked at. */
  async turn(): Promise<number> {
    const { signal } = this.#stop
    const { db, pipelines } = this.tools
    const between = await db.system('families that are moved to another version of the face pipeline', tx =>
      tx.many<Between>(sql`
        select family_id, next_pipeline as next from face.families
        where next_pipeline = any(${pipelines.versions})
          or (next_pipeline is null and former_pipeline is not null and switched_at <= now() - ${FORMER_KEPT_DAYS} * interval '1 day')
        order by upgrade_at limit ${FAMILIES}`),
    )
    let looked = 0
    for (const { familyId, next } of between) {
      signal.throwIfAborted()
      try {
        looked += await withFamily(familyId, () => this.#move(familyId, next, signal))
      } catch (error) {
        if (signal.aborted) throw error
        logger('face').warn({ err: error, family_id: familyId }, 'a family waits to be moved to another version')
      }
    }
    return looked
  }

  async #move(familyId: string, next: number | null, signal: AbortSignal): Promise<number> {
    const { db, sweep } = this.tools
    if (next === null) {
      if ((await db.family(familyId, tx => forgetFormer(tx))) > 0) sweep()
      return 0
    }
    const items = await db.family(familyId, tx => itemsToPrepare(tx, CHOICE))
    const now = Date.now()
    const due = items.filter(id => (this.#failed.get(`${familyId}/${id}`)?.notBefore ?? 0) <= now)
    const item = due[Math.floor(Math.random() * due.length)]
    if (items.length === 0) {
      if (await db.family(familyId, switchIfPrepared, { statementTimeoutMs: 60_000 }))
        logger('face').info(
          { family_id: familyId, pipeline: next },
          'a family holds another version of the face pipeline',
        )
      return 0
    }
    if (item === undefined) return 0
    await this.tools.uploads.quiet(LONGEST_YIELD_MS, signal)
    const name = `${familyId}/${item}`
    const tries = (this.#failed.get(name)?.tries ?? 0) + 1
    try {
      await prepareItem(this.tools, familyId, item, tries, signal)
      this.#failed.delete(name)
      sweep()
      return 1
    } catch (error) {
      this.#failed.set(name, { tries, notBefore: Date.now() + Math.min(LONGEST_PAUSE_MS, POLL_MS * 2 ** tries) })
      throw error
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      let looked = 0
      try {
        looked = await this.turn()
      } catch (error) {
        if (!signal.aborted) logger('face').warn({ err: error }, 'families wait to be moved to another version')
      }
      if (looked === 0) await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
