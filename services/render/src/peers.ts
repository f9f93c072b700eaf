import type { AlbumServiceService } from '@keepsake/proto/album/v1'
import type { FaceServiceService } from '@keepsake/proto/face/v1'
import type { FamilyServiceService } from '@keepsake/proto/family/v1'
import type { IngestServiceService } from '@keepsake/proto/ingest/v1'
import type { RatingServiceService } from '@keepsake/proto/rating/v1'
import type { Client } from '@keepsake/rpc'

/** The services that know what a movie is made of. A class only so that Nest can name it. */
export class Peers {
  constructor(
    readonly album: Pick<Client<typeof AlbumServiceService>, 'describeMedia'>,
    readonly face: Pick<Client<typeof FaceServiceService>, 'getFaces'>,
    readonly family: Pick<Client<typeof FamilyServiceService>, 'getFamily' | 'listChildren' | 'listMembers'>,
    readonly ingest: Pick<Client<typeof IngestServiceService>, 'getMedia'>,
    readonly rating: Pick<Client<typeof RatingServiceService>, 'select'>,
  ) {}
}

/** Milliseconds that one question may take. */
export const PEER_DEADLINE_MS = 10_000
/** Ids in one question at most. */
export const PEER_BATCH = 500
