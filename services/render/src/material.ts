/** Asks the other services which items a movie shows and what is known of them. */
import { DateTime } from 'luxon'
import type { DescribedMedia } from '@keepsake/proto/album/v1'
import type { Face } from '@keepsake/proto/face/v1'
import type { Media as StoredMedia } from '@keepsake/proto/ingest/v1'
import type { Pick as Chosen } from '@keepsake/proto/rating/v1'
import { covers, type Audience, type Viewer } from './audience.js'
import type { FramedFace } from './framing.js'
import { lengthSeconds } from './length.js'
import type { MovieRow } from './movie-row.js'
import { PEER_BATCH, PEER_DEADLINE_MS, type Peers } from './peers.js'
import { itemsForSeconds, type PlanItem, type PlanRequest } from './plan.js'
import type { Aspect, FilmSize } from './storyboard.js'
import { filmLocale, type DatePrecision } from './words.js'

/** What a film is planned from, and where its pictures lie. */
export interface Material {
  request: PlanRequest
  /** Object keys of each item: the still, and the clip of a video or live photo. */
  keys: Map<string, { preview: string; playback: string }>
  rejected: { mediaId: string; reason: string }[]
  /** How many items the selection could choose from. */
  eligible: number
}

const CHILD_AGE = 13
const CHILD_WEIGHT = 2
const FACE_SAMPLE_S = 0.5

/** Chooses and describes the items of a movie. Everything is asked as this service, for one family. */
export async function gatherMaterial(
  peers: Peers,
  familyId: string,
  movie: MovieRow,
  sizes: Record<Aspect, FilmSize>,
  signal: AbortSignal,
): Promise<Material> {
  const options = { familyId, deadlineMs: PEER_DEADLINE_MS, signal }
  const { family } = await peers.family.getFamily({}, options)
  const audience: Audience = { kind: movie.audienceKind, ids: movie.audienceIds }
  const selection = await peers.rating.select(
    {
      purpose: 'one-second',
      count: itemsForSeconds(lengthSeconds(movie.length), movie.mood),
      from: movie.fromAt,
      to: movie.toAt,
      childId: movie.childId ?? undefined,
      lock: movie.locked,
      ban: movie.banned,
      audienceKind: audience.kind,
      audienceIds: [...audience.ids],
      viewerMemberId: undefined,
      videoShare: undefined,
    },
    // The whole album is weighed.
    { ...options, deadlineMs: 6 * PEER_DEADLINE_MS },
  )
  const ids = selection.items.map(item => item.mediaId)
  const [described, stored, faces, members] = await Promise.all([
    describe(peers, familyId, ids, signal),
    inBatches(ids, mediaIds => peers.ingest.getMedia({ mediaIds }, options).then(r => r.media)),
    inBatches(ids, mediaIds =>
      peers.face.getFaces({ mediaIds, embeddings: false, faceIds: [] }, options).then(r => r.items),
    ),
    membersFor(peers, familyId, audience, signal),
  ])
  const bytesOf = new Map(stored.map(m => [m.id, m]))
  const facesOf = new Map(faces.map(f => [f.mediaId, f.faces]))
  const rejected = selection.rejected.map(r => ({ mediaId: r.mediaId, reason: r.reason }))
  const items: PlanItem[] = []
  const keys: Material['keys'] = new Map()
  for (const chosen of selection.items) {
    const facts = described.get(chosen.mediaId)
    const bytes = bytesOf.get(chosen.mediaId)
    const still = bytes ? bytes.previewKey || bytes.posterKey : ''
    if (!facts || !bytes || !still || !mayBeShown(facts, audience, members)) {
      rejected.push({ mediaId: chosen.mediaId, reason: 'It may no longer be shown in this movie.' })
      continue
    }
    items.push(planItem(chosen, facts, bytes, facesOf.get(chosen.mediaId) ?? []))
    keys.set(chosen.mediaId, { preview: still, playback: bytes.playbackKey || bytes.originalKey })
  }
  const zone = family?.timeZone || 'UTC'
  const child = movie.childId === null ? undefined : await childName(peers, familyId, movie.childId, signal)
  const title = movie.title ?? child
  return {
    request: {
      items,
      from: dayIn(zone, movie.fromAt),
      to: dayIn(zone, new Date(Math.max(movie.fromAt.getTime(), movie.toAt.getTime() - 1))),
      ...(title === undefined ? {} : { title }),
      locale: filmLocale(family?.locale ?? 'en'),
      mood: movie.mood,
      film: sizes[movie.aspect],
      music: movie.music,
      seed: Number.parseInt(movie.id.slice(-8), 16) | 0,
    },
    keys,
    rejected,
    eligible: Math.min(selection.eligible, items.length) || items.length,
  }
}

