import { sql, type Sql } from '@keepsake/db'
import type { Call } from '@keepsake/rpc'
import { requireMember } from '@keepsake/rpc'

/** Whose eyes look at the album. A service that works for a family sees everything and likes nothing. */
export interface Viewer {
  readonly memberId: string | undefined
  readonly parent: boolean
  readonly groupIds: readonly string[]
}

/** Who is looking: the calling member, or a service. */
export function viewerOf(call: Pick<Call, 'caller'>): Viewer {
  if (call.caller.kind === 'service') return { memberId: undefined, parent: true, groupIds: [] }
  const { memberId, role, groupIds } = requireMember(call)
  return { memberId, parent: role === 'parent', groupIds }
}

/**
 * The audience as a condition on rows that carry `audience_kind`, `audience_ids` and `uploaded_by` under the given alias. Parents see
 * everything; a relative what is for everyone, for a group of hers, for her, and what she uploaded herself.
 */
export function visibleTo(viewer: Viewer, alias: 'm' | 'c' = 'm'): Sql {
  if (viewer.parent) return sql`true`
  const kind = alias === 'm' ? sql`m.audience_kind` : sql`c.audience_kind`
  const ids = alias === 'm' ? sql`m.audience_ids` : sql`c.audience_ids`
  const uploader = alias === 'm' ? sql`m.uploaded_by` : sql`c.uploaded_by`
  return sql`(
    ${kind} = 'everyone'
    or ${uploader} = ${viewer.memberId}
    or (${kind} = 'groups' and ${ids} && ${viewer.groupIds}::uuid[])
    or (${kind} = 'members' and ${viewer.memberId}::uuid = any(${ids})))`
}
