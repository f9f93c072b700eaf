import { Db, type FamilyTx } from '@keepsake/db'
import {
  AlbumServiceService,
  type CreateBlockRequest,
  type CreateCollectionRequest,
  type CreateCommentRequest,
  type DeleteBlockRequest,
  type DeleteCollectionRequest,
  type DeleteCommentRequest,
  type DeleteMediaRequest,
  type DescribeMediaRequest,
  type EditMediaRequest,
  type GetMediaRequest,
  type ListChangesRequest,
  type ListCommentsRequest,
  type ListMediaIdsRequest,
  type ListMediaRequest,
  type ListMonthsRequest,
  type ListPageMediaRequest,
  type RegisterMediaRequest,
  type RestoreMediaRequest,
  type SetAudienceRequest,
  type SetFavouriteRequest,
  type UndoEditRequest,
  type UpdateCollectionRequest,
} from '@keepsake/proto/album/v1'
import {
  familyOf,
  requireMember,
  requireParent,
  requireService,
  RpcService,
  type Call,
  type RpcHandlers,
} from '@keepsake/rpc'
import { setAudience } from './audience.js'
import { createBlock, deleteBlock, listBlocks } from './blocks.js'
import { takeIngested } from './catalogue.js'
import { listChanges } from './changes.js'
import { createCollection, deleteCollection, listCollections, updateCollection } from './collections.js'
import { createComment, deleteComment, listComments } from './comments.js'
import { describeMedia, getProgress, listMediaIds } from './describe.js'
import { editMedia, undoEdit } from './edit.js'
import { errors } from './errors.js'
import { setFavourite } from './favourite.js'
import { once } from './idempotency.js'
import { existing } from './ids.js'
import { listMedia, listMonths } from './list-media.js'
import { getMedia } from './media.js'
import { listPageMedia, listPages } from './pages.js'
import { Peers } from './peers.js'
import { deleteMedia, restoreMedia } from './trash.js'
import { viewerOf } from './viewer.js'

const methods = AlbumServiceService
const nothing = () => ({})

/** Album's answers, one line each. */
@RpcService(AlbumServiceService)
export class AlbumRpc implements RpcHandlers<typeof AlbumServiceService> {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  async registerMedia(r: RegisterMediaRequest, call: Call) {
    requireService(call, 'ingest')
    const media = await this.peers.ingest.load(familyOf(call), existing(r.mediaId, errors.mediaNotFound))
    if (media !== undefined) await this.db.family(call, tx => takeIngested(tx, media))
    return {}
  }

  listMedia(r: ListMediaRequest, call: Call) {
    return this.db.family(call, tx => listMedia(tx, viewerOf(call), r))
  }
  getMedia(r: GetMediaRequest, call: Call) {
    return this.db.family(call, async tx => ({ media: await getMedia(tx, viewerOf(call), r.mediaId) }))
  }
  listMonths(r: ListMonthsRequest, call: Call) {
    return this.db.family(call, tx => listMonths(tx, viewerOf(call), r.filter))
  }
  async describeMedia(r: DescribeMediaRequest, call: Call) {
    requireService(call)
    return this.db.family(call, tx => describeMedia(tx, r, new Date()))
  }
  async listMediaIds(r: ListMediaIdsRequest, call: Call) {
    requireService(call)
    return this.db.family(call, tx => listMediaIds(tx, r))
  }

  editMedia(r: EditMediaRequest, call: Call) {
    return this.change(call, methods.editMedia, r, async tx => {
      const caller = requireMember(call)
      if (r.audience !== undefined) await setAudience(tx, viewerOf({ caller }), r.mediaIds, r.audience)
      if (r.audience !== undefined && r.changes === undefined) return { editId: '' }
      return { editId: await editMedia(tx, caller, r.mediaIds, r.changes) }
    })
  }
  undoEdit(r: UndoEditRequest, call: Call) {
    return this.change(call, methods.undoEdit, r, tx => undoEdit(tx, requireMember(call), r.editId).then(nothing))
  }
  setAudience(r: SetAudienceRequest, call: Call) {
    return this.change(call, methods.setAudience, r, tx =>
      setAudience(tx, viewerOf({ caller: requireMember(call) }), r.mediaIds, r.audience).then(nothing),
    )
  }

