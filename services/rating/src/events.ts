import type { FamilyTx } from '@keepsake/db'
import {
  FacesDetected,
  FamilyChanged,
  MediaChanged,
  MediaReacted,
  MediaRemoved,
  OnEvent,
  PeopleChanged,
} from '@keepsake/events'
import { Controller } from '@nestjs/common'
import { erase, eraseFamily, hear } from './intake.js'
import { heard, markAllStale } from './store.js'

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
    if (event.how === 'erased') await erase(tx, event.mediaIds)
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
    if (event.what === 'removed') await eraseFamily(tx)
    else if (event.what === 'children' || event.what === 'consent') await markAllStale(tx)
  }
}
