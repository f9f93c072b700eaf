import type { FamilyTx } from '@keepsake/db'
import {
  ErasureOverdue,
  ErasureReported,
  ErasureStarted,
  FacesDetected,
  FamilyChanged,
  MediaChanged,
  MediaReacted,
  MediaRemoved,
  OnEvent,
  PeopleChanged,
  reportErasure,
} from '@keepsake/events'
import { Controller } from '@nestjs/common'
import { erasureOverdue, erasureReported, erasureStarted } from './erasures.js'
import { erase, eraseFamily, hear } from './intake.js'
import { GROUP, heard, markAllStale } from './store.js'

/** What rating does about what happened: it notes which items to rate again, and asks for their present state when it does. */
@Controller()
export class RatingEvents {
  @OnEvent(MediaChanged)
  async changed(event: MediaChanged, tx: FamilyTx): Promise<void> {
    await heard(tx, { album: event.version })
    if (event.mediaIds.length === 0 && event.what.includes('blocks')) await markAllStale(tx)
    else await hear(tx, event.mediaIds)
  }

  @OnEvent(MediaReacted)
  async reacted(event: MediaReacted, tx: FamilyTx): Promise<void> {
    await heard(tx, { album: event.version })
    await hear(tx, [event.mediaId])
  }

  @OnEvent(MediaRemoved)
  async removed(event: MediaRemoved, tx: FamilyTx): Promise<void> {
    await heard(tx, { album: event.version })
    if (event.how === 'erased')
      await reportErasure(tx, event.erasureId, 'item', GROUP, { rows: await erase(tx, event.mediaIds) })
    // The catalogue says whether it still is in the trash when it is looked at.
    else await hear(tx, event.mediaIds)
  }

  @OnEvent(FacesDetected)
  faces(event: FacesDetected, tx: FamilyTx): Promise<void> {
    return hear(tx, [event.mediaId])
  }

  @OnEvent(PeopleChanged)
  async people(event: PeopleChanged, tx: FamilyTx): Promise<void> {
    await heard(tx, { people: event.version })
    if (event.all) await markAllStale(tx)
    else await hear(tx, event.mediaIds)
  }

  @OnEvent(FamilyChanged)
  async family(event: FamilyChanged, tx: FamilyTx): Promise<void> {
    if (event.what === 'removed')
      await reportErasure(tx, event.erasureId, 'family', GROUP, { rows: await eraseFamily(tx) })
    else if (event.what === 'children' || event.what === 'consent') await markAllStale(tx)
  }

  @OnEvent(ErasureStarted)
  erasureStarted(event: ErasureStarted, tx: FamilyTx): Promise<void> {
    return erasureStarted(tx, event)
  }

  @OnEvent(ErasureReported)
  erasureReported(event: ErasureReported, tx: FamilyTx): Promise<void> {
    return erasureReported(tx, event)
  }

  @OnEvent(ErasureOverdue)
  async erasureOverdue(event: ErasureOverdue, tx: FamilyTx): Promise<void> {
    const { erasureId, kind, ids, owners } = event
    if (!owners.includes(GROUP)) return
    if (kind === 'item') await reportErasure(tx, erasureId, 'item', GROUP, { rows: await erase(tx, ids) })
    else if (kind === 'family') await reportErasure(tx, erasureId, 'family', GROUP, { rows: await eraseFamily(tx) })
    else await erasureOverdue(tx, event)
  }
}
