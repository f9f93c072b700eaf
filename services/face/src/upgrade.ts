import { sql, type FamilyTx } from '@keepsake/db'
import { FacesDetected, isGone, requestResyncOf } from '@keepsake/events'
import { noteConsent } from './consent.js'
import { keepPortraits, failureOf, GROUP, type DetectTools, WORK_MS } from './detect-item.js'
import { removedOf, wasErased, withoutRemoved } from './erase-faces.js'
import { markCrops, markStaleCrops } from './erase.js'
import { errors } from './errors.js'
import { idsOfItem, readFaces, readItem, replaceFaces, type StoredFace } from './store.js'

/** Days for which the vectors of the former version are kept after a switch, so that one can go back. */
export const FORMER_KEPT_DAYS = 14

/** Where a family is between two versions. */
export interface Versions {
  /** The version that holds. */
  pipeline: number
  /** The one being prepared. */
  next: number | null
  /** The one that held before. */
  former: number | null
  switchAnyway: boolean
}

/** The family's versions, and the lock that keeps an item from being stored while the family switches. Nothing where face has not heard of it. */
export const lockVersions = (tx: FamilyTx): Promise<Versions | undefined> =>
  tx.maybe<Versions>(sql`
    select pipeline, next_pipeline as next, former_pipeline as former, switch_anyway from face.families
    where family_id = ${tx.familyId} for update`)

/**
 * Begins to prepare a version beside the one that holds; going back to the former one is the same, and quick, because most of it is there. What the
 * version failed at before is tried again. Says whether there is anything to do: not without consent, nor for the version that holds.
 */
export async function beginUpgrade(tx: FamilyTx, to: number): Promise<boolean> {
  const begun = await tx.changed(sql`
    update face.families set next_pipeline = ${to}, upgrade_at = now(), switch_anyway = false
    where family_id = ${tx.familyId} and consent and pipeline <> ${to}`)
  if (begun === 0) return false
  await tx.changed(sql`
    delete from face.items where family_id = ${tx.familyId} and pipeline = ${to} and state = 'failed'`)
  return true
}

/** Items that the next version has not looked at as they are now, oldest first. */
export async function itemsToPrepare(tx: FamilyTx, most: number): Promise<string[]> {
  const rows = await tx.many<{ mediaId: string }>(sql`
    select i.media_id from face.families v
    join face.items i on i.family_id = v.family_id and i.pipeline = v.pipeline
    left join face.items n on n.family_id = i.family_id and n.media_id = i.media_id and n.pipeline = v.next_pipeline
    where v.family_id = ${tx.familyId} and v.next_pipeline is not null and (n.version is null or n.version < i.version)
    order by i.media_id limit ${most}`)
  return rows.map(row => row.mediaId)
}

/**
 * Looks at one item with the next version and stores what it sees beside what holds; a face at the place of an earlier one keeps its id, and with it
 * its name and what parents said. Nothing is told to anybody before the family switches. Doing it twice stores the same. Throws what may pass by
 * itself; what does not is stored as a failure of the item.
 */
export async function prepareItem(
  tools: DetectTools,
  familyId: string,
  mediaId: string,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const { db, peers } = tools
  const consent = await peers.consent(familyId, signal)
  const { versions, item, earlier, removed } = await db.family(familyId, async tx => ({
    versions: await lockVersions(tx),
    item: await readItem(tx, mediaId),
    earlier: await readFaces(tx, [mediaId]),
    removed: await removedOf(tx, mediaId),
  }))
  const next = versions?.next
  if (!consent?.given || !item || next === null || next === undefined) return
  const pipeline = tools.pipelines.find(next)
  // Another process runs the release that ships it.
  if (!pipeline) return
  let faces: StoredFace[] = []
  let failureCode: string | undefined
  try {
    const media = await peers.media(familyId, mediaId, signal)
    if (item.state === 'failed') failureCode = item.failureCode ?? undefined
    else {
      // An item that is being prepared anew is looked at again when it is ready.
      if (media?.state !== 'ready') throw errors.nothingToLookAtYet()
      const seen = await pipeline.observe(familyId, media, tools, {
        lane: 'backfill',
        deadline: Date.now() + WORK_MS,
        signal,
      })
      const kept = withoutRemoved(seen, removed, media.rotation)
      faces = await keepPortraits(tools, familyId, mediaId, kept, { earlier, removed, by: 'place' })
    }
  } catch (error) {
    failureCode = failureOf(error, attempt)
    if (failureCode === undefined || signal.aborted) throw error
  }
  await db.family(familyId, async tx => {
    const isAllowed = await noteConsent(tx, consent, tools.pipelines.newest.version)
    if (!isAllowed || (await isGone(tx, GROUP, 'media', mediaId))) return void (await markCrops(tx, [mediaId]))
    const now = await lockVersions(tx)
    const known = await readItem(tx, mediaId)
    // The family was moved, or the picture was turned meanwhile: it is looked at again, and what was kept of it goes.
    if (now?.next !== next || known?.version !== item.version)
      return void (await markStaleCrops(tx, mediaId, await idsOfItem(tx, mediaId)))
    const kept: StoredFace[] = []
    for (const face of [...faces].sort((a, b) => a.id.localeCompare(b.id)))
      if (!(await wasErased(tx, face.id))) kept.push(face)
    const failed = failureCode === undefined ? {} : { failureCode }
    await replaceFaces(tx, { mediaId, version: item.version, ...failed }, kept, next)
    await markStaleCrops(tx, mediaId, await idsOfItem(tx, mediaId))
  })
}

