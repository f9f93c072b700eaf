import {
  ErasureOverdue,
  FamilyChanged,
  MediaAccepted,
  MediaChanged,
  MediaRemoved,
  OnEventWork,
  reportErasure,
  type EventContext,
} from '@keepsake/events'
import type { FamilyTx } from '@keepsake/db'
import { Controller } from '@nestjs/common'
import { Context } from './context.js'
import { eraseFamily, eraseMedia } from './erase.js'
import { redate } from './redate.js'
import { turnItem, workOn } from './work.js'

const HOUR_MS = 3_600_000

/** What ingest does about what happened. */
@Controller()
export class IngestEvents {
  constructor(private readonly context: Context) {}

  // Many at a time, because most of them only wait for their turn: a row of long videos must not keep photos waiting.
  @OnEventWork(MediaAccepted, { concurrency: 64, deadlineMs: 12 * HOUR_MS })
  accepted(event: MediaAccepted, context: EventContext) {
    return workOn(this.context, this.context.turns, event, context)
  }

  @OnEventWork(MediaChanged, { concurrency: 2, deadlineMs: HOUR_MS })
  async changed(event: MediaChanged, context: EventContext) {
    if (!event.what.includes('rotation')) return undefined
    const rotations = await this.context.rotation(context.familyId, event.mediaIds)
    const effects: ((tx: FamilyTx) => Promise<void>)[] = []
    for (const [mediaId, degrees] of rotations) {
      const rotation = degrees === 90 || degrees === 180 || degrees === 270 ? degrees : 0
      const effect = await turnItem(this.context, this.context.turns, mediaId, rotation, context)
      if (effect) effects.push(effect)
    }
    return async (tx: FamilyTx) => {
      for (const effect of effects) await effect(tx)
    }
  }

  @OnEventWork(MediaRemoved, { concurrency: 2 })
  async removed(event: MediaRemoved, context: EventContext) {
    if (event.how !== 'erased') return undefined
    const removed = await eraseMedia(this.context, context.familyId, event.mediaIds)
    return (tx: FamilyTx) => reportErasure(tx, event.erasureId, 'item', 'ingest', removed)
  }

  @OnEventWork(FamilyChanged)
  async familyChanged(event: FamilyChanged, context: EventContext) {
    this.context.forget(context.familyId)
    if (event.what === 'settings') await redate(this.context, context.familyId, context.signal)
    if (event.what !== 'removed') return undefined
    const removed = await eraseFamily(this.context, context.familyId)
    return (tx: FamilyTx) => reportErasure(tx, event.erasureId, 'family', 'ingest', removed)
  }

  @OnEventWork(ErasureOverdue)
  async overdue({ erasureId, kind, ids, owners }: ErasureOverdue, { familyId }: EventContext) {
    if (!owners.includes('ingest')) return undefined
    const removed =
      kind === 'family' ? await eraseFamily(this.context, familyId) : await eraseMedia(this.context, familyId, ids)
    return (tx: FamilyTx) => reportErasure(tx, erasureId, kind === 'family' ? 'family' : 'item', 'ingest', removed)
  }
}
