import { randomUUID } from 'node:crypto'
import { sql, type FamilyTx, type Sql } from '@keepsake/db'
import { isGone } from '@keepsake/events'
import type { CreateUploadRequest, Upload } from '@keepsake/proto/ingest/v1'
import { familyOf, requireMember, type Call } from '@keepsake/rpc'
import { originalKey, uploadPrefix, type Deps } from './deps.js'
import { refuse } from './errors.js'
import { liveStem } from './live-photo.js'
import { stemOf } from './sidecar.js'

/** An upload as it is stored. */
export interface UploadRow {
  id: string
  familyId: string
  memberId: string
  size: number
  position: number
  fileName: string
  lastModified: Date | null
  audience: string
  collections: string[]
  scope: string
  folder: string | null
  state: 'open' | 'finished' | 'terminated'
  lease: string | null
  leaseUntil: Date | null
  lastLease: string | null
  /** Of the bytes up to `position`, where one writer saw them all. */
  sha256: string | null
  mediaId: string | null
  duplicate: boolean
  joined: boolean
  expiresAt: Date
}

/**
 * Opens an upload, or says at once that the bytes are here already where the client knows their SHA-256. A digest proves nothing: who may not
 * see every item hears so only of what she uploaded herself, and sends the bytes otherwise.
 */
export async function createUpload(deps: Deps, request: CreateUploadRequest, call: Call): Promise<Upload> {
  const member = requireMember(call)
  if (!Number.isSafeInteger(request.size) || request.size < 0) throw refuse('UPLOAD_SIZE_INVALID')
  if (request.size > deps.knobs.maxUpload) throw refuse('UPLOAD_TOO_LARGE', { maxBytes: String(deps.knobs.maxUpload) })
  const fileName = cleanFileName(request.fileName)
  const audience = checkedAudience(request.audience)
  const folder = folderOf(request.relativePath)
  // Without an import, names mean something only among one member's uploads of a day: cameras begin again at IMG_0001. The name of an import is
  // the client's; only the member makes it one's own.
  const day = new Date(deps.now()).toISOString().slice(0, 10)
  const scope =
    request.importId === ''
      ? `member:${member.memberId}:${day}`
      : `import:${member.memberId}:${request.importId.slice(0, 200)}`
  const expiresAt = new Date(deps.now() + deps.knobs.uploadMs)
  const candidates = /^[0-9a-f]{64}$/i.test(request.sha256)
    ? await deps.db.family(call, tx =>
        tx.many<{ mediaId: string; uploadedBy: string }>(sql`
          select c.media_id, m.uploaded_by from ingest.contents c join ingest.media m on m.family_id = c.family_id and m.id = c.media_id
          where c.family_id = ${tx.familyId} and c.sha256 = ${request.sha256.toLowerCase()}
            and (${member.role === 'parent'} or m.uploaded_by = ${member.memberId})
          order by c.media_id limit 20`),
      )
    : []
  const seen = await deps.seen(
    call,
    candidates.map(c => c.mediaId),
  )
  const known = candidates.find(c => seen.has(c.mediaId))
  return deps.db.family(call, async tx => {
    if (await isGone(tx, 'ingest', 'family', tx.familyId)) throw refuse('FAMILY_REMOVED')
    const row = await tx.one<UploadRow>(sql`
      insert into ingest.uploads (family_id, member_id, size, file_name, last_modified, audience, collections, scope, folder,
        expires_at, state, media_id, duplicate, position)
      values (${tx.familyId}, ${member.memberId}, ${request.size}, ${fileName}, ${request.lastModified}, ${audience},
        ${request.collections.slice(0, 20).map(c => c.slice(0, 200))}, ${scope}, ${folder}, ${expiresAt},
        ${known ? 'finished' : 'open'}, ${known?.mediaId}, ${known !== undefined}, ${known ? request.size : 0})
      returning *`)
    if (known) await addPathOfOwn(tx, known, { ...row, scope, folder, fileName })
    return toUpload(row)
  })
}

/** An upload of the calling member. */
export async function getUpload(deps: Deps, id: string, call: Call): Promise<Upload> {
  return toUpload(await findUpload(deps, id, call))
}

