import type { GetProgressResponse as AlbumProgress } from '@keepsake/proto/album/v1'
import type { GetProgressResponse as ClusterProgress } from '@keepsake/proto/cluster/v1'
import type { GetProgressResponse as FaceProgress } from '@keepsake/proto/face/v1'
import type { GetProgressResponse as IngestProgress } from '@keepsake/proto/ingest/v1'
import type { GetProgressResponse as RatingProgress } from '@keepsake/proto/rating/v1'
import { z } from 'zod'
import { endpoint, type AnyEndpoint, type Input } from './endpoint.js'

const counts = z.object({ done: z.int(), pending: z.int(), failed: z.int() })

/** What is done and what is not; settled means that nothing is pending in any stage. */
export const processing = z
  .object({
    items: z.object({ total: z.int(), ready: z.int(), pending: z.int(), failed: z.int() }),
    stages: z.object({
      ingest: counts.optional(),
      faces: counts.optional(),
      people: counts.optional(),
      ratings: counts.optional(),
    }),
  })
  .meta({ id: 'Processing' })

/** A processing answer. */
export type Processing = z.input<typeof processing>

/** What each service says of its own part. */
export interface Progress {
  readonly ingest: IngestProgress
  readonly album: AlbumProgress
  readonly face: FaceProgress
  readonly cluster: ClusterProgress
  readonly rating: RatingProgress
}

/**
 * Puts the services' figures together. An item is pending in a stage from the moment the stage before it has finished,
 * also while the event that tells of it is still on its way: so the figures never look settled too early.
 */
export function compose({ ingest, album, face, cluster, rating }: Progress): Processing {
  const least = (value: number) => Math.max(0, value)
  const behind = (isBehind: boolean) => (isBehind ? 1 : 0)
  // An item that is pending is not counted as done, so that done, pending and failed add up to what there is.
  const stage = (total: number, pending: number, failed: number) => ({
    done: least(total - pending - failed),
    pending,
    failed,
  })
  // Items that are through ingest but not yet in the catalogue.
  const uncatalogued = least(ingest.ready + ingest.failed - album.ready - album.failed - album.trashed)
  const items = { total: ingest.total, ready: ingest.ready, pending: ingest.pending, failed: ingest.failed }
  const stages: Processing['stages'] = {
    ingest: stage(
      ingest.ready + ingest.pending + ingest.failed,
      Math.max(ingest.pending, album.pending, uncatalogued),
      ingest.failed,
    ),
  }
  if (face.consent) {
    const looked = face.done + face.failed
    stages.faces = stage(Math.max(ingest.ready, looked), least(ingest.ready - looked), face.failed)
    const unclustered = Math.max(cluster.pending, least(face.done - cluster.done))
    // People are through only when the catalogue shows them.
    const people = Math.max(unclustered, behind(album.peopleVersion < cluster.version))
    stages.people = stage(Math.max(face.done, cluster.done + cluster.pending), people, 0)
  }
  // What is in the trash has no rating.
  const unrated = Math.max(rating.pending, least(album.ready - rating.done))
  const stale = rating.peopleVersion < cluster.version || album.ratingVersion < rating.version
  stages.ratings = stage(Math.max(album.ready, rating.done), Math.max(unrated, behind(stale)), 0)
  return { items, stages }
}

const readyItems = { kinds: [], states: ['ready'], trash: false }

type Asked = Pick<Input<unknown, unknown, unknown>, 'edge' | 'asGateway'>

/** Asks every service for its progress. */
export async function progressOf({ edge, asGateway }: Asked): Promise<Progress> {
  const { clients } = edge
  const [ingest, album, face, cluster, rating] = await Promise.all([
    clients.ingest.getProgress({}, asGateway()),
    clients.album.getProgress({}, asGateway()),
    clients.face.getProgress({}, asGateway()),
    clients.cluster.getProgress({}, asGateway()),
    clients.rating.getProgress({}, asGateway()),
  ])
  return { ingest, album, face, cluster, rating }
}

/** The processing endpoint. */
export const processingEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/processing',
    id: 'getProcessing',
    summary:
      'How far everything is. A stage that does not run (no consent) is absent; settled: nothing pending anywhere.',
    answer: processing,
    async handle(input) {
      const composed = compose(await progressOf(input))
      if (input.person.role === 'parent') return composed
      // A relative learns of the items he may see, not how many there are besides.
      const { months } = await input.edge.clients.album.listMonths({ filter: readyItems }, await input.as())
      const ready = months.reduce((sum, month) => sum + month.count, 0)
      const pending = Object.values(composed.stages).some(stage => (stage?.pending ?? 0) > 0) ? 1 : 0
      return {
        items: { total: ready, ready, pending: 0, failed: 0 },
        stages: { ingest: { done: ready, pending, failed: 0 } },
      }
    },
  }),
]
