import { Db } from '@keepsake/db'
import {
  RatingServiceService,
  type CountStoredRequest,
  type GetRatingsRequest,
  type ListMomentsRequest,
  type SelectRequest,
} from '@keepsake/proto/rating/v1'
import { familyOf, requireService, RpcService, type Call, type RpcHandlers } from '@keepsake/rpc'
import { Peers } from './peers.js'
import { countStored, getRatings, listMoments, progress, selectItems } from './reading.js'

@RpcService(RatingServiceService)
export class RatingRpc implements RpcHandlers<typeof RatingServiceService> {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  async getRatings(r: GetRatingsRequest, call: Call) {
    return { ratings: await this.db.family(call, tx => getRatings(tx, call, r.mediaIds, r.locale)) }
  }

  async select(r: SelectRequest, call: Call) {
    const single = r.viewerMemberId !== undefined || r.audienceKind === 'members'
    const members = single ? await this.peers.members(familyOf(call), call.signal) : []
    return this.db.family(call, tx => selectItems(tx, call, r, members))
  }

  listMoments(r: ListMomentsRequest, call: Call) {
    return this.db.family(call, tx => listMoments(tx, call, r))
  }

  getProgress(_: object, call: Call) {
    return this.db.family(call, progress)
  }

  async countStored(r: CountStoredRequest, call: Call) {
    requireService(call)
    return { rows: await this.db.family(call, tx => countStored(tx, r.mediaIds)) }
  }
}
