import type { Sql } from '@keepsake/db'
import { sql } from '@keepsake/db'
import type { Call } from '@keepsake/rpc'
import { requireMember } from '@keepsake/rpc'

/** The items `i` that the caller may see, as a condition. Parents and services see all that is not in the trash. */
export function visibleTo(call: Pick<Call, 'caller'>): Sql {
  if (call.caller.kind === 'service') return sql`not i.trashed`
  const { memberId, role, groupIds } = requireMember(call)
  if (role === 'parent') return sql`not i.trashed`
  return sql`(not i.trashed and (
    i.audience_kind = 'everyone'
    or i.uploaded_by = ${memberId}
    or (i.audience_kind = 'groups' and i.audience_ids && ${groupIds}::uuid[])
    or (i.audience_kind = 'members' and ${memberId}::uuid = any(i.audience_ids))))`
}