  setFavourite(r: SetFavouriteRequest, call: Call) {
    return this.change(call, methods.setFavourite, r, async tx => ({
      changed: await setFavourite(tx, requireMember(call), r.mediaId, r.on),
    }))
  }
  listComments(r: ListCommentsRequest, call: Call) {
    return this.db.family(call, tx => listComments(tx, viewerOf(call), r))
  }
  createComment(r: CreateCommentRequest, call: Call) {
    return this.change(call, methods.createComment, r, async tx => ({
      comment: await createComment(tx, requireMember(call), r.mediaId, r.text),
    }))
  }
  deleteComment(r: DeleteCommentRequest, call: Call) {
    return this.change(call, methods.deleteComment, r, tx =>
      deleteComment(tx, requireMember(call), r.mediaId, r.commentId).then(nothing),
    )
  }

  deleteMedia(r: DeleteMediaRequest, call: Call) {
    return this.change(call, methods.deleteMedia, r, tx =>
      deleteMedia(tx, viewerOf({ caller: requireMember(call) }), r.mediaIds, r.now).then(erasureId => ({ erasureId })),
    )
  }
  restoreMedia(r: RestoreMediaRequest, call: Call) {
    return this.change(call, methods.restoreMedia, r, tx =>
      restoreMedia(tx, viewerOf({ caller: requireMember(call) }), r.mediaIds).then(nothing),
    )
  }

  listCollections(_: object, call: Call) {
    return this.db.family(call, tx => listCollections(tx, viewerOf(call)))
  }
  createCollection(r: CreateCollectionRequest, call: Call) {
    return this.change(call, methods.createCollection, r, async tx => ({
      collection: await createCollection(tx, viewerOf({ caller: requireMember(call) }), r.name, r.mediaIds),
    }))
  }
  updateCollection(r: UpdateCollectionRequest, call: Call) {
    return this.change(call, methods.updateCollection, r, async tx => ({
      collection: await updateCollection(tx, viewerOf({ caller: requireMember(call) }), r),
    }))
  }
  deleteCollection(r: DeleteCollectionRequest, call: Call) {
    return this.change(call, methods.deleteCollection, r, tx =>
      deleteCollection(tx, viewerOf({ caller: requireMember(call) }), r.id).then(nothing),
    )
  }

  async listBlocks(_: object, call: Call) {
    if (call.caller.kind !== 'service') requireParent(call)
    return this.db.family(call, listBlocks)
  }
  createBlock(r: CreateBlockRequest, call: Call) {
    return this.change(call, methods.createBlock, r, async tx => {
      requireParent(call)
      return { block: await createBlock(tx, r.block) }
    })
  }
  deleteBlock(r: DeleteBlockRequest, call: Call) {
    return this.change(call, methods.deleteBlock, r, async tx => {
      requireParent(call)
      await deleteBlock(tx, r.id)
      return {}
    })
  }

  async listPages(_: object, call: Call) {
    await this.requirePremium(call)
    return this.db.family(call, tx => listPages(tx, viewerOf(call)))
  }
  async listPageMedia(r: ListPageMediaRequest, call: Call) {
    await this.requirePremium(call)
    return this.db.family(call, tx => listPageMedia(tx, viewerOf(call), r))
  }

  listChanges(r: ListChangesRequest, call: Call) {
    return this.db.family(call, tx => listChanges(tx, viewerOf(call), r.cursor, r.limit))
  }
  getProgress(_: object, call: Call) {
    return this.db.family(call, getProgress)
  }

  /** One transaction: the effect, what it publishes, and the answer under the call's Idempotency-Key. */
  private change<Q, A>(
    call: Call,
    method: Parameters<typeof once<Q, A>>[2],
    request: Q,
    effect: (tx: FamilyTx) => Promise<A>,
  ): Promise<A> {
    return this.db.family(call, tx => once(tx, call, method, request, () => effect(tx)))
  }

  /** Family knows the plan as of now; the copy here may be a moment old. */
  private async requirePremium(call: Call): Promise<void> {
    if (call.caller.kind !== 'service') requireMember(call)
    const { family } = await this.peers.family.getFamily(
      {},
      { familyId: familyOf(call), deadlineMs: 5_000, signal: call.signal },
    )
    if (family?.plan !== 'premium') throw errors.premiumRequired()
  }
}
