import type { FamilyTx, Sql } from '@keepsake/db'
import { isId, sql } from '@keepsake/db'
import type {
  GetProgressResponse,
  ListMomentsRequest,
  ListMomentsResponse,
  Rating,
  RatingPart,
  SelectRequest,
  SelectResponse,
} from '@keepsake/proto/rating/v1'
import type { Call } from '@keepsake/rpc'
import { requireMember } from '@keepsake/rpc'
import type { Audience, Viewer } from './audience.js'
import { mayAllView, mayView } from './audience.js'
import { errors } from './errors.js'
import { findMoments } from './moments.js'
import { sentence } from './reasons.js'
import type { Candidate, Wanted } from './select.js'
import { select } from './select.js'
import { momentItem } from './store.js'

/** Ids in one request, at most. */
const MOST_IDS = 500
/** Items of one choice, at most. */
const MOST_ITEMS = 2000

/** Who looks: the calling member; a service sees everything. */
function viewerOf(call: Pick<Call, 'caller'>): Viewer | undefined {
  if (call.caller.kind === 'service') return undefined
  const { memberId, role, groupIds } = requireMember(call)
  return role === 'parent' ? undefined : { memberId, role, groupIds }
}

/** The items `i` that the viewer may see, as a condition. */
function visibleTo(viewer: Viewer | undefined): Sql {
  if (!viewer) return sql`true`
  return sql`(i.audience_kind = 'everyone' or i.uploaded_by = ${viewer.memberId}
    or (i.audience_kind = 'groups' and i.audience_ids && ${viewer.groupIds}::uuid[])
    or (i.audience_kind = 'members' and ${viewer.memberId}::uuid = any(i.audience_ids)))`
}

/**
 * Ratings with their parts, in the order asked for; items the caller may not see, or that are not rated yet, are left out.
 * @param locale language of the reasons: `ja`, else English
 */
export async function getRatings(
  tx: FamilyTx,
  call: Call,
  mediaIds: readonly string[],
  locale?: string,
): Promise<Rating[]> {
  if (mediaIds.length > MOST_IDS) throw errors.tooMany(MOST_IDS)
  const rows = await tx.many<{ mediaId: string; value: number; parts: RatingPart[]; version: number }>(sql`
    select i.media_id, i.value, i.parts, i.version from rating.items i
    where i.media_id = any(${mediaIds.filter(isId)}::uuid[]) and ${visibleTo(viewerOf(call))}`)
  const found = new Map(rows.map(row => [row.mediaId, locale === 'ja' ? inJapanese(row) : row]))
  return mediaIds.flatMap(id => found.get(id) ?? [])
}

const inJapanese = (rating: Rating): Rating => ({
  ...rating,
  parts: rating.parts.map(part => ({ ...part, reason: sentence(part.reasonKey, part.reasonParams, 'ja') })),
})

interface CandidateRow {
  mediaId: string
  kind: Candidate['kind']
  at: Date
  value: number
  momentId: string | null
  childIds: string[]
  personIds: string[]
  duplicateGroup: string | null
  place: string
  blocked: string
  mundane: string
  audienceKind: string
  audienceIds: string[]
  uploadedBy: string | null
}

/** Chooses items. `members` are the family's, for audiences of single members. */
export async function selectItems(
  tx: FamilyTx,
  call: Call,
  request: SelectRequest,
  members: readonly Viewer[],
): Promise<SelectResponse> {
  if (request.count < 1 || request.count > MOST_ITEMS) throw errors.countInvalid(MOST_ITEMS)
  if (request.from && request.to && request.from >= request.to) throw errors.periodInvalid()
  if (!['', 'everyone', 'parents', 'groups', 'members'].includes(request.audienceKind)) throw errors.audienceInvalid()
  const visible = visibility(request, members)
  const named = [...request.lock, ...request.ban].filter(isId)
  const inPeriod = sql`(${request.from}::timestamptz is null or i.at >= ${request.from}) and (${request.to}::timestamptz is null or i.at < ${request.to})`
  const rows = await tx.many<CandidateRow>(sql`
    select i.media_id, i.kind, i.at, i.value, i.moment_id, i.child_ids, i.person_ids, i.duplicate_group, i.place, i.blocked, i.mundane,
      i.audience_kind, i.audience_ids, i.uploaded_by
    from rating.items i where (${inPeriod}) or i.media_id = any(${named}::uuid[])`)
  const wanted: Wanted = {
    purpose: request.purpose || 'selection',
    count: request.count,
    ...(request.from ? { from: request.from.getTime() } : {}),
    ...(request.to ? { to: request.to.getTime() } : {}),
    ...(request.childId ? { childId: request.childId } : {}),
    lock: request.lock,
    ban: request.ban,
    videoShare: Math.min(1, Math.max(0, request.videoShare ?? 0.25)),
  }
  // What the asking member may not see does not exist for her: naming it tells her no more than naming anything.
  const asking = viewerOf(call)
  const there = asking ? rows.filter(row => isSeenBy(row, asking)) : rows
  return select(
    there.map(row => candidate(row, visible(row))),
    wanted,
  )
}

