import { isUniqueViolation, sql, type FamilyTx } from '@keepsake/db'
import type { Group, UpdateGroupRequest } from '@keepsake/proto/family/v1'
import { checkName } from './accounts.js'
import { errors } from './errors.js'
import { familyChanged } from './families.js'

/** The groups by name, with their members. */
export async function listGroups(tx: FamilyTx): Promise<Group[]> {
  return tx.many<Group & Record<string, unknown>>(sql`
    select group_id as id, name,
           array(select member_id::text from family.group_members m
                 where m.family_id = g.family_id and m.group_id = g.group_id order by 1) as member_ids
    from family.groups g order by name`)
}

const readGroup = async (tx: FamilyTx, id: string): Promise<Group> => {
  const group = (await listGroups(tx)).find(g => g.id === id)
  if (group === undefined) throw errors.groupNotFound()
  return group
}

/** Makes a group. Throws GROUP_EXISTS, MEMBER_NOT_FOUND. */
export async function createGroup(tx: FamilyTx, name: string, memberIds: readonly string[]): Promise<Group> {
  checkName(name, 'name')
  try {
    const { groupId } = await tx.one<{ groupId: string }>(sql`
      insert into family.groups (family_id, name) values (${tx.familyId}, ${name.trim()}) returning group_id`)
    await setMembers(tx, groupId, memberIds)
    await familyChanged(tx, 'groups')
    return await readGroup(tx, groupId)
  } catch (error) {
    if (isUniqueViolation(error)) throw errors.groupExists()
    throw error
  }
}

/** Renames a group, and replaces its members where asked. */
export async function updateGroup(tx: FamilyTx, request: UpdateGroupRequest): Promise<Group> {
  if (request.name !== undefined) checkName(request.name, 'name')
  try {
    const changed = await tx.changed(sql`
      update family.groups set name = coalesce(${request.name?.trim()}, name) where group_id::text = ${request.id}`)
    if (changed === 0) throw errors.groupNotFound()
  } catch (error) {
    if (isUniqueViolation(error)) throw errors.groupExists()
    throw error
  }
  if (request.replaceMembers) await setMembers(tx, request.id, request.memberIds)
  await familyChanged(tx, 'groups')
  return readGroup(tx, request.id)
}

/** Removes a group; items whose audience was only this group are then seen by parents alone. */
export async function deleteGroup(tx: FamilyTx, id: string): Promise<void> {
  if ((await tx.changed(sql`delete from family.groups where group_id::text = ${id}`)) === 0)
    throw errors.groupNotFound()
  await familyChanged(tx, 'groups')
}

async function setMembers(tx: FamilyTx, groupId: string, memberIds: readonly string[]): Promise<void> {
  const wanted = [...new Set(memberIds)]
  await tx.changed(sql`delete from family.group_members where group_id::text = ${groupId}`)
  const added = await tx.changed(sql`
    insert into family.group_members (family_id, group_id, member_id)
    select family_id, ${groupId}::uuid, member_id from family.members where member_id::text = any(${wanted}::text[])`)
  if (added !== wanted.length) throw errors.memberNotFound()
}
