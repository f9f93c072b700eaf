import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import type * as v1 from '@keepsake/proto/ingest/v1'
import { familyOf, requireService, RpcService, type Call, type RpcHandlers } from '@keepsake/rpc'
import { DuplicateGroups, getMedia, getProgress, retryMedia } from './catalogue.js'
import { Context } from './context.js'
import { countStored } from './erase.js'
import { finishUpload } from './finish.js'
import { beginPart, commitPart, createUpload, getUpload, terminateUpload } from './upload.js'

/** The gRPC door of ingest. */
@RpcService(IngestServiceService)
export class IngestRpc implements RpcHandlers<typeof IngestServiceService> {
  private readonly groups: DuplicateGroups

  constructor(private readonly deps: Context) {
    this.groups = new DuplicateGroups(deps)
  }

  async createUpload(r: v1.CreateUploadRequest, call: Call) {
    return { upload: await createUpload(this.deps, r, call) }
  }

  async getUpload(r: v1.GetUploadRequest, call: Call) {
    return { upload: await getUpload(this.deps, r.id, call) }
  }

  beginPart(r: v1.BeginPartRequest, call: Call) {
    return beginPart(this.deps, r.id, r.offset, call)
  }

  async commitPart(r: v1.CommitPartRequest, call: Call) {
    return { upload: await commitPart(this.deps, r.id, r, call) }
  }

  finishUpload(r: v1.FinishUploadRequest, call: Call) {
    return finishUpload(this.deps, r.id, call)
  }

  async terminateUpload(r: v1.TerminateUploadRequest, call: Call) {
    await terminateUpload(this.deps, r.id, call)
    return {}
  }

  async getMedia(r: v1.GetMediaRequest, call: Call) {
    return { media: await getMedia(this.deps, r.mediaIds, call) }
  }

  async listDuplicateGroups(r: v1.ListDuplicateGroupsRequest, call: Call) {
    const groups = await this.groups.list(r.mediaIds, call)
    return { groups: groups.map(g => ({ ...g, mediaIds: [...g.mediaIds] })) }
  }

  async retryMedia(r: v1.RetryMediaRequest, call: Call) {
    await retryMedia(this.deps, r.mediaId, call)
    return {}
  }

  getProgress(_: v1.GetProgressRequest, call: Call) {
    return getProgress(this.deps, call)
  }

  countStored(r: v1.CountStoredRequest, call: Call) {
    requireService(call)
    return countStored(this.deps, familyOf(call), r.mediaIds)
  }
}
