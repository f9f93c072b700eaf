import { availableParallelism } from 'node:os'
import { publish, MediaAccepted, MediaIngested } from '@keepsake/events'
import { sql, type FamilyTx } from '@keepsake/db'
import { sniff, sniffBytes, type Sniffed } from '@keepsake/media'
import type { FinishUploadResponse } from '@keepsake/proto/ingest/v1'
import { familyOf, KeepsakeError, type Call } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import { objectSource, type ByteSource } from './byte-source.js'
import { mediaPrefix, originalKey, uploadPrefix, type Deps, type FamilySettings } from './deps.js'
import { describeItem, takenAt, type Embedded } from './describe.js'
import { refuse } from './errors.js'
import type { MetadataFacts } from './facts.js'
import { HEAD_BYTES, imageMetadataOf } from './image-metadata.js'
import { lockItem, saveDescription, sidecarsOf, type ItemRow, type Kind } from './item.js'
import { isDated } from './capture-time.js'
import { isLivePair, liveStem, type Clip, type Half } from './live-photo.js'
import { readQuickTime } from './quick-time.js'
import { MAX_SIDECAR_BYTES, mayBeSidecar, parseSidecar, sidecarTarget, stemOf } from './sidecar.js'
import { addPath, addPathOfOwn, findUpload, insertPath, lockUpload, type UploadRow } from './upload.js'

const log = logger('ingest')

/** How often items of the same bytes may appear while one upload is decided. */
const MOST_ROUNDS = 10

/** What a complete file turned out to be. */
type Arrival =
  | { is: 'sidecar'; facts: MetadataFacts | undefined }
  | {
      is: 'item'
      kind: Kind
      contentType: string
      embedded: Embedded
      contentIdentifier?: string | undefined
      durationS: number
    }

interface Composed {
  key: string
  size: number
  sha256: string
}

/**
 * Makes an item of a complete upload, or names the one it belongs to: the same bytes, the other half of a live photo, what a sidecar is
 * beside. Whatever order the files come in, one item comes out. Calling it again answers the same; after a crash it starts over.
 */
export async function finishUpload(deps: Deps, id: string, call: Call): Promise<FinishUploadResponse> {
  const familyId = familyOf(call)
  const upload = await findUpload(deps, id, call)
  if (upload.state === 'finished') return outcome(upload)
  if (upload.state === 'terminated') throw refuse('UPLOAD_TERMINATED')
  if (upload.position !== upload.size) throw refuse('UPLOAD_INCOMPLETE', { offset: String(upload.position) })

  try {
    return await finishOpen(deps, upload, call)
  } catch (error) {
    const now = await findUpload(deps, id, call).catch((reason: unknown) => {
      if (KeepsakeError.is(reason) && reason.reason === 'UPLOAD_NOT_FOUND') return undefined
      throw error
    })
    // Another call may have finished it meanwhile and removed the parts.
    if (now?.state === 'finished') return outcome(now)
    // The family or the item was erased meanwhile, and its bytes with it, but for those that were composed after that.
    if (now === undefined) await dropBytes(deps, familyId, id)
    throw error
  }
}

/** Removes every byte of an upload that is no more. What a crash keeps it from removing, the sweep removes. */
async function dropBytes(deps: Deps, familyId: string, id: string): Promise<void> {
  await deps.objects.removePrefix(uploadPrefix(familyId, id))
  await deps.objects.removePrefix(mediaPrefix(familyId, id))
}

async function finishOpen(deps: Deps, upload: UploadRow, call: Call): Promise<FinishUploadResponse> {
  const { familyId, id } = upload
  const { composed, arrival } = await composeAndLook(deps, familyId, upload, call.signal)
  const finished = await deps.finishing.run(familyId, { signal: call.signal }, () =>
    settle(deps, upload, call, composed, arrival),
  )
  const swept = sweepUpload(deps, familyId, finished).catch((error: unknown) =>
    log.warn({ err: error, uploadId: id }, 'parts of a finished upload stay until the next sweep'),
  )
  if (finished.mediaId !== null) await deps.register(familyId, finished.mediaId)
  await swept
  if (finished.state === 'terminated') throw refuse('UPLOAD_TERMINATED')
  return outcome(finished)
}

