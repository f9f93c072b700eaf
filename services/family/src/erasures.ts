import { isId, sql, type Db, type FamilyTx, type Tx } from '@keepsake/db'
import {
  ErasureOverdue,
  publish,
  startErasure,
  type ErasureBegun,
  type ErasureKind,
  type Removed,
} from '@keepsake/events'
import type { Erasure, ListErasuresRequest, ListErasuresResponse } from '@keepsake/proto/family/v1'
import { errors } from './errors.js'

/**
 * Who has something of each kind and must report: a receipt is complete when all of them have. `backups` are the keys without which no backup
 * gives the bytes back; this service destroys them.
 */
export const ownersOf: Readonly<Record<ErasureKind, readonly string[]>> = {
  item: ['album', 'backups', 'cluster', 'face', 'ingest', 'rating', 'render'],
  face: ['album', 'backups', 'cluster', 'face', 'rating'],
  consent: ['album', 'backups', 'cluster', 'face', 'rating'],
  member: ['album', 'backups', 'family', 'render'],
  family: ['album', 'backups', 'cluster', 'face', 'family', 'ingest', 'rating', 'render'],
}

/** Begins an erasure of this service and writes its receipt, in the transaction that removes the thing. Answers the receipt's id. */
export async function beginErasure(tx: FamilyTx, begun: ErasureBegun, accountId?: string): Promise<string> {
  const id = await startErasure(tx, begun)
  await recordErasure(tx, { erasureId: id, mediaIds: [], ids: [], ...begun }, accountId)
  return id
}

/** Writes a receipt, unless it is there. */
export async function recordErasure(
  tx: FamilyTx,
  e: {
    erasureId: string
    kind: string
    ids: readonly string[]
    mediaIds: readonly string[]
    byMemberId?: string | undefined
  },
  accountId?: string,
): Promise<void> {
  await inTurn(tx, e.erasureId)
  await tx.changed(sql`
    insert into family.erasures (family_id, erasure_id, kind, ids, media_ids, by_member, by_account)
    values (${tx.familyId}, ${e.erasureId}, ${e.kind}, ${[...e.ids]}::uuid[], ${[...e.mediaIds]}::uuid[],
      ${e.byMemberId || null}::uuid, ${accountId ?? null}::uuid)
    on conflict do nothing`)
  await complete(tx, e.erasureId)
}

/** Takes a report in; counts of several reports of one owner add up, the first one's time stays. */
export async function recordReport(
  tx: FamilyTx,
  erasureId: string,
  owner: string,
  { rows, objects = 0 }: Removed,
): Promise<void> {
  await inTurn(tx, erasureId)
  await tx.changed(sql`
    insert into family.erasure_reports as r (family_id, erasure_id, owner, rows, objects)
    values (${tx.familyId}, ${erasureId}, ${owner}, ${rows}, ${objects})
    on conflict (family_id, erasure_id, owner) do update set rows = r.rows + excluded.rows, objects = r.objects + excluded.objects`)
  await complete(tx, erasureId)
}

/** Of two that come at once the second sees what the first wrote: else each would miss the other, and nobody would find the receipt complete. */
async function inTurn(tx: FamilyTx, erasureId: string): Promise<void> {
  await tx.one(sql`select pg_advisory_xact_lock(hashtextextended(${erasureId}, 7305011))`)
}

async function complete(tx: FamilyTx, erasureId: string): Promise<void> {
  const receipt = await tx.maybe<{ kind: ErasureKind; owners: string[] }>(sql`
    select kind, array(select owner from family.erasure_reports r where r.family_id = e.family_id and r.erasure_id = e.erasure_id) as owners
    from family.erasures e where family_id = ${tx.familyId} and erasure_id = ${erasureId} and completed_at is null for update`)
  if (receipt === undefined || missing(receipt.kind, receipt.owners).length > 0) return
  await tx.changed(sql`
    update family.erasures set completed_at = now() where family_id = ${tx.familyId} and erasure_id = ${erasureId}`)
}

const missing = (kind: ErasureKind, reported: readonly string[]): string[] =>
  ownersOf[kind].filter(owner => !reported.includes(owner))

