import { Controller } from '@nestjs/common'
import { Db, type FamilyTx } from '@keepsake/db'
import {
  ErasureOverdue,
  FacesDetected,
  FamilyChanged,
  MediaChanged,
  MediaIngested,
  MediaRemoved,
  OnEvent,
  OnEventWork,
  type EventContext,
} from '@keepsake/events'
import { eraseAndReport, forgetMember } from './erasures.js'
import { makeAgain } from './movies.js'
import { Peers } from './peers.js'
import { GROUP } from './segments.js'
import { carryOut, itemsRemoved, judgeChanges, moviesWith, viewersChanged } from './withdraw.js'

/** What other services say, taken in. */
@Controller()
export class RenderEvents {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  @OnEvent(MediaRemoved)
  async removed(e: MediaRemoved, tx: FamilyTx): Promise<void> {
    if (e.how === 'erased') await eraseAndReport(tx, e.erasureId, 'item', e.mediaIds)
    else await itemsRemoved(tx, e.mediaIds, false)
  }

  @OnEventWork(MediaChanged, { deadlineMs: 60_000 })
  async changed(e: MediaChanged, context: EventContext): Promise<(tx: FamilyTx) => Promise<void>> {
    const verdicts = await judgeChanges(this.db, this.peers, context.familyId, e, context.signal)
    return tx => carryOut(tx, verdicts)
  }

  /** New bytes of an item that a film shows: a corrected rotation, a retry. */
  @OnEvent(MediaIngested)
  async ingested(e: MediaIngested, tx: FamilyTx): Promise<void> {
    await makeAgain(tx, await moviesWith(tx, [e.mediaId]), 'outdated')
  }

  /** Faces steer the framing: those of a turned picture lie elsewhere. */
  @OnEvent(FacesDetected)
  async faces(e: FacesDetected, tx: FamilyTx): Promise<void> {
    await makeAgain(tx, await moviesWith(tx, [e.mediaId]), 'outdated')
  }

  @OnEvent(FamilyChanged)
  async family(e: FamilyChanged, tx: FamilyTx): Promise<void> {
    if (e.what === 'removed') await eraseAndReport(tx, e.erasureId, 'family', [])
    else if (e.what === 'members' || e.what === 'groups') await viewersChanged(tx)
    if (e.memberId !== undefined) await forgetMember(tx, e.erasureId, e.memberId)
  }

  @OnEvent(ErasureOverdue)
  async overdue(e: ErasureOverdue, tx: FamilyTx): Promise<void> {
    if (!e.owners.includes(GROUP)) return
    if (e.kind === 'item' || e.kind === 'family') await eraseAndReport(tx, e.erasureId, e.kind, e.ids)
    else if (e.kind === 'member') await forgetMember(tx, e.erasureId, e.ids[0] ?? '')
  }
}
