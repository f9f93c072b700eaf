import { sql, type FamilyTx } from '@keepsake/db'
import { MediaReacted, publish } from '@keepsake/events'
import { noteComment, noteMedia } from './changes.js'
import { forgetComments } from './comments.js'
import { bump, lockFamily } from './version.js'

/**
 * Removes what a member who is gone wrote and liked; says how many rows. What she uploaded stays: it is the family's. Safe to repeat.
 */
export async function forgetMember(tx: FamilyTx, memberId: string): Promise<number> {
  await lockFamily(tx)
  const comments = await tx.many<{ id: string; mediaId: string }>(sql`
    select id, media_id from album.comments where family_id = ${tx.familyId} and member_id::text = ${memberId} order by id`)
  const liked = await tx.many<{ mediaId: string }>(sql`
    select media_id from album.favourites where family_id = ${tx.familyId} and member_id::text = ${memberId}`)
  const answers = await tx.changed(sql`
    delete from album.idempotency where family_id = ${tx.familyId} and member_id::text = ${memberId}`)
  await tx.changed(sql`
    delete from album.feed_readers where family_id = ${tx.familyId} and member_id::text = ${memberId}`)
  if (comments.length + liked.length === 0) return answers
  const ids = comments.map(({ id }) => id)
  const version = await bump(tx)
  const quoted = await forgetComments(tx, sql`c.id = any(${ids}::uuid[])`)
  await tx.changed(sql`
    delete from album.changes
    where family_id = ${tx.familyId} and kind = 'comment' and id = any(${ids}::uuid[]) and op = 'put'`)
  for (const { id, mediaId } of comments) await noteComment(tx, version, mediaId, id, 'delete')
  await tx.changed(sql`delete from album.comments where family_id = ${tx.familyId} and id = any(${ids}::uuid[])`)
  await tx.changed(sql`
    delete from album.favourites where family_id = ${tx.familyId} and member_id::text = ${memberId}`)
  const touched = [...new Set([...comments, ...liked].map(({ mediaId }) => mediaId))]
  await tx.changed(sql`
    update album.media m set version = ${version},
      comment_count = (select count(*) from album.comments c where c.family_id = m.family_id and c.media_id = m.id),
      favourite_count = (select count(*) from album.favourites f where f.family_id = m.family_id and f.media_id = m.id)
    where family_id = ${tx.familyId} and id = any(${touched}::uuid[])`)
  await noteMedia(tx, version, touched, 'put')
  for (const mediaId of touched) await publish(tx, MediaReacted, { mediaId, version })
  return answers + quoted + comments.length + liked.length
}
