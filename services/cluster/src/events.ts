import type { FamilyTx } from '@keepsake/db'
import { Db } from '@keepsake/db'
import {
  FacesDetected,
  FamilyChanged,
  MediaChanged,
  MediaRemoved,
  OnEvent,
  OnEventWork,
  type EventContext,
} from '@keepsake/events'
import { Controller } from '@nestjs/common'
import { dropFaces, eraseFamily, eraseItems, knownItems, setTrashed, takeFaces, takeFacts } from './intake.js'
import { Peers } from './peers.js'
import { touch } from './store.js'

/** What cluster does about what happened. */
@Controller()
export class ClusterEvents {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  @OnEventWork(FacesDetected, { concurrency: 8, deadlineMs: 120_000 })
  async faces(event: FacesDetected, context: EventContext) {
    const [items, facts] = await Promise.all([
      this.peers.faces(context.familyId, [event.mediaId], context.signal),
      this.peers.describe(context.familyId, [event.mediaId], context.signal),
    ])
    const item = items[0]
    // Nothing there: erased, or consent withdrawn, before we asked. An answer that was on its way while the family was erased here may have
    // been stored after it: face says of each such item that it has none, in the item's own order, so this is the last word.
    if (!item) return (tx: FamilyTx) => dropFaces(tx, event.mediaId)
    return (tx: FamilyTx) => takeFaces(tx, item, facts.get(event.mediaId))
  }

  @OnEventWork(MediaChanged, { concurrency: 2, deadlineMs: 120_000 })
  async changed(event: MediaChanged, context: EventContext) {
    const { familyId, signal } = context
    const restored = event.what.includes('restored')
    const known = await this.db.family(familyId, tx => knownItems(tx, event.mediaIds), { signal })
    if (known.length === 0) return undefined
    const facts = await this.peers.describe(familyId, known, signal)
    return async (tx: FamilyTx) => {
      for (const id of [...facts.keys()].sort()) await takeFacts(tx, facts.get(id)!)
      if (restored) await setTrashed(tx, event.mediaIds, event.version, false)
    }
  }

  @OnEvent(MediaRemoved)
  removed(event: MediaRemoved, tx: FamilyTx): Promise<void> {
    return event.how === 'erased' ? eraseItems(tx, event.mediaIds) : setTrashed(tx, event.mediaIds, event.version, true)
  }

  @OnEventWork(FamilyChanged, { deadlineMs: 120_000 })
  async family(event: FamilyChanged, context: EventContext) {
    if (event.what === 'removed') return (tx: FamilyTx) => eraseFamily(tx)
    if (event.what === 'children') return async (tx: FamilyTx) => void (await touch(tx))
    if (event.what !== 'consent') return undefined
    const consent = await this.peers.consent(context.familyId, context.signal)
    return consent ? undefined : (tx: FamilyTx) => eraseFamily(tx, 'consent')
  }
}
