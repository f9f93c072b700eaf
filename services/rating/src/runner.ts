import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '@keepsake/db'
import { sql } from '@keepsake/db'
import { logger, setFamily, span, withTrace } from '@keepsake/telemetry'
import type { Described } from './describe.js'
import { describeItem } from './describe.js'
import { reportRated } from './erasures.js'
import { batchSeconds, ratedItems } from './metrics.js'
import type { Peers } from './peers.js'
import { readStale, renewMoments, saveBatch, type Stale } from './store.js'

const POLL_MS = 150
/** Families rated at the same time. */
const AT_ONCE = 2

/** Rates what is stale, a batch of one family after one of another, so that a large import holds nobody up. */
export class Runner {
  readonly #stop = new AbortController()
  readonly #under = new Map<string, Promise<void>>()
  readonly #notBefore = new Map<string, { at: number; times: number }>()
  #loop: Promise<void> = Promise.resolve()

  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
    private readonly quietMs: number,
  ) {}

  start(): void {
    this.#loop = this.#watch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.allSettled(this.#under.values())
  }

  /** Rates one batch, and finds the moments anew when it was the last. */
  async #batch(familyId: string): Promise<void> {
    const { signal } = this.#stop
    const batch = await this.db.family(familyId, readStale)
    // Many items may be rated at once; the batch goes on with the trace of its first.
    await withTrace({ traceparent: batch[0]?.traceparent ?? undefined }, () => {
      setFamily(familyId)
      return span('rating.batch', () => this.#rateItems(familyId, batch, signal), { 'rating.items': batch.length })
    })
  }

  async #rateItems(familyId: string, batch: Stale[], signal: AbortSignal): Promise<void> {
    const began = performance.now()
    if (batch.length) {
      const ids = batch.map(item => item.mediaId)
      const pulled = await this.peers.pull(familyId, ids, signal)
      const described = new Map<string, Described>()
      for (const id of ids) {
        const item = describeItem(id, pulled)
        if (item) described.set(id, item)
      }
      await this.db.family(familyId, tx => saveBatch(tx, batch, described, pulled.groups))
      ratedItems.add(described.size, {})
      batchSeconds.record((performance.now() - began) / 1000, {})
    }
    await this.db.family(familyId, async tx => {
      await reportRated(tx)
      if (!(await tx.maybe(sql`select 1 from rating.stale limit 1`))) await renewMoments(tx)
    })
  }

  async #watch(): Promise<void> {
    const log = logger('rating')
    const { signal } = this.#stop
    let connection: Awaited<ReturnType<Db['dedicated']>> | undefined
    while (!signal.aborted) {
      try {
        if (!connection || connection.lost)
          connection = await this.db.dedicated('families with items to be rated', { system: true, signal })
        const due = await connection.many<{ familyId: string }>(sql`
          select family_id from rating.stale group by family_id
          having min(at) < clock_timestamp() - make_interval(secs => ${this.quietMs / 1000})
          union select family_id from rating.families where moments_stale limit 200`)
        const open = due.filter(
          ({ familyId }) => !this.#under.has(familyId) && (this.#notBefore.get(familyId)?.at ?? 0) <= Date.now(),
        )
        for (const { familyId } of open.slice(0, AT_ONCE - this.#under.size)) {
          // A lock of this connection is the lease: it goes with the process.
          const [lock] = await connection.many<{ got: boolean }>(
            sql`select pg_try_advisory_lock(hashtextextended(${familyId}, 7305022)) as got`,
          )
          if (!lock?.got) continue
          this.#under.set(familyId, this.#rate(familyId, connection, log))
        }
        // Straight on while there is work: the pause is for the idle.
        if (this.#under.size) {
          await Promise.race([...this.#under.values()])
          continue
        }
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error }, 'families with items to be rated cannot be read; it is tried again')
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
    await Promise.allSettled(this.#under.values())
    await connection?.close()
  }

  async #rate(
    familyId: string,
    connection: { lost: boolean; many(query: ReturnType<typeof sql>): Promise<unknown> },
    log: ReturnType<typeof logger>,
  ): Promise<void> {
    try {
      await this.#batch(familyId)
      this.#notBefore.delete(familyId)
    } catch (error) {
      const times = (this.#notBefore.get(familyId)?.times ?? 0) + 1
      // A peer that is away for a moment: again soon, then more rarely.
      this.#notBefore.set(familyId, { at: Date.now() + Math.min(30_000, 250 * 2 ** Math.min(times, 10)), times })
      if (!this.#stop.signal.aborted)
        log.warn({ err: error, family_id: familyId, times }, 'items could not be rated; it is tried again')
    } finally {
      if (!connection.lost)
        await connection
          .many(sql`select pg_advisory_unlock(hashtextextended(${familyId}, 7305022))`)
          .catch(() => undefined)
      this.#under.delete(familyId)
    }
  }
}
