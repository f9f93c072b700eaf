import { Db, sql } from '@keepsake/db'
import type { ObjectStore } from '@keepsake/media'
import {
  FaceServiceService,
  type CountStoredRequest,
  type EraseFacesRequest,
  type Face,
  type GetFacesRequest,
  type GetFacesResponse,
  type GetProgressRequest,
  type GetProgressResponse,
} from '@keepsake/proto/face/v1'
import { familyOf, requireService, RpcService, type Call, type RpcHandlers } from '@keepsake/rpc'
import { Inject } from '@nestjs/common'
import { hasConsent } from './consent.js'
import { toBytes } from './embedding.js'
import { countStored } from './erase.js'
import { eraseFaces } from './erase-faces.js'
import { errors } from './errors.js'
import { FACE_TOOLS, type FaceTools } from './events.js'
import { holding, readFaces, readItems, type StoredFace } from './store.js'

/** Under this name Nest hands out the object store. */
export const OBJECT_STORE = Symbol('object store')

/** Ids that one request may name. */
const MAX_IDS = 500

/** What other services may ask of face. */
@RpcService(FaceServiceService)
export class FaceRpc implements RpcHandlers<typeof FaceServiceService> {
  constructor(
    private readonly db: Db,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(FACE_TOOLS) private readonly tools: FaceTools,
  ) {}

  async getFaces(request: GetFacesRequest, call: Call): Promise<GetFacesResponse> {
    if (request.embeddings) requireService(call)
    return getFaces(this.db, request, call)
  }

  async eraseFaces({ faceIds }: EraseFacesRequest, call: Call): Promise<{ erasureId: string }> {
    if (faceIds.length > MAX_IDS) throw errors.tooManyIds(MAX_IDS)
    const erasureId = await eraseFaces(this.db, this.tools.peers, call, faceIds)
    this.tools.sweep()
    return { erasureId }
  }

  async getProgress(_: GetProgressRequest, call: Call): Promise<GetProgressResponse> {
    return getProgress(this.db, call)
  }

  async countStored({ mediaIds }: CountStoredRequest, call: Call): Promise<{ rows: number; objects: number }> {
    requireService(call)
    return countStored(this.db, this.store, familyOf(call), mediaIds)
  }
}

function getFaces(db: Db, { mediaIds, faceIds, embeddings }: GetFacesRequest, call: Call): Promise<GetFacesResponse> {
  if (mediaIds.length + faceIds.length > MAX_IDS) throw errors.tooManyIds(MAX_IDS)
  return db.family(call, async tx => {
    const items = await readItems(tx, mediaIds, faceIds)
    const faces = await readFaces(tx, mediaIds, faceIds)
    return {
      items: items.map(({ mediaId, version, pipeline, state, failureCode }) => ({
        mediaId,
        version,
        pipeline,
        state,
        faces: faces.filter(face => face.mediaId === mediaId).map(face => toProto(face, embeddings)),
        failureCode: failureCode ?? undefined,
      })),
    }
  })
}

function getProgress(db: Db, call: Call): Promise<GetProgressResponse> {
  return db.family(call, async tx => {
    const counts = await tx.one<{ done: number; failed: number; faces: number }>(sql`
      select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed,
        (select count(*) from face.faces where family_id = ${tx.familyId} and pipeline = ${holding(tx)}) as faces
      from face.items where family_id = ${tx.familyId} and pipeline = ${holding(tx)}`)
    return { ...counts, consent: await hasConsent(tx) }
  })
}

function toProto({ embedding, ...face }: StoredFace, withEmbedding: boolean): Face {
  return { ...face, at: face.at, embedding: withEmbedding ? toBytes(embedding) : Buffer.alloc(0) }
}