interface Row {
  familyId: string
  erasureId: string
  kind: ErasureKind
  ids: string[]
  mediaIds: string[]
  byMember: string | null
  startedAt: Date
  completedAt: Date | null
  reports: { owner: string; rows: number; objects: number; done_at: string }[]
}

const columns = sql`
  family_id, erasure_id, kind, ids, media_ids, by_member, started_at, completed_at,
  (select coalesce(jsonb_agg(to_jsonb(r)), '[]') from family.erasure_reports r
   where r.family_id = e.family_id and r.erasure_id = e.erasure_id) as reports`

const shown = (row: Row): Erasure => ({
  id: row.erasureId,
  kind: row.kind,
  ids: row.ids,
  byMemberId: row.byMember ?? '',
  startedAt: row.startedAt,
  completedAt: row.completedAt ?? undefined,
  owners: ownersOf[row.kind].map(name => {
    const report = row.reports.find(({ owner }) => owner === name)
    return {
      name,
      doneAt: report && new Date(report.done_at),
      rows: report?.rows ?? 0,
      objects: report?.objects ?? 0,
    }
  }),
})

/** Receipts of the family, newest first, at most 100 a page. The cursor is the last id. */
export async function listErasures(tx: FamilyTx, request: ListErasuresRequest): Promise<ListErasuresResponse> {
  if (request.cursor !== '' && !isId(request.cursor)) throw errors.invalid('cursor', 'This is no cursor.')
  const size = Math.min(100, Math.max(1, request.limit || 50))
  const rows = await tx.many<Row>(sql`
    select ${columns} from family.erasures e
    where family_id = ${tx.familyId} and ${request.cursor === '' ? sql`true` : sql`erasure_id < ${request.cursor}`}
    order by erasure_id desc limit ${size + 1}`)
  const page = rows.slice(0, size)
  return { erasures: page.map(shown), nextCursor: rows.length > size ? (page.at(-1)?.erasureId ?? '') : '' }
}

/** One receipt of the family. Throws ERASURE_NOT_FOUND. */
export async function getErasure(tx: FamilyTx, id: string): Promise<Erasure> {
  const row =
    isId(id) &&
    (await tx.maybe<Row>(sql`
      select ${columns} from family.erasures e where family_id = ${tx.familyId} and erasure_id = ${id}`))
  if (!row) throw errors.erasureNotFound()
  return shown(row)
}

/** A receipt that the account asked for, whatever became of the family. Crosses families: call it within Db.system. */
export async function getErasureOf(tx: Tx, accountId: string, id: string): Promise<Erasure> {
  const row =
    isId(id) &&
    (await tx.maybe<Row>(sql`
      select ${columns} from family.erasures e where erasure_id = ${id} and by_account = ${accountId}`))
  if (!row) throw errors.erasureNotFound()
  return shown(row)
}

/** Asks owners again that have not reported for so long, ms. Several processes may do so at once. Says how many erasures were asked for. */
export async function askOverdue(db: Db, overdueMs: number): Promise<number> {
  const due = await db.system('erasures that are overdue', tx =>
    tx.many<{ familyId: string; erasureId: string }>(sql`
      select family_id, erasure_id from family.erasures
      where completed_at is null and asked_at < now() - ${overdueMs} * interval '1 ms' order by asked_at limit 200`),
  )
  let asked = 0
  for (const { familyId, erasureId } of due) {
    asked += await db.family(familyId, async tx => {
      const row = await tx.maybe<Row>(sql`
        select ${columns} from family.erasures e
        where family_id = ${familyId} and erasure_id = ${erasureId} and completed_at is null
          and asked_at < now() - ${overdueMs} * interval '1 ms' for update skip locked`)
      if (row === undefined) return 0
      const owners = missing(
        row.kind,
        row.reports.map(({ owner }) => owner),
      )
      if (owners.length === 0) {
        await complete(tx, erasureId)
        return 0
      }
      await tx.changed(sql`
        update family.erasures set asked_at = now() where family_id = ${familyId} and erasure_id = ${erasureId}`)
      await publish(tx, ErasureOverdue, { erasureId, kind: row.kind, ids: row.ids, mediaIds: row.mediaIds, owners })
      return 1
    })
  }
  return asked
}
