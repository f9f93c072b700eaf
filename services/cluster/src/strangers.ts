import type { FamilyTx } from '@keepsake/db'
import { isId, sql } from '@keepsake/db'
import { reportErasure, startErasure } from '@keepsake/events'
import type { MemberCaller } from '@keepsake/rpc'
import { errors } from './errors.js'
import { eraseFaces, GROUP } from './intake.js'
import { readLedger, type Said } from './ledger.js'
import { hold, readEntries, touch } from './store.js'

/** Faces of one erasure, at most: what face takes in one request and a receipt can still show. */
export const ERASED_AT_ONCE = 500

/** A face and the item it is on. */
export interface FaceOnItem {
  faceId: string
  mediaId: string
}

/**
 * Begins the erasure of faces that are nobody's of the family: they are gone here with this transaction, and from face, which keeps their places
 * so that they are not found again, when it hears of it. At most ERASED_AT_ONCE. Answers the receipt's id.
 */
export async function beginFaceErasure(
  tx: FamilyTx,
  faces: readonly FaceOnItem[],
  byMemberId?: string,
): Promise<string> {
  const ids = faces.map(face => face.faceId)
  const mediaIds = [...new Set(faces.map(face => face.mediaId))].sort()
  const erasureId = await startErasure(tx, { kind: 'face', ids, mediaIds, byMemberId })
  await reportErasure(tx, erasureId, 'face', GROUP, { rows: await eraseFaces(tx, { erasureId, ids, mediaIds }) })
  return erasureId
}

/** "Not ours": erases every face of a person for good. Throws PERSON_NOT_FOUND, and PERSON_IS_OURS for one with a name or a child: that is said by mistake. */
export async function eraseStranger(
  tx: FamilyTx,
  by: MemberCaller,
  personId: string,
): Promise<{ erasureIds: string[]; generation: number }> {
  if (!isId(personId)) throw errors.personNotFound()
  // Before anything is read: a parent who names the person at this moment comes before or after, not in between.
  await hold(tx)
  const person = await tx.maybe<{ ours: boolean }>(sql`
    select name is not null or child_id is not null as ours from cluster.people where family_id = ${tx.familyId} and person_id = ${personId}`)
  if (!person) throw errors.personNotFound()
  const faces = await tx.many<FaceOnItem>(sql`
    select face_id, media_id from cluster.faces where family_id = ${tx.familyId} and person_id = ${personId} order by media_id, face_id`)
  // Words that no run has answered yet count, too.
  const said = readLedger(await readEntries(tx))
  if (person.ours || faces.some(({ faceId }) => isOurs(said, faceId))) throw errors.personIsOurs()
  const generation = await touch(tx)
  const erasureIds: string[] = []
  for (let from = 0; from < faces.length; from += ERASED_AT_ONCE)
    erasureIds.push(await beginFaceErasure(tx, faces.slice(from, from + ERASED_AT_ONCE), by.memberId))
  return { erasureIds, generation }
}

/** Whether a face stands for somebody to whom a parent gave a name or a child. */
function isOurs(said: Said, faceId: string): boolean {
  const person = said.label.get(faceId)
  const about = person === undefined ? undefined : said.attributes.get(person)
  return about?.name !== undefined || about?.childId !== undefined
}