/** How far the next version is. */
export interface Progress {
  /** Items of the version that holds. */
  items: number
  /** Those that the next version has looked at. */
  prepared: number
  /** Those of which the next version sees nothing because it failed, while the one that holds did not. */
  newlyFailed: number
}

/** Counts how far the next version is. */
export const upgradeProgress = (tx: FamilyTx): Promise<Progress> =>
  tx.one<Progress>(sql`
    select count(i.media_id) as items, count(n.media_id) filter (where n.version >= i.version) as prepared,
      count(n.media_id) filter (where n.state = 'failed' and i.state = 'done') as newly_failed
    from face.families v
    left join face.items i on i.family_id = v.family_id and i.pipeline = v.pipeline
    left join face.items n on n.family_id = i.family_id and n.media_id = i.media_id and n.pipeline = v.next_pipeline
    where v.family_id = ${tx.familyId}`)

/**
 * Switches the family to the next version when every item is there in it, at once: one row says which version holds. Everything is announced again,
 * so that cluster takes the new vectors over. Says whether it switched. What fails in the new version only waits for an operator's word.
 */
export async function switchIfPrepared(tx: FamilyTx): Promise<boolean> {
  const versions = await lockVersions(tx)
  if (versions?.next === null || versions?.next === undefined) return false
  const { items, prepared, newlyFailed } = await upgradeProgress(tx)
  if (prepared < items || (newlyFailed > 0 && !versions.switchAnyway)) return false
  await tx.changed(sql`
    delete from face.items where family_id = ${tx.familyId} and pipeline not in (${versions.pipeline}, ${versions.next})`)
  await tx.changed(sql`
    update face.families set pipeline = next_pipeline, next_pipeline = null, former_pipeline = pipeline, switched_at = now(),
      switch_anyway = false
    where family_id = ${tx.familyId}`)
  await requestResyncOf(tx, FacesDetected)
  return true
}

/** Erases the vectors of the former version when their time is over, with the crops of faces that only it saw. Says how many rows went. */
export async function forgetFormer(tx: FamilyTx, keptDays = FORMER_KEPT_DAYS): Promise<number> {
  const versions = await lockVersions(tx)
  if (versions?.former === null || versions?.former === undefined || versions.next !== null) return 0
  const over = await tx.maybe(sql`
    select 1 from face.families
    where family_id = ${tx.familyId} and switched_at <= now() - ${keptDays} * interval '1 day'`)
  if (!over) return 0
  const gone = await tx.many<{ mediaId: string }>(sql`
    select distinct media_id from face.faces f where family_id = ${tx.familyId} and pipeline <> ${versions.pipeline}
      and not exists (select 1 from face.faces h where h.family_id = f.family_id and h.id = f.id and h.pipeline = ${versions.pipeline})`)
  const faces = await tx.changed(sql`
    delete from face.faces where family_id = ${tx.familyId} and pipeline <> ${versions.pipeline}`)
  const items = await tx.changed(sql`
    delete from face.items where family_id = ${tx.familyId} and pipeline <> ${versions.pipeline}`)
  for (const { mediaId } of gone) await markStaleCrops(tx, mediaId, await idsOfItem(tx, mediaId))
  await tx.changed(sql`update face.families set former_pipeline = null where family_id = ${tx.familyId}`)
  return faces + items
}
