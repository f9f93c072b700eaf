import type { FamilyTx } from '@keepsake/db'
import { Db } from '@keepsake/db'
import {
  ErasureOverdue,
  erasureKindOf,
  ErasureStarted,
  FacesDetected,
  FamilyChanged,
  MediaChanged,
  MediaRemoved,
  OnEvent,
  OnEventWork,
  reportErasure,
  type EventContext,
} from '@keepsake/events'
import { Controller } from '@nestjs/common'
import {
  dropFaces,
  eraseFaces,
  eraseFamily,
  eraseItems,
  tellPeople,
  GROUP,
  knownItems,
  setTrashed,
  takeFaces,
  takeFacts,
} from './intake.js'
import { expireSoon } from './expiry.js'
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
  async removed(event: MediaRemoved, tx: FamilyTx): Promise<void> {
    if (event.how !== 'erased') return setTrashed(tx, event.mediaIds, event.version, true)
    await reportErasure(tx, event.erasureId, 'item', GROUP, { rows: await eraseItems(tx, event.mediaIds) })
  }

  @OnEventWork(FamilyChanged, { deadlineMs: 120_000 })
  async family(event: FamilyChanged, context: EventContext) {
    const erase = async (tx: FamilyTx) =>
      reportErasure(tx, event.erasureId, erasureKindOf(event.what), GROUP, {
        rows: await eraseFamily(tx, event.what, event.what === 'consent' ? event.erasureId : undefined),
      })
    if (event.what === 'removed') return erase
    if (event.what === 'settings') return async (tx: FamilyTx) => void (await expireSoon(tx))
    if (event.what === 'children') return async (tx: FamilyTx) => void (await touch(tx))
    if (event.what !== 'consent') return undefined
    // A withdrawal erases although consent may have been given again since: what was found before it goes.
    if (event.erasureId !== undefined) return erase
    const consent = await this.peers.consent(context.familyId, context.signal)
    return consent ? undefined : erase
  }

  @OnEvent(ErasureStarted)
  async erasure(event: ErasureStarted, tx: FamilyTx): Promise<void> {
    if (event.kind === 'face')
      await reportErasure(tx, event.erasureId, 'face', GROUP, { rows: await eraseFaces(tx, event) })
  }

  @OnEvent(ErasureOverdue)
  async overdue(event: ErasureOverdue, tx: FamilyTx): Promise<void> {
    const { erasureId, kind, ids, owners } = event
    const isMine = owners.includes(GROUP)
    if (kind === 'item' && isMine)
      await reportErasure(tx, erasureId, 'item', GROUP, { rows: await eraseItems(tx, ids) })
    // Album waits for word of who is left on the items.
    else if (kind === 'face' && (isMine || owners.includes('album')))
      await reportErasure(tx, erasureId, 'face', GROUP, { rows: await eraseFaces(tx, event) })
    else if (kind === 'family' && isMine)
      await reportErasure(tx, erasureId, 'family', GROUP, { rows: await eraseFamily(tx) })
    else if (kind === 'consent' && isMine)
      await reportErasure(tx, erasureId, 'consent', GROUP, { rows: await eraseFamily(tx, 'consent', erasureId) })
    // Album waits for word that nobody is known any more.
    else if (kind === 'consent' && owners.includes('album')) await tellPeople(tx, erasureId)
  }
}
