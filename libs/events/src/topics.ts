import * as v1 from '@keepsake/proto/events/v1'
import type { Topic } from './topic.js'

// Eight partitions let up to eight processes share a group's work; each handles many keys at a time.
const partitions = 8

// A consumer that was away for longer is rebuilt by a resync.
const retentionMs = 7 * 86_400_000

interface PerMedia {
  mediaId: string
}

const perFamily = <T>(name: string, owner: string, schema: string, codec: Topic<T>['codec']): Topic<T> => ({
  name,
  owner,
  schema: `keepsake.events.v1.${schema}`,
  codec,
  partitions,
  retentionMs,
  key: (_, familyId) => familyId,
})

const perMedia = <T extends PerMedia>(
  name: string,
  owner: string,
  schema: string,
  codec: Topic<T>['codec'],
): Topic<T> => ({
  ...perFamily(name, owner, schema, codec),
  key: message => message.mediaId,
})

/** A family's settings, consent, members, groups, children or plan changed, or it was removed. Order per family. */
export const FamilyChanged = perFamily('family.changed', 'family', 'FamilyChanged', v1.FamilyChanged)
export type FamilyChanged = v1.FamilyChanged

/** An original is stored; work on it begins. Order per item. */
export const MediaAccepted = perMedia('media.accepted', 'ingest', 'MediaAccepted', v1.MediaAccepted)
export type MediaAccepted = v1.MediaAccepted

/** Metadata and renditions of an item are stored. Order per item. */
export const MediaIngested = perMedia('media.ingested', 'ingest', 'MediaIngested', v1.MediaIngested)
export type MediaIngested = v1.MediaIngested

/** An item cannot be used, and why. Order per item. */
export const MediaFailed = perMedia('media.failed', 'ingest', 'MediaFailed', v1.MediaFailed)
export type MediaFailed = v1.MediaFailed

/** Catalogue entries changed. Order per family. */
export const MediaChanged = perFamily('media.changed', 'album', 'MediaChanged', v1.MediaChanged)
export type MediaChanged = v1.MediaChanged

/** A favourite or a comment came or went. Order per family. */
export const MediaReacted = perFamily('media.reacted', 'album', 'MediaReacted', v1.MediaReacted)
export type MediaReacted = v1.MediaReacted

/** Items went to the trash or were erased. Order per family. */
export const MediaRemoved = perFamily('media.removed', 'album', 'MediaRemoved', v1.MediaRemoved)
export type MediaRemoved = v1.MediaRemoved

/** The faces of an item are stored. Order per item. */
export const FacesDetected = perMedia('faces.detected', 'face', 'FacesDetected', v1.FacesDetected)
export type FacesDetected = v1.FacesDetected

/** Who is in which item changed. Order per family. */
export const PeopleChanged = perFamily('people.changed', 'cluster', 'PeopleChanged', v1.PeopleChanged)
export type PeopleChanged = v1.PeopleChanged

/** Items were rated. Order per family. */
export const MediaRated = perFamily('media.rated', 'rating', 'MediaRated', v1.MediaRated)
export type MediaRated = v1.MediaRated

/** Moments, trips or occasions changed. Order per family. */
export const MomentsChanged = perFamily('moments.changed', 'rating', 'MomentsChanged', v1.MomentsChanged)
export type MomentsChanged = v1.MomentsChanged

/** A movie's status changed. Order per family. */
export const MovieChanged = perFamily('movie.changed', 'render', 'MovieChanged', v1.MovieChanged)
export type MovieChanged = v1.MovieChanged

/** An erasure began; family keeps the receipt. Order per family. Album (items) and face (faces) begin erasures too. */
export const ErasureStarted = perFamily('erasure.started', 'family', 'ErasureStarted', v1.ErasureStarted)
export type ErasureStarted = v1.ErasureStarted

/** Owners that have not reported are asked again. Order per family. */
export const ErasureOverdue = perFamily('erasure.overdue', 'family', 'ErasureOverdue', v1.ErasureOverdue)
export type ErasureOverdue = v1.ErasureOverdue

/** Nothing of an erasure is left with an owner. Order per family. Every owner reports. */
export const ErasureReported = perFamily('erasure.reported', 'family', 'ErasureReported', v1.ErasureReported)
export type ErasureReported = v1.ErasureReported

/** Every topic, for operators and for tests. */
export const topics = [
  FamilyChanged,
  MediaAccepted,
  MediaIngested,
  MediaFailed,
  MediaChanged,
  MediaReacted,
  MediaRemoved,
  FacesDetected,
  PeopleChanged,
  MediaRated,
  MomentsChanged,
  MovieChanged,
  ErasureStarted,
  ErasureOverdue,
  ErasureReported,
] as const

/** Every group that takes events in: on Kafka each has a retry and a dead-letter topic. */
export const consumerGroups = ['album', 'cluster', 'face', 'family', 'ingest', 'rating', 'render'] as const
