import {
  bury,
  FacesDetected,
  MediaIngested,
  publish,
  requestResync,
  type EventContext,
  type FamilyChanged,
  type MediaRemoved,
} from '@keepsake/events'
import { noteConsent } from './consent.js'
import { GROUP, type Effect } from './detect-item.js'
import { forgetFamily, forgetItems } from './erase.js'
import type { FaceTools } from './events.js'

/** Erased items lose everything; those in the trash keep their faces for a restore. */
export function onMediaRemoved(
  { sweep }: Pick<FaceTools, 'sweep'>,
  { how, mediaIds }: MediaRemoved,
): Effect | undefined {
  if (how !== 'erased') return undefined
  return async tx => {
    await bury(tx, GROUP, 'media', mediaIds)
    await forgetItems(tx, mediaIds)
    sweep()
  }
}

/** Consent given: every item is asked for again. Withdrawn, or the family gone: everything goes. */
export async function onFamilyChanged(
  { db, peers, sweep }: Pick<FaceTools, 'db' | 'peers' | 'sweep'>,
  { what }: FamilyChanged,
  { familyId, signal }: EventContext,
): Promise<Effect | undefined> {
  if (!['created', 'consent', 'removed'].includes(what)) return undefined
  const word = what === 'removed' ? undefined : await peers.consent(familyId, signal)
  if (word?.given && what === 'consent') await requestResync(db, MediaIngested, familyId)
  return async tx => {
    // A family that is gone says no for ever: nothing it said before can be newer.
    const isGiven = await noteConsent(tx, word ?? { given: false, version: Number.MAX_SAFE_INTEGER })
    if (isGiven) return
    for (const { mediaId, version } of await forgetFamily(tx))
      await publish(tx, FacesDetected, { mediaId, version, faces: 0 })
    sweep()
  }
}