/** What the album knows of items, by id. Erased ones are not in it. */
export async function describe(
  peers: Peers,
  familyId: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, DescribedMedia>> {
  const options = { familyId, deadlineMs: PEER_DEADLINE_MS, signal }
  const found = await inBatches(ids, mediaIds =>
    peers.album.describeMedia({ mediaIds, all: false, cursor: '' }, options).then(r => r.media),
  )
  return new Map(found.flatMap(d => (d.media ? [[d.media.id, d] as const] : [])))
}

/** Members as viewers, where the audience cannot be judged without them. */
export async function membersFor(
  peers: Peers,
  familyId: string,
  audience: Audience,
  signal: AbortSignal,
): Promise<Viewer[]> {
  if (audience.kind === 'everyone' || audience.kind === 'parents') return []
  const { members } = await peers.family.listMembers({}, { familyId, deadlineMs: PEER_DEADLINE_MS, signal })
  return members.map(m => ({ id: m.id, role: m.role, groupIds: m.groupIds }))
}

/** Whether an item exists, is not blocked, and may be seen by everyone who may see the movie. */
export function mayBeShown(facts: DescribedMedia, audience: Audience, members: readonly Viewer[]): boolean {
  return isThere(facts) && covers(facts.media?.audience ?? { kind: 'parents', ids: [] }, audience, members)
}

/** Whether an item is ready, not in the trash and not blocked. */
export function isThere(facts: DescribedMedia): boolean {
  return facts.media?.state === 'ready' && !facts.media.trashedAt && facts.blocked !== 'never'
}

function planItem(chosen: Chosen, facts: DescribedMedia, bytes: StoredMedia, faces: readonly Face[]): PlanItem {
  const media = facts.media
  const isVideo = bytes.kind === 'video'
  // Only a clip that was made playable: one that could not be read leaves the still.
  const isLive = bytes.kind === 'live' && bytes.playbackKey !== ''
  const at = media?.takenAt ?? new Date(0)
  const offset = media?.takenAtOffsetMinutes ?? 0
  const weightOf = (f: Face): number => (f.age > 0 && f.age < CHILD_AGE ? CHILD_WEIGHT : 1) * Math.max(0.2, f.score)
  return {
    mediaId: chosen.mediaId,
    kind: isVideo ? 'video' : bytes.kind === 'live' ? 'live' : 'photo',
    takenAt: new Date(at.getTime() + offset * 60_000).toISOString().slice(0, 19),
    precision: precisionOf(media?.takenAtPrecision ?? '', media?.takenAtSource ?? ''),
    width: Math.max(1, bytes.width),
    height: Math.max(1, bytes.height),
    faces: faces.flatMap((f): FramedFace[] => {
      if (!f.box) return []
      const { x, y, w, h } = f.box
      return [
        {
          x,
          y,
          w,
          h,
          weight: weightOf(f),
          ...(f.ranges.length > 0 ? { ranges: f.ranges.map(({ start, end }) => ({ start, end })) } : {}),
        },
      ]
    }),
    rating: chosen.rating,
    reason: chosen.reason,
    tag: `${bytes.version}-${bytes.rotation}`,
    ...(isVideo || isLive
      ? {
          video: {
            durationS: bytes.duration ?? 0,
            // Faces of a live photo are those of its still, which phones take in the middle of the clip.
            ...(isLive ? { momentS: (bytes.duration ?? 0) / 2 } : {}),
            faces: faces.flatMap(f =>
              samples(f).map(atS => ({ atS, size: f.box?.h ?? 0, smile: f.smile, weight: weightOf(f) })),
            ),
            loudness: bytes.loudness.map(rms => (rms > 0 ? Math.max(-90, 20 * Math.log10(rms)) : -90)),
            motion: bytes.motion,
          },
        }
      : {}),
  }
}

function samples(face: Face): number[] {
  return face.ranges.flatMap(({ start, end }) =>
    Array.from(
      { length: Math.min(600, Math.floor((end - start) / FACE_SAMPLE_S) + 1) },
      (_, i) => start + i * FACE_SAMPLE_S,
    ),
  )
}

/** A date that only the file's date suggests is not shown: it is the day of a copy. */
function precisionOf(precision: string, source: string): DatePrecision {
  if (source === 'file-date') return 'unknown'
  if (precision === 'day' || precision === 'month' || precision === 'year') return precision
  return precision === '' ? 'unknown' : 'time'
}

async function childName(
  peers: Peers,
  familyId: string,
  childId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { children } = await peers.family.listChildren({}, { familyId, deadlineMs: PEER_DEADLINE_MS, signal })
  return children.find(c => c.id === childId)?.name
}

const dayIn = (zone: string, at: Date): string => {
  const local = DateTime.fromJSDate(at, { zone })
  return (local.isValid ? local : DateTime.fromJSDate(at, { zone: 'utc' })).toFormat('yyyy-MM-dd')
}

async function inBatches<T>(ids: readonly string[], ask: (ids: string[]) => Promise<T[]>): Promise<T[]> {
  const found: T[] = []
  for (let at = 0; at < ids.length; at += PEER_BATCH) found.push(...(await ask(ids.slice(at, at + PEER_BATCH))))
  return found
}
