import { sql, type FamilyTx } from '@keepsake/db'
import { MediaReacted, publish } from '@keepsake/events'
import type { MemberCaller } from '@keepsake/rpc'
import { noteMedia } from './changes.js'
import { errors } from './errors.js'
import { existing } from './ids.js'
import { requireVisible } from './media.js'
import { bump, lockFamily } from './version.js'
import { viewerOf } from './viewer.js'

/** Marks an item for a member and says so once: a second mark changes nothing and publishes nothing. */
export async function setFavourite(tx: FamilyTx, who: MemberCaller, mediaId: string, on: boolean): Promise<boolean> {
  const id = existing(mediaId, errors.mediaNotFound)
  await lockFamily(tx)
  await requireVisible(tx, viewerOf({ caller: who }), [id])
  const changed = await tx.changed(
    on
      ? sql`insert into album.favourites (family_id, media_id, member_id)
            values (${tx.familyId}, ${id}, ${who.memberId}) on conflict do nothing`
      : sql`delete from album.favourites
            where family_id = ${tx.familyId} and media_id = ${id} and member_id = ${who.memberId}`,
  )
  if (changed === 0) return false
  await reacted(tx, id, sql`favourite_count = favourite_count + ${on ? 1 : -1}`)
  return true
}

/** Counts a reaction on its item and says so. */
export async function reacted(tx: FamilyTx, mediaId: string, count: ReturnType<typeof sql>): Promise<number> {
  const version = await bump(tx)
  await tx.changed(sql`
    update album.media set version = ${version}, ${count} where family_id = ${tx.familyId} and id = ${mediaId}`)
  await noteMedia(tx, version, [mediaId], 'put')
  await publish(tx, MediaReacted, { mediaId, version })
  return version
}
