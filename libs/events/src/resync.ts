import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Db, type FamilyTx, type Tx } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import type { AnyTopic } from './topic.js'

/** How an owner publishes the present state behind a topic again. */
export interface Resync {
  readonly topic: AnyTopic
  /** Every family that has state here. */
  families(tx: Tx): Promise<string[]>
  /** Publishes one family's present state, in its transaction. */
  publish(tx: FamilyTx): Promise<void>
}

/** Asks the owner of `topic` to publish its present state again, for one family or for all. A lost log or a new consumer is rebuilt so. */
export async function requestResync(db: Db, topic: AnyTopic, familyId?: string): Promise<void> {
  await db.system(`ask for a resync of ${topic.name}`, tx =>
    tx.changed(sql`insert into events.resync_requests (topic, family_id) values (${topic.name}, ${familyId})`),
  )
}

/** Asks for a resync of the family of a transaction, if that commits. */
export async function requestResyncOf(tx: FamilyTx, topic: AnyTopic): Promise<void> {
  await tx.changed(sql`insert into events.resync_requests (topic, family_id) values (${topic.name}, ${tx.familyId})`)
}

const pollMs = 5_000

/** @internal Looks for requests that this owner can answer, and answers them. */
export class ResyncWatch {
  readonly #db: Db
  readonly #owned: readonly Resync[]
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(db: Db, owned: readonly Resync[]) {
    this.#db = db
    this.#owned = owned
  }

  start(): void {
    this.#loop = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const log = logger(this.#db.name)
    const { signal } = this.#stop
    const topics = this.#owned.map(owned => owned.topic.name)
    let connection: Awaited<ReturnType<Db['dedicated']>> | undefined
    while (!signal.aborted) {
      try {
        if (connection === undefined || connection.lost) {
          connection = await this.#db.dedicated('requests to publish again', { system: true, signal })
        }
        const requests = await connection.many<{ id: string; topic: string; familyId: string | null }>(sql`
          select id, topic, family_id from events.resync_requests where topic = any(${topics}::text[]) order by id`)
        for (const request of requests) await this.#answer(request)
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'a request to publish again waits')
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined)
    }
    await connection?.close()
  }

  async #answer(request: { id: string; topic: string; familyId: string | null }): Promise<void> {
    const owned = this.#owned.find(o => o.topic.name === request.topic)
    if (owned === undefined) return
    const families =
      request.familyId === null
        ? await this.#db.system(`resync ${request.topic}`, tx => owned.families(tx))
        : [request.familyId]
    for (const familyId of families) {
      if (this.#stop.signal.aborted) return // asked again after the restart; publishing twice does no harm
      await this.#db.family(familyId, tx => owned.publish(tx))
    }
    await this.#db.system(`resync ${request.topic} done`, tx =>
      tx.changed(sql`delete from events.resync_requests where id = ${request.id}`),
    )
  }
}
