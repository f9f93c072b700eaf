import { sql, type FamilyTx } from '@keepsake/db'
import { publish } from './publish.js'
import { ErasureReported, ErasureStarted } from './topics.js'

/** What an erasure is about. */
export type ErasureKind = 'item' | 'face' | 'consent' | 'member' | 'family'

/** The kind that a family.changed with an erasure's id began. */
export const erasureKindOf = (what: string): ErasureKind =>
  what === 'removed' ? 'family' : what === 'members' ? 'member' : 'consent'

/** What went: rows of the database and objects of the store. */
export interface Removed {
  readonly rows: number
  readonly objects?: number
}

/** What begins. */
export interface ErasureBegun {
  readonly kind: ErasureKind
  /** Items, faces or the member. */
  readonly ids?: readonly string[]
  /** The items that the faces are on. */
  readonly mediaIds?: readonly string[]
  /** Who asked; nobody for a sweep. */
  readonly byMemberId?: string | undefined
}

/**
 * Begins an erasure in the transaction that removes the thing itself, and answers its id: the receipt's. The owners of what was derived hear of
 * the removal itself (media.removed, family.changed, or this event) and report under the id.
 */
export async function startErasure(tx: FamilyTx, begun: ErasureBegun): Promise<string> {
  const { id } = await tx.one<{ id: string }>(sql`select uuidv7() as id`)
  const { kind, ids = [], mediaIds = [], byMemberId = '' } = begun
  await publish(tx, ErasureStarted, { erasureId: id, kind, ids: [...ids], mediaIds: [...mediaIds], byMemberId })
  return id
}

/**
 * Says that nothing is left with `owner`, in the transaction that removed the last of it. Without an id (the removal was told again and belongs to
 * no receipt) nothing is said.
 */
export async function reportErasure(
  tx: FamilyTx,
  erasureId: string | undefined,
  kind: ErasureKind,
  owner: string,
  { rows, objects = 0 }: Removed,
): Promise<void> {
  if (erasureId) await publish(tx, ErasureReported, { erasureId, kind, owner, rows, objects })
}