/** Takes the lease for one writer at the place where the upload goes on. */
export async function beginPart(deps: Deps, id: string, offset: number, call: Call) {
  return deps.db.family(call, async tx => {
    const row = await lockUpload(deps, tx, id, call)
    requireOpen(row)
    if (row.lease !== null && (row.leaseUntil?.getTime() ?? 0) > deps.now()) throw refuse('UPLOAD_BUSY')
    if (offset !== row.position) throw refuse('UPLOAD_OFFSET_MISMATCH', { offset: String(row.position) })
    const lease = randomUUID()
    const leaseUntil = new Date(deps.now() + deps.knobs.leaseMs)
    const { leases } = await tx.one<{ leases: number }>(sql`
      update ingest.uploads set lease = ${lease}, lease_until = ${leaseUntil}, leases = leases + 1
      where family_id = ${tx.familyId} and id = ${id} returning leases`)
    // The key names the lease: a writer who lost it cannot overwrite what its successor wrote.
    const key = `${uploadPrefix(tx.familyId, id)}${row.position}-${lease}`
    const target = originalKey(tx.familyId, id)
    return { key, lease, leaseUntil, remaining: row.size - row.position, target, number: leases }
  })
}

/**
 * Records what was written under the lease and gives it back. A lease that ran out still counts as long as nobody has taken it over:
 * a slow connection is no reason to throw bytes away.
 */
export async function commitPart(
  deps: Deps,
  id: string,
  { lease, size, sha256 = '' }: { lease: string; size: number; sha256?: string },
  call: Call,
): Promise<Upload> {
  return deps.db.family(call, async tx => {
    const row = await lockUpload(deps, tx, id, call)
    if (row.lease !== lease && row.lastLease === lease) return toUpload(row) // recorded already; the answer was lost
    requireOpen(row)
    if (row.lease !== lease) throw refuse('UPLOAD_LEASE_LOST', { offset: String(row.position) })
    if (!Number.isSafeInteger(size) || size < 0 || row.position + size > row.size) throw refuse('PART_TOO_LARGE')
    const key = `${uploadPrefix(tx.familyId, id)}${row.position}-${lease}`
    const part = sql`
      with part as (
        insert into ingest.upload_parts (family_id, upload_id, position, size, key)
        values (${tx.familyId}, ${id}, ${row.position}, ${size}, ${key}))`
    return toUpload(
      await tx.one<UploadRow>(sql`
        ${size > 0 ? part : sql.empty}
        update ingest.uploads set position = position + ${size}, lease = null, lease_until = null, last_lease = ${lease},
          sha256 = ${size === 0 ? sql`sha256` : /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null},
          expires_at = ${new Date(deps.now() + deps.knobs.uploadMs)}
        where family_id = ${tx.familyId} and id = ${id} returning *`),
    )
  })
}

/** Gives an unfinished upload up. Its bytes go at once; what was finished stays as it is. */
export async function terminateUpload(deps: Deps, id: string, call: Call): Promise<void> {
  const familyId = familyOf(call)
  await deps.db.family(call, async tx => {
    const row = await lockUpload(deps, tx, id, call)
    if (row.state === 'finished') throw refuse('UPLOAD_FINISHED')
    await tx.changed(sql`
      update ingest.uploads set state = 'terminated', lease = null, swept = false where family_id = ${familyId} and id = ${id}`)
  })
  await deps.objects.removePrefix(uploadPrefix(familyId, id))
  await deps.db.family(familyId, tx =>
    tx.changed(sql`update ingest.uploads set swept = true where family_id = ${familyId} and id = ${id}`),
  )
}

const uploadOf = (familyId: string, id: string) =>
  sql`select * from ingest.uploads where family_id = ${familyId} and id = ${id}`

/** The caller's own upload as it is now; what belongs to another member does not exist for him. */
export async function findUpload(deps: Deps, id: string, call: Call): Promise<UploadRow> {
  const [row] = isUuid(id) ? await deps.db.familyRows<UploadRow>(call, familyId => uploadOf(familyId, id)) : []
  return ownUpload(deps, row, call)
}

