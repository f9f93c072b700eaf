import { isUniqueViolation, sql, type Db, type FamilyTx } from '@keepsake/db'
import type { AcceptInvitationResponse, CreateInvitationResponse } from '@keepsake/proto/family/v1'
import { getAccount } from './accounts.js'
import { errors } from './errors.js'
import { familyChanged, readFamily } from './families.js'
import { digest, newSecret } from './secrets.js'

/** Days that an invitation waits. */
export const invitationDays = 14

/** Makes a code that lets one person in, once. Only its digest is stored. */
export async function createInvitation(
  tx: FamilyTx,
  memberId: string,
  role: string,
  now: Date,
): Promise<CreateInvitationResponse> {
  if (role !== 'parent' && role !== 'relative') throw errors.invalid('role', 'A role is parent or relative.')
  const code = newSecret()
  const expiresAt = new Date(now.getTime() + invitationDays * 86_400_000)
  await tx.changed(sql`
    insert into family.invitations (family_id, code_hash, role, created_by, expires_at)
    values (${tx.familyId}, ${digest(code)}, ${role}, ${memberId}, ${expiresAt})`)
  return { code, expiresAt }
}

/** Makes the account a member of the family that the code was made in. */
export async function acceptInvitation(
  db: Db,
  accountId: string,
  code: string,
  now: Date,
): Promise<AcceptInvitationResponse> {
  // Who holds a code does not know the family yet: this one look crosses families.
  const found = await db.system('find the family of an invitation', tx =>
    tx.maybe<{ familyId: string }>(sql`
      select family_id from family.invitations
      where code_hash = ${digest(code)} and used_at is null and expires_at > ${now}`),
  )
  if (found === undefined) throw errors.invitationNotFound()
  return db.family(found.familyId, async tx => {
    const { role } = await claim(tx, code, now)
    const account = await getAccount(tx, accountId)
    try {
      const { memberId } = await tx.one<{ memberId: string }>(sql`
        insert into family.members (family_id, account_id, name, role)
        values (${tx.familyId}, ${accountId}, ${account.name}, ${role}) returning member_id`)
      await familyChanged(tx, 'members')
      return { family: await readFamily(tx, role), memberId }
    } catch (error) {
      if (isUniqueViolation(error)) throw errors.alreadyMember()
      throw error
    }
  })
}

async function claim(tx: FamilyTx, code: string, now: Date): Promise<{ role: string }> {
  const row = await tx.maybe<{ role: string }>(sql`
    update family.invitations set used_at = ${now}
    where code_hash = ${digest(code)} and used_at is null and expires_at > ${now} returning role`)
  if (row === undefined) throw errors.invitationNotFound()
  return row
}