/** Decides what the file is, as often as items of the same bytes appear meanwhile. */
async function settle(
  deps: Deps,
  upload: UploadRow,
  call: Call,
  composed: Composed,
  arrival: Arrival,
): Promise<UploadRow> {
  const settings = await deps.settings(upload.familyId)
  // Which items with these bytes the member sees is album's to say, and is asked outside of the transaction; what appeared meanwhile is asked again.
  const asked = new Map<string, boolean>()
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const unasked = arrival.is === 'item' ? await sameBytes(deps, call, composed.sha256, asked) : []
    const seen = await deps.seen(call, unasked)
    for (const mediaId of unasked) asked.set(mediaId, seen.has(mediaId))
    const finished = await decide(deps, upload, call, { composed, arrival, settings, asked })
    if (finished) return finished
  }
  throw refuse('UPLOAD_RACED')
}

/** So many complete uploads of one family are decided at a time: a dozen short steps each, and a client that sends many files at once would fill the row for all. */
export const decidedAtOnce = () => Math.max(1, Math.floor(availableParallelism() / 2))

/** Items of these bytes that album was not asked about. */
async function sameBytes(
  deps: Deps,
  call: Call,
  sha256: string,
  asked: ReadonlyMap<string, boolean>,
): Promise<string[]> {
  const rows = await deps.db.familyRows<ItemOfBytes>(call, familyId => itemsWith(familyId, sha256))
  return rows.map(row => row.mediaId).filter(mediaId => !asked.has(mediaId))
}

type ItemOfBytes = { mediaId: string; uploadedBy: string }

const itemsWith = (familyId: string, sha256: string) => sql`
  select c.media_id, m.uploaded_by from ingest.contents c join ingest.media m on m.family_id = c.family_id and m.id = c.media_id
  where c.family_id = ${familyId} and c.sha256 = ${sha256} order by c.media_id`

/** Decides under locks what the file is, and remembers it; undefined when an item of the same bytes appeared that album must be asked about. */
async function decide(
  deps: Deps,
  upload: UploadRow,
  call: Call,
  found: { composed: Composed; arrival: Arrival; settings: FamilySettings; asked: ReadonlyMap<string, boolean> },
): Promise<UploadRow | undefined> {
  const { id } = upload
  const { composed, arrival, settings, asked } = found
  const { timeZone } = settings
  return deps.db.family(call, async tx => {
    // Everything that may turn out to be one item takes the same locks, always in the same order.
    const locks = locksOf(tx.familyId, upload, arrival, composed.sha256).sort()
    await tx.many(
      sql`select pg_advisory_xact_lock(hashtextextended(lock, 7305010)) from unnest(${locks}::text[]) as lock`,
    )
    const current = await lockUpload(deps, tx, id, call)
    if (current.state !== 'open') return current
    if (arrival.is === 'sidecar') {
      const mediaId = arrival.facts && (await attachSidecar(deps, tx, upload, arrival.facts, settings))
      return close(tx, id, mediaId, false, true)
    }
    const same = await tx.many<ItemOfBytes>(itemsWith(tx.familyId, composed.sha256))
    if (same.some(item => !asked.has(item.mediaId))) return undefined
    const known = same.find(item => asked.get(item.mediaId) === true)
    if (known) {
      await addPathOfOwn(tx, known, upload)
      return close(tx, id, known.mediaId, true, false)
    }
    const half = asHalf(arrival, upload, timeZone, deps.now())
    const { caller } = call
    const everyones = caller.kind === 'member' && caller.role === 'parent'
    const partner = half && (await findPartner(tx, half, arrival, upload, everyones, timeZone, deps.now()))
    if (partner) {
      await join(deps, tx, partner, arrival, composed, upload)
      return close(tx, id, partner.id, false, true)
    }
    await insertItem(deps, tx, upload, arrival, composed, timeZone)
    return close(tx, id, id, false, false)
  })
}

/** Removes what a finished upload leaves: its parts, and the composed bytes where another item has them. */
export async function sweepUpload(
  deps: Deps,
  familyId: string,
  upload: Pick<UploadRow, 'id' | 'mediaId' | 'state'>,
): Promise<void> {
  await deps.objects.removePrefix(uploadPrefix(familyId, upload.id))
  if (upload.mediaId !== upload.id) await deps.objects.removePrefix(mediaPrefix(familyId, upload.id))
  await deps.db.familyRows(
    familyId,
    () => sql`update ingest.uploads set swept = true where family_id = ${familyId} and id = ${upload.id}`,
  )
}

