import type { FamilyTx } from '@keepsake/db'
import {
  ErasureOverdue,
  ErasureReported,
  ErasureStarted,
  OnEvent,
  OnEventWork,
  type EventContext,
} from '@keepsake/events'
import type { KeyStore } from '@keepsake/media/key-store'
import { Controller, Inject } from '@nestjs/common'
import { recordErasure, recordReport } from './erasures.js'
import { forgetFamily } from './families.js'
import { forgetMember } from './members.js'

/** Under this name Nest hands out the keys of backups. */
export const KEY_STORE = Symbol('key store')

type Effect = (tx: FamilyTx) => Promise<void>

/** Keeps the receipts, and destroys keys. */
@Controller()
export class FamilyEvents {
  constructor(@Inject(KEY_STORE) private readonly keys: KeyStore | null) {}

  /** Keys go before the receipt says so; a crash in between is followed by a redelivery. */
  @OnEventWork(ErasureStarted)
  async started(e: ErasureStarted, { familyId }: EventContext): Promise<Effect> {
    const destroyed = await this.destroy(e, familyId)
    return async tx => {
      await recordErasure(tx, e)
      await recordReport(tx, e.erasureId, 'backups', { rows: 0, objects: destroyed })
    }
  }

  @OnEvent(ErasureReported)
  reported(e: ErasureReported, tx: FamilyTx): Promise<void> {
    return recordReport(tx, e.erasureId, e.owner, e)
  }

  @OnEventWork(ErasureOverdue)
  async overdue(e: ErasureOverdue, { familyId }: EventContext): Promise<Effect | undefined> {
    const destroyed = e.owners.includes('backups') ? await this.destroy(e, familyId) : undefined
    return async tx => {
      if (destroyed !== undefined) await recordReport(tx, e.erasureId, 'backups', { rows: 0, objects: destroyed })
      if (!e.owners.includes('family')) return
      const rows = e.kind === 'family' ? await forgetFamily(tx) : await forgetMember(tx, e.ids[0] ?? '')
      await recordReport(tx, e.erasureId, 'family', { rows })
    }
  }

  private destroy(
    e: { erasureId: string; kind: string; ids: string[]; mediaIds: string[] },
    familyId: string,
  ): Promise<number> {
    const { erasureId, kind, ids, mediaIds } = e
    const at = new Date().toISOString()
    return this.keys?.erase({ erasureId, familyId, kind, ids, mediaIds, at }) ?? Promise.resolve(0)
  }
}
