import { sql, type FamilyTx } from '@keepsake/db'
import { reportErasure, type ErasureOverdue, type ErasureReported, type ErasureStarted } from '@keepsake/events'
import { GROUP, markAllStale, markStale } from './store.js'

// Those whose faces a rating is made with. While one of them still has a face, rating again would take it in again.
const sources = ['cluster', 'face']

/** A face or all faces are being erased. */
export async function erasureStarted(
  tx: FamilyTx,
  e: Pick<ErasureStarted, 'erasureId' | 'kind' | 'mediaIds'>,
): Promise<void> {
  if (e.kind !== 'face' && e.kind !== 'consent') return
  await note(tx, e.erasureId, e.kind, sql`true`, sql`${[...e.mediaIds]}::uuid[]`, [])
}

/** One of those that ratings are made with has no such face any more. */
export async function erasureReported(tx: FamilyTx, e: ErasureReported): Promise<void> {
  if ((e.kind !== 'face' && e.kind !== 'consent') || !sources.includes(e.owner)) return
  await note(tx, e.erasureId, e.kind, sql`false`, sql`'{}'::uuid[]`, [e.owner])
}

/** Rating is asked again: who is not overdue has reported. */
export async function erasureOverdue(tx: FamilyTx, e: ErasureOverdue): Promise<void> {
  if (e.kind !== 'face' && e.kind !== 'consent') return
  const reported = sources.filter(source => !e.owners.includes(source))
  await note(tx, e.erasureId, e.kind, sql`true`, sql`${[...e.mediaIds]}::uuid[]`, reported)
}

async function note(
  tx: FamilyTx,
  erasureId: string,
  kind: string,
  known: ReturnType<typeof sql>,
  mediaIds: ReturnType<typeof sql>,
  reported: readonly string[],
): Promise<void> {
  await tx.changed(sql`
    insert into rating.erasures as e (family_id, erasure_id, kind, known, media_ids, reported)
    values (${tx.familyId}, ${erasureId}, ${kind}, ${known}, ${mediaIds}, ${[...reported]}::text[])
    on conflict (family_id, erasure_id) do update set
      known = e.known or excluded.known,
      media_ids = case when excluded.known then excluded.media_ids else e.media_ids end,
      reported = array(select distinct unnest(e.reported || excluded.reported))`)
  const due = await tx.maybe<{ kind: string; mediaIds: string[] }>(sql`
    update rating.erasures set marked = true
    where family_id = ${tx.familyId} and erasure_id = ${erasureId} and known and not marked and reported @> ${sources}::text[]
    returning kind, media_ids`)
  if (due === undefined) return
  if (due.kind === 'consent') await markAllStale(tx)
  else await markStale(tx, due.mediaIds)
  await tx.changed(sql`
    update rating.erasures e set rows = (select count(*) from rating.stale s
      where s.family_id = e.family_id and (e.kind = 'consent' or s.media_id = any(e.media_ids)))
    where family_id = ${tx.familyId} and erasure_id = ${erasureId}`)
  await reportRated(tx)
}

/** Reports erasures whose items have all been rated again since. */
export async function reportRated(tx: FamilyTx): Promise<void> {
  const done = await tx.many<{ erasureId: string; kind: 'face' | 'consent'; rows: number }>(sql`
    delete from rating.erasures e where family_id = ${tx.familyId} and marked and not exists (
      select 1 from rating.stale s where s.family_id = e.family_id and (e.kind = 'consent' or s.media_id = any(e.media_ids)))
    returning erasure_id, kind, rows`)
  for (const { erasureId, kind, rows } of done) await reportErasure(tx, erasureId, kind, GROUP, { rows })
}