const outcome = (row: UploadRow): FinishUploadResponse => ({
  mediaId: row.mediaId ?? '',
  duplicate: row.duplicate,
  joined: row.joined,
})

async function composeAndLook(deps: Deps, familyId: string, upload: UploadRow, signal: AbortSignal) {
  const composed = await compose(deps, familyId, upload, signal)
  const arrival = await look(objectSource(deps.objects, composed.key, composed.size, signal), upload.fileName)
  return { composed, arrival }
}

/**
 * The upload's id becomes the item's, so a second try composes to the same place. The store joins the parts itself where it can; it reads them,
 * once, only when no writer saw all of them and so nobody knows their hash.
 */
async function compose(deps: Deps, familyId: string, upload: UploadRow, signal: AbortSignal): Promise<Composed> {
  const key = originalKey(familyId, upload.id)
  const parts = await deps.db.familyRows<{ key: string; size: number }>(
    familyId,
    () => sql`
      select key, size from ingest.upload_parts where family_id = ${familyId} and upload_id = ${upload.id} order by position`,
  )
  const contentType = 'application/octet-stream'
  const hash = upload.sha256 !== null && upload.position === upload.size ? { sha256: upload.sha256 } : {}
  const stored = await deps.objects.compose(parts, key, { contentType, signal, ...hash }).catch((error: unknown) => {
    const lost = KeepsakeError.is(error) && error.reason === 'OBJECT_NOT_FOUND'
    return lost ? startAgain(deps, familyId, upload) : Promise.reject(error as Error)
  })
  if (stored.size !== upload.size) throw refuse('UPLOAD_INCOMPLETE', { offset: String(stored.size) })
  return { key, ...stored }
}

/** The store has lost parts of an upload (it gives unfinished ones up after some days): the client is sent back to the beginning. */
async function startAgain(deps: Deps, familyId: string, { id, position }: UploadRow): Promise<never> {
  const again = await deps.db.family(familyId, async tx => {
    const reset = await tx.changed(sql`
      update ingest.uploads set position = 0, sha256 = null
      where family_id = ${familyId} and id = ${id} and state = 'open' and position = ${position} and lease is null`)
    if (reset > 0) {
      await tx.changed(sql`delete from ingest.upload_parts where family_id = ${familyId} and upload_id = ${id}`)
    }
    return reset > 0
  })
  if (again) await dropBytes(deps, familyId, id)
  throw refuse('UPLOAD_OFFSET_MISMATCH', { offset: '0' })
}

/**
 * Looks at a complete file just enough to know what it belongs to: some kilobytes of a video, the head of a picture. Broken files are items too:
 * working on them says what is wrong.
 */
async function look(source: ByteSource, fileName: string): Promise<Arrival> {
  const { size } = source
  // The head of a picture at once: what is read next lies within it.
  const head = await source.read(0, Math.max(HEAD_BYTES, sniffBytes))
  const sniffed: Sniffed = size === 0 ? { kind: 'empty' } : sniff(head.subarray(0, sniffBytes))
  if (mayBeSidecar(fileName) && sniffed.kind !== 'image' && sniffed.kind !== 'video') {
    return {
      is: 'sidecar',
      facts: size <= MAX_SIDECAR_BYTES ? parseSidecar(fileName, await source.read(0, size)) : undefined,
    }
  }
  if (sniffed.kind === 'video') {
    const { contentIdentifier, ...video } = await readQuickTime(source)
    return {
      is: 'item',
      kind: 'video',
      contentType: sniffed.contentType,
      embedded: { facts: { readings: [] }, video },
      contentIdentifier,
      durationS: video.durationS ?? 0,
    }
  }
  if (sniffed.kind === 'image') {
    const facts = await imageMetadataOf(bytes => source.read(0, bytes))
    return {
      is: 'item',
      kind: 'photo',
      contentType: sniffed.contentType,
      embedded: { facts },
      contentIdentifier: facts.contentIdentifier,
      durationS: 0,
    }
  }
  const contentType = 'contentType' in sniffed ? sniffed.contentType : 'application/octet-stream'
  return { is: 'item', kind: 'photo', contentType, embedded: { facts: { readings: [] } }, durationS: 0 }
}

