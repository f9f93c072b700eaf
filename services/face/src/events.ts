import {
  ErasureOverdue,
  ErasureStarted,
  FamilyChanged,
  MediaIngested,
  MediaRemoved,
  OnEventWork,
  type EventContext,
} from '@keepsake/events'
import { Controller, Inject } from '@nestjs/common'
import { detectItem, type DetectTools, type Effect } from './detect-item.js'
import { onErasureStarted } from './erase-faces.js'
import { onErasureOverdue, onFamilyChanged, onMediaRemoved } from './forget.js'
import type { UploadsUnderWay } from './upgrader.js'

/** Under this name Nest hands out the service's tools. */
export const FACE_TOOLS = Symbol('face tools')

/** What the consumer works with. */
export interface FaceTools extends DetectTools {
  /** Removes marked crops soon. */
  sweep(): void
  /** The uploads that are being looked at. */
  uploads: UploadsUnderWay
}

/** Everything that happens elsewhere and matters to faces. */
@Controller()
export class FaceEvents {
  constructor(@Inject(FACE_TOOLS) private readonly tools: FaceTools) {}

  @OnEventWork(MediaIngested, { concurrency: 4, deadlineMs: 600_000 })
  async ingested(event: MediaIngested, context: EventContext): Promise<Effect | undefined> {
    return this.tools.uploads.during(() => detectItem(this.tools, event, context))
  }

  @OnEventWork(MediaRemoved)
  async removed(event: MediaRemoved): Promise<Effect | undefined> {
    return onMediaRemoved(this.tools, event)
  }

  @OnEventWork(FamilyChanged)
  async familyChanged(event: FamilyChanged, context: EventContext): Promise<Effect | undefined> {
    return onFamilyChanged(this.tools, event, context)
  }

  @OnEventWork(ErasureStarted, { deadlineMs: 120_000 })
  async erasure(event: ErasureStarted, context: EventContext): Promise<Effect | undefined> {
    return onErasureStarted(this.tools, event, context)
  }

  @OnEventWork(ErasureOverdue)
  async overdue(event: ErasureOverdue, context: EventContext): Promise<Effect | undefined> {
    return onErasureOverdue(this.tools, event, context)
  }
}
