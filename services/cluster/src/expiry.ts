import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { logger, withFamily } from '@keepsake/telemetry'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LedgerEntry } from './ledger.js'
import { spokenOf } from './people.js'
import { beginFaceErasure, ERASED_AT_ONCE, type FaceOnItem } from './strangers.js'

/** How often families are looked for whose unknown faces may be over their time, ms. */
const POLL_MS = 10_000
/** Families of one look, at most. */
const FAMILIES = 20
/** How long to ask another service, ms. */
const CALL_MS = 10_000

/** Asks how many days a family keeps faces of people whom nobody named; undefined where there is no such family any more. */
export type KeptDays = (familyId: string, signal: AbortSignal) => Promise<number | undefined>

/** When people were last spoken about, by their ids; words that were taken back count too: somebody was at work there. */
export function lastWords(entries: readonly { entry: LedgerEntry; at: Date }[]): Map<string, Date> {
  const last = new Map<string, Date>()
  for (const { entry, at } of entries)
    for (const { personId } of spokenOf(entry)) {
      const known = last.get(personId)
      if (known === undefined || known < at) last.set(personId, at)
    }
  return last
}

/** Faces of which a parent said who they are. To split faces off is not to say so: strangers are split off, too. */
export const confirmedFaces = (entries: readonly { entry: LedgerEntry; undone: boolean }[]): string[] =>
  entries.flatMap(({ entry, undone }) =>
    !undone && (entry.kind === 'confirm' || (entry.kind === 'answer' && entry.answer === 'person'))
      ? [entry.faceId]
      : [],
  )

/**
 * Erases faces of people without a name, a child or a confirmed face, and faces of nobody, when so many days have passed since the item was taken in
 * and since somebody spoke about the person; at most ERASED_AT_ONCE of them, the oldest first. Who may be somebody with a name, as look-alikes that could not be told
 * apart, stays, and so does a face that is asked about. What lies in the trash waits for its end there. Says how many faces went.
 */
export async function expireFaces(tx: FamilyTx, days: number): Promise<number> {
  // The lock makes a parent who names such a person at this moment come before or after.
  const family = await tx.maybe<{ isSorted: boolean }>(sql`
    select done_generation >= generation as is_sorted from cluster.families
    where family_id = ${tx.familyId} and expiry_at <= now() for update skip locked`)
  if (!family) return 0
  // Faces that no run has seen yet are nobody's for now only.
  if (!family.isSorted) return lookAgain(tx, '5 seconds')
  const words = await tx.many<{ entry: LedgerEntry; undone: boolean; at: Date }>(
    sql`select entry, undone, greatest(at, undone_at) as at from cluster.corrections where family_id = ${tx.familyId}`,
  )
  const spoken = [...lastWords(words)]
  const over = sql`now() - ${days} * interval '1 day'`
  const faces = await tx.many<FaceOnItem>(sql`
    select f.face_id, f.media_id
    from cluster.faces f
    join cluster.items i on i.family_id = f.family_id and i.media_id = f.media_id
    left join cluster.people p on p.family_id = f.family_id and p.person_id = f.person_id
    left join unnest(${spoken.map(([id]) => id)}::uuid[], ${spoken.map(([, at]) => at)}::timestamptz[]) as said (person_id, at)
      on said.person_id = f.person_id
    where f.family_id = ${tx.familyId} and not i.trashed and f.taken_in_at < ${over} and coalesce(said.at < ${over}, true)
      and p.name is null and p.child_id is null and not coalesce(p.perhaps_ours, false)
      and not exists (select 1 from cluster.questions q
        where q.family_id = f.family_id and (q.question_id = f.face_id or f.face_id = any(q.alike)))
      and not exists (select 1 from cluster.faces c where c.family_id = f.family_id and c.person_id = f.person_id and c.confirmed
        and c.face_id = any(${confirmedFaces(words)}::uuid[]))
    order by f.taken_in_at, f.face_id limit ${ERASED_AT_ONCE}`)
  if (faces.length > 0) await beginFaceErasure(tx, faces)
  await lookAgain(tx, faces.length === ERASED_AT_ONCE ? '5 seconds' : '1 day')
  return faces.length
}

async function lookAgain(tx: FamilyTx, after: '5 seconds' | '5 minutes' | '1 day'): Promise<0> {
  await tx.changed(sql`
    update cluster.families set expiry_at = now() + ${after}::interval where family_id = ${tx.familyId}`)
  return 0
}

/** The family's setting changed: its unknown faces are looked at soon. */
export const expireSoon = (tx: FamilyTx): Promise<number> =>
  tx.changed(sql`update cluster.families set expiry_at = now() where family_id = ${tx.familyId}`)

/** One look at families that are due; each takes one batch, so that a large one holds nobody up. Several processes may do so at once. Says how many faces went. */
export async function expireUnknown(db: Db, keptDays: KeptDays, stop: AbortSignal): Promise<number> {
  const due = await db.system('families whose unknown faces may be over their time', tx =>
    tx.many<{ familyId: string }>(
      sql`select family_id from cluster.families where expiry_at <= now() order by expiry_at limit ${FAMILIES}`,
    ),
  )
  let gone = 0
  for (const { familyId } of due) {
    stop.throwIfAborted()
    try {
      const days = await keptDays(familyId, AbortSignal.any([stop, AbortSignal.timeout(CALL_MS)]))
      gone += await withFamily(familyId, () =>
        db.family(familyId, tx => (days === undefined ? lookAgain(tx, '1 day') : expireFaces(tx, days))),
      )
    } catch (error) {
      if (stop.aborted) throw error
      logger('cluster').warn(
        { err: error, family_id: familyId },
        'unknown faces could not be looked at; it is tried again',
      )
      await db.family(familyId, tx => lookAgain(tx, '5 minutes'))
    }
  }
  return gone
}

/** Erases unknown faces whose time is over, while the service runs. */
export class ExpirySweeper {
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(
    private readonly db: Db,
    private readonly keptDays: KeptDays,
  ) {}

  start(): void {
    this.#loop = this.#watch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await expireUnknown(this.db, this.keptDays, signal)
      } catch (error) {
        if (!signal.aborted) logger('cluster').warn({ err: error }, 'unknown faces wait to be looked at')
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
