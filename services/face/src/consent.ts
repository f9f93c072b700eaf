import { sql, type FamilyTx } from '@keepsake/db'

/** What family says at one moment: `version` grows with every change of the family. */
export interface ConsentWord {
  given: boolean
  version: number
}

/**
 * Notes what family said, unless something newer is known, and answers what holds. The row is locked until the transaction ends, so that an effect
 * that stores faces and a withdrawal that erases them cannot slip past each other. A family that is new here begins with the `newest` pipeline.
 */
export async function noteConsent(tx: FamilyTx, { given, version }: ConsentWord, newest: number): Promise<boolean> {
  const { consent } = await tx.one<{ consent: boolean }>(sql`
    insert into face.families as known (family_id, consent, version, pipeline) values (${tx.familyId}, ${given}, ${version}, ${newest})
    on conflict (family_id) do update set
      consent = case when excluded.version >= known.version then excluded.consent else known.consent end,
      version = greatest(excluded.version, known.version)
    returning consent`)
  return consent
}

/** Whether the family has said yes, as far as this service knows. */
export async function hasConsent(tx: FamilyTx): Promise<boolean> {
  const known = await tx.maybe<{ consent: boolean }>(
    sql`select consent from face.families where family_id = ${tx.familyId}`,
  )
  return known?.consent ?? false
}