const isSeenBy = (row: CandidateRow, viewer: Viewer): boolean =>
  row.uploadedBy === viewer.memberId || mayView({ kind: row.audienceKind, ids: row.audienceIds }, viewer)

/** Whether everyone who will see the product may see an item. */
function visibility(request: SelectRequest, members: readonly Viewer[]): (row: CandidateRow) => boolean {
  const audience: Audience = { kind: request.audienceKind || 'everyone', ids: request.audienceIds }
  const viewerId = request.viewerMemberId
  const viewer = viewerId ? members.find(m => m.memberId === viewerId) : undefined
  return row => {
    // For one viewer alone, or for everyone who will see it.
    if (viewerId) return viewer !== undefined && isSeenBy(row, viewer)
    return mayAllView({ kind: row.audienceKind, ids: row.audienceIds }, audience, members)
  }
}

const candidate = (row: CandidateRow, visible: boolean): Candidate => ({
  mediaId: row.mediaId,
  kind: row.kind,
  at: row.at.getTime(),
  rating: row.value,
  childIds: row.childIds,
  personIds: row.personIds,
  place: row.place,
  blocked: row.blocked,
  mundane: row.mundane,
  visible,
  ...(row.momentId === null ? {} : { momentId: row.momentId }),
  ...(row.duplicateGroup === null ? {} : { duplicateGroup: row.duplicateGroup }),
})

/** Moments that touch the period, in order of time, with the items the caller may see. */
export async function listMoments(tx: FamilyTx, call: Call, request: ListMomentsRequest): Promise<ListMomentsResponse> {
  const rows = await tx.many<{
    mediaId: string
    at: Date
    exact: boolean
    latitude: number | null
    longitude: number | null
    place: string
    momentId: string
  }>(sql`
    select i.media_id, i.at, i.exact, i.latitude, i.longitude, i.place, i.moment_id from rating.items i
    where ${visibleTo(viewerOf(call))} and i.moment_id in (
      select moment_id from rating.items where moment_id is not null
        and (${request.from}::timestamptz is null or at >= ${request.from}) and (${request.to}::timestamptz is null or at < ${request.to}))`)
  const byMoment = new Map<string, typeof rows>()
  for (const row of rows) byMoment.set(row.momentId, [...(byMoment.get(row.momentId) ?? []), row])
  const moments = [...byMoment].map(([id, items]) => {
    const ordered = items.sort((a, b) => a.at.getTime() - b.at.getTime() || (a.mediaId < b.mediaId ? -1 : 1))
    return {
      id,
      from: ordered[0]!.at,
      to: ordered.at(-1)!.at,
      mediaIds: ordered.map(i => i.mediaId),
      place: findMoments(ordered.map(momentItem))[0]?.place ?? '',
    }
  })
  return { moments: moments.sort((a, b) => a.from.getTime() - b.from.getTime() || (a.id < b.id ? -1 : 1)) }
}

/** How far the ratings are. */
export async function progress(tx: FamilyTx): Promise<GetProgressResponse> {
  // One statement, one snapshot: counts from before an event beside versions from after it would look settled.
  return tx.one<GetProgressResponse>(sql`
    select (select count(*) from rating.items i where not exists (select 1 from rating.stale s where s.media_id = i.media_id)) as done,
      (select count(*) from rating.stale) as pending,
      coalesce(max(f.version), 0) as version, coalesce(max(f.album_version), 0) as album_version,
      coalesce(max(f.people_version), 0) as people_version
    from rating.families f`)
}

/** Rows kept about items, or about the whole family where no item is named. */
export async function countStored(tx: FamilyTx, mediaIds: readonly string[]): Promise<number> {
  const of = mediaIds.length ? sql`where media_id = any(${mediaIds.filter(isId)}::uuid[])` : sql.empty
  const { rows } = await tx.one<{ rows: number }>(
    sql`select (select count(*) from rating.items ${of}) + (select count(*) from rating.stale ${of}) as rows`,
  )
  return rows
}
