import { sql, type FamilyTx, type Tx } from '@keepsake/db'
import {
  bury,
  FacesDetected,
  FamilyChanged,
  MediaIngested,
  MediaRemoved,
  OnEventWork,
  publish,
  requestResync,
  type EventContext,
  type Resync,
} from '@keepsake/events'
import { Controller, Inject } from '@nestjs/common'
import { noteConsent } from './consent.js'
import { detectItem, GROUP, type DetectTools, type Effect } from './detect-item.js'
import { forgetFamily, forgetItems } from './erase.js'

/** Under this name Nest hands out the service's tools. */
export const FACE_TOOLS = Symbol('face tools')

/** What the consumer works with. */
export interface FaceTools extends DetectTools {
  /** Removes marked crops soon. */
  sweep(): void
}

/** Everything that happens elsewhere and matters to faces. */
@Controller()
export class FaceEvents {
  constructor(@Inject(FACE_TOOLS) private readonly tools: FaceTools) {}

  @OnEventWork(MediaIngested, { concurrency: 3, deadlineMs: 600_000 })
  async ingested(event: MediaIngested, context: EventContext): Promise<Effect | undefined> {
    return detectItem(this.tools, event, context)
  }

  /** Erased items lose everything; those in the trash keep their faces for a restore. */
  @OnEventWork(MediaRemoved)
  async removed(event: MediaRemoved): Promise<Effect | undefined> {
    if (event.how !== 'erased') return undefined
    setTimeout(() => this.tools.sweep(), 0)
    return async tx => {
      await bury(tx, GROUP, 'media', event.mediaIds)
      await forgetItems(tx, event.mediaIds)
    }
  }

  /** Consent given: every item is asked for again. Withdrawn, or the family gone: everything goes. */
  @OnEventWork(FamilyChanged)
  async familyChanged(event: FamilyChanged, { familyId, signal }: EventContext): Promise<Effect | undefined> {
    if (!['created', 'consent', 'removed'].includes(event.what)) return undefined
    const word = event.what === 'removed' ? undefined : await this.tools.peers.consent(familyId, signal)
    if (word?.given && event.what === 'consent') await requestResync(this.tools.db, MediaIngested, familyId)
    return async tx => {
      const isGiven = await noteConsent(tx, word ?? { given: false, version: Number.MAX_SAFE_INTEGER })
      if (isGiven) return
      for (const { mediaId, version } of await forgetFamily(tx))
        await publish(tx, FacesDetected, { mediaId, version, faces: 0 })
    }
  }
}

/** How faces.detected is published again. */
export const facesResync: Resync = {
  topic: FacesDetected,
  families: async (tx: Tx) =>
    (await tx.many<{ familyId: string }>(sql`select distinct family_id from face.items`)).map(row => row.familyId),
  publish: async (tx: FamilyTx) => {
    const items = await tx.many<{ mediaId: string; version: number; faces: number }>(sql`
      select media_id, version, (select count(*) from face.faces f where f.family_id = i.family_id and f.media_id = i.media_id) as faces
      from face.items i where family_id = ${tx.familyId} order by media_id`)
    for (const item of items) await publish(tx, FacesDetected, item)
  },
}
