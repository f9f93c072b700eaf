import { sql, type FamilyTx } from '@keepsake/db'
import { reportErasure } from '@keepsake/events'
import type { Member, UpdateMemberRequest } from '@keepsake/proto/family/v1'
import { KeepsakeError, type Caller, type MemberCaller } from '@keepsake/rpc'
import { checkName } from './accounts.js'
import { beginErasure } from './erasures.js'
import { errors } from './errors.js'
import { familyChanged } from './families.js'

/** The members in the order they came; addresses are shown to parents (and services) only. */
export async function listMembers(tx: FamilyTx, caller: Caller): Promise<Member[]> {
  const rows = await tx.many<Member & { email: string }>(sql`
    select m.member_id as id, m.name, m.role, m.account_id, a.email,
           array(select group_id::text from family.group_members g
                 where g.family_id = m.family_id and g.member_id = m.member_id order by 1) as group_ids
    from family.members m join family.accounts a using (account_id) order by m.member_id`)
  const showEmail = caller.kind !== 'member' || caller.role === 'parent'
  return rows.map(row => (showEmail ? row : { ...row, email: '' }))
}

async function readMember(tx: FamilyTx, caller: Caller, id: string): Promise<Member> {
  const member = (await listMembers(tx, caller)).find(m => m.id === id)
  if (member === undefined) throw errors.memberNotFound()
  return member
}

const parentOrSelf = (caller: MemberCaller, id: string) => {
  if (caller.role !== 'parent' && caller.memberId !== id)
    throw new KeepsakeError({
      code: 'PERMISSION_DENIED',
      reason: 'PARENT_REQUIRED',
      message: 'Only a parent of the family can do this.',
    })
}

/** Renames a member (a parent, or the member) or changes the role (a parent). The last parent stays one. */
export async function updateMember(tx: FamilyTx, caller: MemberCaller, request: UpdateMemberRequest): Promise<Member> {
  parentOrSelf(caller, request.id)
  if (request.name !== undefined) checkName(request.name, 'name')
  if (request.role !== undefined) {
    if (request.role !== 'parent' && request.role !== 'relative')
      throw errors.invalid('role', 'A role is parent or relative.')
    if (caller.role !== 'parent') parentOrSelf(caller, '')
    if (request.role === 'relative') await requireOtherParent(tx, request.id)
  }
  const changed = await tx.changed(sql`
    update family.members set name = coalesce(${request.name?.trim()}, name), role = coalesce(${request.role}, role)
    where member_id::text = ${request.id}`)
  if (changed === 0) throw errors.memberNotFound()
  await familyChanged(tx, 'members')
  return readMember(tx, caller, request.id)
}

/** Removes a member (a parent), or leaves (the member). The last parent cannot go; deleting the family is another call. */
export async function deleteMember(tx: FamilyTx, caller: MemberCaller, id: string): Promise<string> {
  parentOrSelf(caller, id)
  await requireOtherParent(tx, id)
  const member = await tx.maybe(sql`select 1 from family.members where member_id::text = ${id} for update`)
  if (member === undefined) throw errors.memberNotFound()
  const erasureId = await beginErasure(tx, { kind: 'member', ids: [id], byMemberId: caller.memberId }, caller.accountId)
  await familyChanged(tx, 'members', { erasureId, memberId: id })
  await reportErasure(tx, erasureId, 'member', 'family', { rows: await forgetMember(tx, id) })
  return erasureId
}

/** Removes what this service keeps of a member; says how many rows. The account stays: it is the person's own. Safe to repeat. */
export async function forgetMember(tx: FamilyTx, id: string): Promise<number> {
  const groups = await tx.changed(sql`
    delete from family.group_members where family_id = ${tx.familyId} and member_id::text = ${id}`)
  return (
    groups +
    (await tx.changed(sql`delete from family.members where family_id = ${tx.familyId} and member_id::text = ${id}`))
  )
}

/** Throws LAST_PARENT unless a parent other than `id` remains. Locks the parents, so that two cannot leave at once. */
async function requireOtherParent(tx: FamilyTx, id: string): Promise<void> {
  const parents = await tx.many<{ memberId: string }>(sql`
    select member_id from family.members where role = 'parent' order by member_id for update`)
  if (parents.every(parent => parent.memberId === id)) throw errors.lastParent()
}