function locksOf(familyId: string, upload: UploadRow, arrival: Arrival, sha256: string): string[] {
  const beside = (stem: string) => `beside ${familyId} ${upload.scope} ${upload.folder ?? ''} ${stem}`
  if (arrival.is === 'sidecar') {
    const target = sidecarTarget(upload.fileName)
    return [...new Set([beside(liveStem(target)), beside(liveStem(stemOf(target)))])]
  }
  return [
    `content ${familyId} ${sha256}`,
    ...(arrival.contentIdentifier ? [`live ${familyId} ${arrival.contentIdentifier}`] : []),
    ...new Set([beside(liveStem(upload.fileName)), beside(stemOf(upload.fileName))]),
  ]
}

const close = (tx: FamilyTx, id: string, mediaId: string | undefined, duplicate: boolean, joined: boolean) =>
  tx.one<UploadRow>(sql`
    update ingest.uploads set state = 'finished', lease = null, media_id = ${mediaId}, duplicate = ${duplicate}, joined = ${joined}
    where family_id = ${tx.familyId} and id = ${id} returning *`)

async function insertItem(
  deps: Deps,
  tx: FamilyTx,
  upload: UploadRow,
  arrival: Arrival & { is: 'item' },
  composed: Composed,
  timeZone: string,
): Promise<void> {
  const taken = takenAt(arrival.embedded, undefined, originOf(upload), timeZone, deps.now())
  const { at, ...rest } = taken
  // The keys that lead to the item are checked at the end of a statement: one is enough for all three rows.
  await tx.changed(sql`
    with item as (
      insert into ingest.media (family_id, id, kind, file_name, content_type, size, sha256, original_key, taken_at, dated, taken,
        content_identifier, burst_id, embedded, last_modified, audience, collections, uploaded_by)
      values (${tx.familyId}, ${upload.id}, ${arrival.kind}, ${upload.fileName}, ${arrival.contentType}, ${composed.size}, ${composed.sha256},
      ${composed.key}, ${at}, ${isDated(taken)}, ${sql.json(rest)}, ${arrival.contentIdentifier}, ${arrival.embedded.facts.burstId},
      ${sql.json(arrival.embedded)}, ${upload.lastModified}, ${upload.audience}, ${upload.collections}, ${upload.memberId})
    ), content as (
      insert into ingest.contents (family_id, sha256, media_id) values (${tx.familyId}, ${composed.sha256}, ${upload.id})
    )
    ${insertPath(tx.familyId, upload.id, upload)}`)
  await publish(tx, MediaAccepted, { mediaId: upload.id, version: 1 })
}

const originOf = (from: { fileName: string; lastModified: Date | null }) => ({
  fileName: from.fileName,
  lastModifiedMs: from.lastModified?.getTime(),
})

/** Keeps what a sidecar says, and tells it of the items it is beside. Their work may not be done yet: it asks again before it ends. */
async function attachSidecar(
  deps: Deps,
  tx: FamilyTx,
  upload: UploadRow,
  facts: MetadataFacts,
  settings: FamilySettings,
): Promise<string | undefined> {
  const folder = upload.folder ?? ''
  const target = sidecarTarget(upload.fileName)
  await tx.changed(sql`
    insert into ingest.sidecars (family_id, scope, folder, name, target, facts)
    values (${tx.familyId}, ${upload.scope}, ${folder}, ${upload.fileName.toLowerCase()}, ${target}, ${sql.json(facts)})
    on conflict (family_id, scope, folder, name) do update set facts = excluded.facts, received_at = now()`)
  const beside = await tx.many<{ mediaId: string }>(sql`
    select distinct media_id from ingest.paths
    where family_id = ${tx.familyId} and scope = ${upload.scope} and folder = ${folder} and (name = ${target} or stem = ${target})
    order by media_id`)
  for (const { mediaId } of beside) {
    const item = await lockItem(tx, mediaId)
    if (!item || item.state !== 'ready') continue
    const described = await describeItem(
      item.embedded,
      await sidecarsOf(tx, mediaId),
      originOf(item),
      settings,
      deps.places,
      deps.now(),
    )
    await saveDescription(tx, mediaId, described)
    const { version } = await tx.one<{ version: number }>(sql`
      update ingest.media set version = version + 1 where family_id = ${tx.familyId} and id = ${mediaId} returning version`)
    await publish(tx, MediaIngested, { mediaId, version, kind: item.kind })
  }
  return beside[0]?.mediaId
}