/** The caller's own upload, which nobody else changes until the transaction ends. */
export async function lockUpload(deps: Deps, tx: FamilyTx, id: string, call: Call): Promise<UploadRow> {
  const row = isUuid(id) ? await tx.maybe<UploadRow>(sql`${uploadOf(tx.familyId, id)} for update`) : undefined
  return ownUpload(deps, row, call)
}

function ownUpload(deps: Deps, row: UploadRow | undefined, call: Call): UploadRow {
  if (!row || (call.caller.kind === 'member' && row.memberId !== call.caller.memberId)) throw refuse('UPLOAD_NOT_FOUND')
  if (row.state === 'open' && row.expiresAt.getTime() <= deps.now()) throw refuse('UPLOAD_EXPIRED')
  return row
}

function requireOpen(row: UploadRow): void {
  if (row.state === 'terminated') throw refuse('UPLOAD_TERMINATED')
  if (row.state === 'finished') throw refuse('UPLOAD_FINISHED')
}

/**
 * Remembers where a file of the member's own item lay. A copy of somebody else's item is no place beside which sidecars and clips may be laid: they
 * would change an item that is not the member's.
 */
export async function addPathOfOwn(
  tx: FamilyTx,
  item: { mediaId: string; uploadedBy: string },
  at: Pick<UploadRow, 'memberId' | 'scope' | 'folder' | 'fileName'>,
): Promise<void> {
  if (item.uploadedBy === at.memberId) await addPath(tx, item.mediaId, at)
}

/** Remembers where a file of an item lay. */
export async function addPath(tx: FamilyTx, mediaId: string, at: PlaceOfFile): Promise<void> {
  await tx.changed(insertPath(tx.familyId, mediaId, at))
}

/** Where a file lay, as its upload says. */
export type PlaceOfFile = Pick<UploadRow, 'scope' | 'folder' | 'fileName'>

/** The statement of `addPath`. */
export function insertPath(familyId: string, mediaId: string, at: PlaceOfFile): Sql {
  const name = at.fileName.normalize('NFC').toLowerCase()
  return sql`
    insert into ingest.paths (family_id, media_id, scope, folder, name, stem, live_stem)
    values (${familyId}, ${mediaId}, ${at.scope}, ${at.folder ?? ''}, ${name}, ${stemOf(name)}, ${liveStem(name)})
    on conflict do nothing`
}

/** The upload as callers see it. */
export function toUpload(row: UploadRow): Upload {
  return {
    id: row.id,
    size: row.size,
    offset: row.position,
    fileName: row.fileName,
    expiresAt: row.expiresAt,
    mediaId: row.mediaId ?? undefined,
    duplicate: row.duplicate,
    state: row.state,
  }
}

const isUuid = (id: string) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)

/** The base name, without what could mislead a reader (control and direction marks), at most 255 characters with its extension kept. */
export function cleanFileName(name: string): string {
  if (name.includes('\0') || name.length > 4_096) throw refuse('FILE_NAME_INVALID')
  const base = name.slice(name.search(/[^/\\]*$/)).normalize('NFC')
  const clean = base.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '').trim()
  if (clean === '' || /^\.+$/.test(clean)) throw refuse('FILE_NAME_INVALID')
  if (clean.length <= 255) return clean
  const extension = /\.[^.]{1,10}$/.exec(clean)?.[0] ?? ''
  return clean.slice(0, 255 - extension.length) + extension
}

/** The folder of a path inside an import, lower case; null where the upload came without a path. */
export function folderOf(relativePath: string): string | null {
  if (relativePath === '') return null
  const parts = relativePath.normalize('NFC').toLowerCase().split('/')
  return parts.slice(0, -1).join('/').slice(0, 2_000).replaceAll('\0', '')
}

function checkedAudience(text: string): string {
  if (text === '') return ''
  try {
    const { kind, ids } = JSON.parse(text) as { kind?: unknown; ids?: unknown }
    const known = typeof kind === 'string' && ['everyone', 'parents', 'groups', 'members'].includes(kind)
    const list = ids === undefined || (Array.isArray(ids) && ids.every(id => typeof id === 'string' && isUuid(id)))
    if (known && list && text.length <= 10_000) return text
  } catch {
    // falls through: what is no JSON is not understood either
  }
  throw refuse('AUDIENCE_INVALID')
}
