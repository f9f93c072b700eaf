import type { Face } from '@keepsake/proto/face/v1'
import type { Pulled } from './peers.js'
import type { RatedFace, RatingInput } from './rate.js'

/** One item as it is stored: what the rating reads, and what a choice needs beside it. */
export interface Described {
  mediaId: string
  kind: 'photo' | 'video' | 'live'
  at: Date
  exact: boolean
  latitude: number | undefined
  longitude: number | undefined
  place: string
  audienceKind: string
  audienceIds: string[]
  uploadedBy: string | undefined
  blocked: string
  mundane: string
  childIds: string[]
  personIds: string[]
  duplicateGroup: string | undefined
  /** `duplicate` is decided later, when the whole group is rated. */
  input: RatingInput
}

/** Precisions that are good enough for a moment. */
const TO_THE_MINUTE = new Set(['exact', 'second', 'minute'])

/** Years around which a predicted age is as likely a child's as an adult's, and how fast that changes. */
const GROWN = { at: 18, within: 3 }

/** Puts together what the other services said of one item; undefined where it is not (or no more) a ready item of the album. */
export function describeItem(mediaId: string, pulled: Pulled): Described | undefined {
  const described = pulled.described.get(mediaId)
  const media = described?.media
  if (!described || !media || media.state !== 'ready' || media.trashedAt) return undefined
  const fileDated = media.takenAtSource === 'file-date' || media.takenAtSource === '' || !media.takenAt
  const faces = pulled.faces.get(mediaId) ?? []
  const people = faces
    .map(face => pulled.assignments.get(face.id)?.personId)
    .map(id => (id === undefined ? undefined : pulled.people.get(id)))
  const kind = media.kind === 'video' || media.kind === 'live' ? media.kind : 'photo'
  const quality = pulled.quality.get(mediaId)
  return {
    mediaId,
    kind,
    // Every ready item is rated, even one without any date.
    at: media.takenAt ?? media.uploadedAt ?? new Date(0),
    exact: !fileDated && TO_THE_MINUTE.has(media.takenAtPrecision),
    latitude: media.place?.latitude,
    longitude: media.place?.longitude,
    place: media.place?.city || media.place?.region || media.place?.country || '',
    audienceKind: media.audience?.kind ?? 'parents',
    audienceIds: media.audience?.ids ?? [],
    uploadedBy: media.uploadedByMemberId || undefined,
    blocked: described.blocked,
    mundane: media.mundane,
    childIds: distinct(people.map(p => p?.childId)),
    personIds: distinct(people.map(p => p?.id)),
    duplicateGroup: pulled.groups.get(mediaId),
    input: {
      kind,
      faces: faces.map((face, i) => ratedFace(face, people[i])),
      favourites: described.favouriteMemberIds.length || media.favouriteCount,
      comments: media.commentCount,
      audience: media.audience?.kind ?? 'parents',
      ...(quality
        ? { quality: { sharpness: quality.sharpness, exposure: quality.exposure, resolution: quality.resolution } }
        : {}),
      duplicate: false,
      mundane: media.mundane,
      fileDated,
      blocked: described.blocked,
    },
  }
}

function ratedFace(
  face: Face,
  person: Pulled['people'] extends Map<string, infer P> ? P | undefined : never,
): RatedFace {
  const young = 1 / (1 + Math.exp((face.age - GROWN.at) / GROWN.within))
  const registered = person?.childId !== undefined
  const named = person?.name
  return {
    area: face.box ? face.box.w * face.box.h : 0,
    sharpness: face.sharpness,
    smile: face.smile,
    eyesOpen: face.eyesOpen,
    child: registered ? 1 : person ? person.childProbability : young,
    registered,
    ...(named === undefined ? {} : { named: person!.id }),
  }
}

const distinct = (ids: readonly (string | undefined)[]): string[] =>
  [...new Set(ids.filter(id => id !== undefined))].sort()
