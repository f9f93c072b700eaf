import { isId, sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { Comment, ListCommentsRequest, ListCommentsResponse } from '@keepsake/proto/album/v1'
import type { MemberCaller } from '@keepsake/rpc'
import { noteComment } from './changes.js'
import { decodeCursor, encodeCursor, pageSize } from './cursor.js'
import { errors } from './errors.js'
import { reacted } from './favourite.js'
import { existing } from './ids.js'
import { requireVisible } from './media.js'
import { lockFamily } from './version.js'
import { viewerOf, type Viewer } from './viewer.js'

const longest = 2_000 // characters

/** The comments of an item, oldest first. */
export async function listComments(
  tx: FamilyTx,
  viewer: Viewer,
  request: ListCommentsRequest,
): Promise<ListCommentsResponse> {
  const mediaId = existing(request.mediaId, errors.mediaNotFound)
  await requireVisible(tx, viewer, [mediaId])
  const [after] = decodeCursor(request.cursor, [id => typeof id === 'string' && isId(id)]) ?? []
  const size = pageSize(request.limit, 50, 200)
  const rows = await tx.many<Comment>(sql`
    select id, member_id, text, at from album.comments
    where family_id = ${tx.familyId} and media_id = ${mediaId} and ${after === undefined ? sql`true` : sql`id > ${after}`}
    order by id limit ${size + 1}`)
  const comments = rows.slice(0, size)
  const last = comments.at(-1)
  return { comments, nextCursor: rows.length > size && last !== undefined ? encodeCursor([last.id]) : '' }
}

/** Adds a comment of the calling member. */
export async function createComment(tx: FamilyTx, who: MemberCaller, media: string, text: string): Promise<Comment> {
  const mediaId = existing(media, errors.mediaNotFound)
  const said = text.normalize('NFC').trim()
  if (said === '' || [...said].length > longest)
    throw errors.invalidComment(`A comment has 1 to ${longest} characters.`)
  await lockFamily(tx)
  await requireVisible(tx, viewerOf({ caller: who }), [mediaId])
  const comment = await tx.one<Comment>(sql`
    insert into album.comments (family_id, media_id, member_id, text) values (${tx.familyId}, ${mediaId}, ${who.memberId}, ${said})
    returning id, member_id, text, at`)
  const version = await reacted(tx, mediaId, sql`comment_count = comment_count + 1`)
  await noteComment(tx, version, mediaId, comment.id, 'put')
  return comment
}

/** Removes a comment: its author may, and parents. */
export async function deleteComment(tx: FamilyTx, who: MemberCaller, media: string, comment: string): Promise<void> {
  const mediaId = existing(media, errors.mediaNotFound)
  const id = existing(comment, errors.commentNotFound)
  await lockFamily(tx)
  await requireVisible(tx, viewerOf({ caller: who }), [mediaId])
  const found = await tx.maybe<{ memberId: string }>(sql`
    select member_id from album.comments where family_id = ${tx.familyId} and media_id = ${mediaId} and id = ${id}`)
  if (found === undefined) throw errors.commentNotFound()
  if (who.role !== 'parent' && found.memberId !== who.memberId) throw errors.notYours()
  await forgetComments(tx, sql`c.id = ${id}`)
  await tx.changed(sql`delete from album.comments where family_id = ${tx.familyId} and id = ${id}`)
  await tx.changed(sql`
    delete from album.changes where family_id = ${tx.familyId} and kind = 'comment' and id = ${id} and op = 'put'`)
  const version = await reacted(tx, mediaId, sql`comment_count = comment_count - 1`)
  await noteComment(tx, version, mediaId, id, 'delete')
}

/** Forgets the answers under Idempotency-Keys that quote these comments, which are about to go; says how many. */
export async function forgetComments(tx: FamilyTx, which: Sql): Promise<number> {
  return tx.changed(sql`
    delete from album.idempotency i using album.comments c
    where i.family_id = ${tx.familyId} and c.family_id = ${tx.familyId} and ${which}
      and position(convert_to(c.id::text, 'UTF8') in i.response) > 0`)
}
