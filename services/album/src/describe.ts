import { isId, sql, type FamilyTx } from '@keepsake/db'
import type {
  DescribeMediaRequest,
  DescribeMediaResponse,
  GetProgressResponse,
  ListMediaIdsRequest,
  ListMediaIdsResponse,
} from '@keepsake/proto/album/v1'
import { blockRows, blocksOf } from './blocks.js'
import { decodeCursor, encodeCursor, isTime, pageSize } from './cursor.js'
import { errors } from './errors.js'
import { mediaColumns, toMedia, type MediaRow } from './media.js'

const everything = { memberId: undefined, parent: true, groupIds: [] }
const pageOfAll = 500

/**
 * Items as other services need them to derive things: what is ready and not in the trash, with audience, people, reactions and blocks. Ids that
 * are unknown, erased or in the trash are left out.
 */
export async function describeMedia(
  tx: FamilyTx,
  request: DescribeMediaRequest,
  now: Date,
): Promise<DescribeMediaResponse> {
  if (request.mediaIds.length > 500) throw errors.invalidRequest('Name at most 500 items.')
  const after = decodeCursor(request.cursor, [isTime, id => typeof id === 'string' && isId(id)])
  const where = request.all
    ? after === undefined
      ? sql`m.state = 'ready'`
      : sql`m.state = 'ready' and (m.taken_at, m.id) > (${new Date(Number(after[0]))}, ${after[1]})`
    : sql`m.id = any(${request.mediaIds.filter(isId)}::uuid[])`
  const rows = await tx.many<MediaRow & { favouriteMemberIds: string[] }>(sql`
    select ${mediaColumns(everything)},
      array(select f.member_id::text from album.favourites f
            where f.family_id = m.family_id and f.media_id = m.id order by f.member_id) as favourite_member_ids
    from (
      select * from album.media m where m.family_id = ${tx.familyId} and m.trashed_at is null and ${where}
      order by m.taken_at, m.id limit ${pageOfAll + 1}
    ) m order by m.taken_at, m.id`)
  const blocks = await blockRows(tx)
  const { version } = (await tx.maybe<{ version: number }>(sql`
    select version from album.families where family_id = ${tx.familyId}`)) ?? { version: 0 }
  const page = rows.slice(0, pageOfAll)
  const last = page.at(-1)
  return {
    media: page.map(row => {
      const blocked = blocksOf(row, blocks, now)
      return {
        media: toMedia(row),
        favouriteMemberIds: row.favouriteMemberIds,
        blocked: blocked.mode,
        blockIds: blocked.ids,
        perceptualHash: row.perceptualHash,
      }
    }),
    nextCursor:
      request.all && rows.length > pageOfAll && last !== undefined
        ? encodeCursor([last.takenAt.getTime(), last.id])
        : '',
    version,
  }
}

/** Ids of everything that is ready and not in the trash, oldest first, in pages. */
export async function listMediaIds(tx: FamilyTx, request: ListMediaIdsRequest): Promise<ListMediaIdsResponse> {
  const after = decodeCursor(request.cursor, [isTime, id => typeof id === 'string' && isId(id)])
  const size = pageSize(request.limit, 1_000, 5_000)
  const rows = await tx.many<{ id: string; takenAt: Date }>(sql`
    select m.id, m.taken_at from album.media m
    where m.family_id = ${tx.familyId} and m.state = 'ready' and m.trashed_at is null
      and ${after === undefined ? sql`true` : sql`(m.taken_at, m.id) > (${new Date(Number(after[0]))}, ${after[1]})`}
    order by m.taken_at, m.id limit ${size + 1}`)
  const page = rows.slice(0, size)
  const last = page.at(-1)
  return {
    mediaIds: page.map(row => row.id),
    nextCursor: rows.length > size && last !== undefined ? encodeCursor([last.takenAt.getTime(), last.id]) : '',
  }
}

/** How far the catalogue and its projections are. */
export async function getProgress(tx: FamilyTx): Promise<GetProgressResponse> {
  return tx.one<GetProgressResponse>(sql`
    with counted as (
      select count(*) filter (where trashed_at is null and state = 'ready') as ready,
             count(*) filter (where trashed_at is null and state = 'pending') as pending,
             count(*) filter (where trashed_at is null and state = 'failed') as failed,
             count(*) filter (where trashed_at is not null) as trashed
      from album.media where family_id = ${tx.familyId}
    )
    select ready, pending, failed, trashed, coalesce(f.people_version, 0) as people_version,
           coalesce(f.rating_version, 0) as rating_version, coalesce(f.version, 0) as version
    from counted left join album.families f on f.family_id = ${tx.familyId}`)
}
