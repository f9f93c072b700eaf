import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { RatingServiceService } from '@keepsake/proto/rating/v1'
import { RenderServiceService } from '@keepsake/proto/render/v1'
import { createClient, KeepsakeError, type Client, type ServiceIdentity } from '@keepsake/rpc'
import type { GatewayConfig } from './config.js'

/** The services behind the gateway. */
export interface Clients {
  readonly family: Client<typeof FamilyServiceService>
  readonly album: Client<typeof AlbumServiceService>
  readonly ingest: Client<typeof IngestServiceService>
  readonly face: Client<typeof FaceServiceService>
  readonly cluster: Client<typeof ClusterServiceService>
  readonly rating: Client<typeof RatingServiceService>
  readonly render: Client<typeof RenderServiceService>
  close(): void
}

/** Connects to every service; connections are made when they are first needed. */
export function createClients(config: GatewayConfig, identity: ServiceIdentity): Clients {
  const clients = {
    family: createClient(FamilyServiceService, config.KEEPSAKE_FAMILY_ADDRESS, identity),
    album: createClient(AlbumServiceService, config.KEEPSAKE_ALBUM_ADDRESS, identity),
    ingest: createClient(IngestServiceService, config.KEEPSAKE_INGEST_ADDRESS, identity),
    face: createClient(FaceServiceService, config.KEEPSAKE_FACE_ADDRESS, identity),
    cluster: createClient(ClusterServiceService, config.KEEPSAKE_CLUSTER_ADDRESS, identity),
    rating: createClient(RatingServiceService, config.KEEPSAKE_RATING_ADDRESS, identity),
    render: createClient(RenderServiceService, config.KEEPSAKE_RENDER_ADDRESS, identity),
  }
  return { ...clients, close: () => Object.values(clients).forEach(client => client.close()) }
}

/** UNIMPLEMENTED: a service of the release before. */
const away = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED'])

/** The answer, or undefined while that service is away: for parts of a page without which the page is still worth showing. */
export async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (KeepsakeError.is(error) && away.has(error.code)) return undefined
    throw error
  }
}