/** A file as one half of a live photo; undefined when it cannot be one. */
function asHalf(
  arrival: Arrival & { is: 'item' },
  upload: UploadRow,
  timeZone: string,
  nowMs: number,
): Clip | undefined {
  if (arrival.kind === 'photo' && !arrival.contentType.startsWith('image/')) return undefined
  const taken = takenAt(arrival.embedded, undefined, originOf(upload), timeZone, nowMs)
  return {
    id: upload.id,
    fileName: upload.fileName,
    folder: upload.folder ?? undefined,
    scope: upload.scope,
    contentIdentifier: arrival.contentIdentifier,
    at: taken.at.getTime(),
    dated: isDated(taken),
    durationS: arrival.durationS,
  }
}

async function findPartner(
  tx: FamilyTx,
  half: Clip,
  arrival: Arrival & { is: 'item' },
  upload: UploadRow,
  everyones: boolean,
  timeZone: string,
  nowMs: number,
): Promise<ItemRow | undefined> {
  // Only a parent may add a half to what somebody else uploaded: others may not even see it.
  const wanted = arrival.kind === 'photo' ? 'video' : 'photo'
  const candidates = await tx.many<ItemRow & { name: string | null }>(sql`
    select m.*, p.name from ingest.media m
    left join ingest.paths p on p.family_id = m.family_id and p.media_id = m.id and p.scope = ${upload.scope}
      and p.folder = ${upload.folder ?? ''} and p.live_stem = ${liveStem(upload.fileName)}
    where m.family_id = ${tx.familyId} and m.kind = ${wanted} and m.clip_key is null
      and (${everyones} or m.uploaded_by = ${upload.memberId})
      and (m.content_identifier = ${half.contentIdentifier} or (p.media_id is not null and ${upload.folder !== null}))
    order by m.content_identifier is distinct from ${half.contentIdentifier}, m.id
    for update of m`)
  return candidates.find(row => {
    const taken = takenAt(row.embedded, undefined, originOf(row), timeZone, nowMs)
    const other: Half = {
      id: row.id,
      fileName: row.name ?? row.fileName,
      folder: row.name === null ? undefined : half.folder,
      scope: half.scope,
      contentIdentifier: row.contentIdentifier ?? undefined,
      at: taken.at.getTime(),
      dated: isDated(taken),
    }
    return wanted === 'photo'
      ? isLivePair(other, half)
      : isLivePair(half, { ...other, durationS: row.embedded.video?.durationS ?? 0 })
  })
}

/** Puts the second half to the first: the item keeps its id, the still becomes the original, and work begins again. */
async function join(
  deps: Deps,
  tx: FamilyTx,
  partner: ItemRow,
  arrival: Arrival & { is: 'item' },
  composed: Composed,
  upload: UploadRow,
): Promise<void> {
  const still = arrival.kind === 'photo'
  const key = `${mediaPrefix(tx.familyId, partner.id)}${still ? 'still' : 'clip'}-${upload.id}`
  await deps.objects.compose([composed.key], key, { contentType: arrival.contentType, sha256: composed.sha256 })
  const embedded: Embedded = still
    ? { facts: arrival.embedded.facts, ...(partner.embedded.video && { video: partner.embedded.video }) }
    : { facts: partner.embedded.facts, ...(arrival.embedded.video && { video: arrival.embedded.video }) }
  const halves = still
    ? sql`original_key = ${key}, clip_key = ${partner.originalKey}, file_name = ${upload.fileName}, content_type = ${arrival.contentType},
        size = ${composed.size}, sha256 = ${composed.sha256}, burst_id = ${arrival.embedded.facts.burstId},
        last_modified = ${upload.lastModified}`
    : sql`clip_key = ${key}`
  const { version } = await tx.one<{ version: number }>(sql`
    update ingest.media set ${halves}, kind = 'live', clip_uploaded = true, state = 'pending', failure_code = null, failure_message = null,
      version = version + 1, embedded = ${sql.json(embedded)}, changed_at = now(),
      content_identifier = coalesce(content_identifier, ${arrival.contentIdentifier})
    where family_id = ${tx.familyId} and id = ${partner.id} returning version`)
  await tx.changed(sql`
    insert into ingest.contents (family_id, sha256, media_id) values (${tx.familyId}, ${composed.sha256}, ${partner.id})
    on conflict do nothing`)
  await addPath(tx, partner.id, upload)
  await publish(tx, MediaAccepted, { mediaId: partner.id, version })
}
