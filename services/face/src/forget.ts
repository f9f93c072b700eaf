import { sql } from '@keepsake/db'
import {
  bury,
  FacesDetected,
  MediaIngested,
  publish,
  requestResync,
  type ErasureOverdue,
  type EventContext,
  type FamilyChanged,
  type MediaRemoved,
} from '@keepsake/events'
import { noteConsent } from './consent.js'
import { GROUP, type Effect } from './detect-item.js'
import { eraseKeepingPlaces } from './erase-faces.js'
import { beginAnew, forgetFamily, forgetItems } from './erase.js'
import { noteErasure } from './erasures.js'
import type { FaceTools } from './events.js'

/** Erased items lose everything; those in the trash keep their faces for a restore. */
export function onMediaRemoved(
  { sweep }: Pick<FaceTools, 'sweep'>,
  { how, mediaIds, erasureId }: MediaRemoved,
): Effect | undefined {
  if (how !== 'erased') return undefined
  return async tx => {
    await bury(tx, GROUP, 'media', mediaIds)
    await noteErasure(tx, erasureId, 'item', mediaIds, await forgetItems(tx, mediaIds))
    sweep()
  }
}

/** Consent given: every item is asked for again. Withdrawn, or the family gone: everything goes. */
export async function onFamilyChanged(
  { db, peers, pipelines, sweep }: Pick<FaceTools, 'db' | 'peers' | 'pipelines' | 'sweep'>,
  { what, erasureId }: FamilyChanged,
  { familyId, signal }: EventContext,
): Promise<Effect | undefined> {
  if (!['created', 'consent', 'removed'].includes(what)) return undefined
  const word = what === 'removed' ? undefined : await peers.consent(familyId, signal)
  if (word?.given && what === 'consent') await requestResync(db, MediaIngested, familyId)
  return async tx => {
    // A family that is gone says no for ever: nothing it said before can be newer.
    const isGiven = await noteConsent(
      tx,
      word ?? { given: false, version: Number.MAX_SAFE_INTEGER },
      pipelines.newest.version,
    )
    // A withdrawal erases although consent may have been given again since: what was found before it goes.
    if (isGiven && erasureId === undefined) return
    const { items, rows } = await forgetFamily(tx)
    await beginAnew(tx, pipelines.newest.version)
    for (const { mediaId, version } of items) await publish(tx, FacesDetected, { mediaId, version, faces: 0 })
    await tx.changed(sql`delete from face.removed where family_id = ${tx.familyId}`)
    await noteErasure(tx, erasureId, what === 'removed' ? 'family' : 'consent', [], rows)
    sweep()
  }
}

/** Face has not reported: what is left goes, and is reported. */
export async function onErasureOverdue(
  tools: Pick<FaceTools, 'db' | 'peers' | 'pipelines' | 'sweep'>,
  { erasureId, kind, ids, mediaIds, owners }: ErasureOverdue,
  context: EventContext,
): Promise<Effect | undefined> {
  if (!owners.includes(GROUP)) return undefined
  if (kind === 'item') return onMediaRemoved(tools, { mediaIds: ids, how: 'erased', version: 0, erasureId })
  if (kind === 'face') return eraseKeepingPlaces(tools, { erasureId, ids, mediaIds }, context)
  const what = kind === 'family' ? 'removed' : 'consent'
  return onFamilyChanged(tools, { what, version: 0, erasureId }, context)
}
