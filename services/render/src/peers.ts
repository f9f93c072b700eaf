import type { AlbumServiceService } from '@keepsake/proto/album/v1'
import type { FaceServiceService } from '@keepsake/proto/face/v1'
import type { FamilyServiceService } from '@keepsake/proto/family/v1'
import type { IngestServiceService } from '@keepsake/proto/ingest/v1'
import type { RatingServiceService } from '@keepsake/proto/rating/v1'
import type { Client } from '@keepsake/rpc'

/** The services that know what a movie is made of. */
export interface Peers {
  album: Pick<Client<typeof AlbumServiceService>, 'describeMedia'>
  face: Pick<Client<typeof FaceServiceService>, 'getFaces'>
  family: Pick<Client<typeof FamilyServiceService>, 'getFamily' | 'listChildren' | 'listMembers'>
  ingest: Pick<Client<typeof IngestServiceService>, 'getMedia'>
  rating: Pick<Client<typeof RatingServiceService>, 'select'>
}

/** Milliseconds that one question may take. */
export const PEER_DEADLINE_MS = 10_000
/** Ids in one question at most. */
export const PEER_BATCH = 500
