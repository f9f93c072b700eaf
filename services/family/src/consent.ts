import { sql, type FamilyTx } from '@keepsake/db'
import { errors } from './errors.js'

/**
 * Writes down a yes or a no to face recognition: who, when, and the version of the text that was read. Nothing is ever
 * overwritten. A yes needs the text's version.
 */
export async function recordConsent(
  tx: FamilyTx,
  memberId: string,
  given: boolean,
  textVersion: string | undefined,
): Promise<void> {
  if (given && !textVersion) throw errors.consentTextRequired()
  await tx.changed(sql`
    insert into family.consents (family_id, purpose, given, member_id, text_version)
    values (${tx.familyId}, 'face_recognition', ${given}, ${memberId}, ${textVersion ?? ''})`)
}
