import { Db } from '@keepsake/db'
import {
  RenderServiceService,
  type CancelMovieRequest,
  type CountStoredRequest,
  type CreateMovieRequest,
  type DeleteMovieRequest,
  type GetMovieRequest,
  type ListMoviesRequest,
  type PublishMovieRequest,
  type UpdateMovieRequest,
} from '@keepsake/proto/render/v1'
import { RpcService, requireService, type Call, type RpcHandlers } from '@keepsake/rpc'
import { errors } from './errors.js'
import { once } from './idempotency.js'
import { cancelMovie, createMovie, deleteMovie, publishMovie, readMovie, readMovies, updateMovie } from './movies.js'
import { Peers } from './peers.js'
import { countStored, openTo, requireMediaIds } from './withdraw.js'

const rpc = RenderServiceService

@RpcService(RenderServiceService)
export class RenderRpc implements RpcHandlers<typeof RenderServiceService> {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  createMovie(r: CreateMovieRequest, call: Call) {
    return this.db.family(call, tx =>
      once(tx, call, rpc.createMovie, r, async () => ({ movie: await createMovie(tx, call, r) })),
    )
  }

  async listMovies(r: ListMoviesRequest, call: Call) {
    const page = await this.db.family(call, tx => readMovies(tx, call, r))
    const open = await openTo(this.peers, call, page.movies)
    return { movies: open.map(m => m.movie), nextCursor: page.nextCursor }
  }

  async getMovie(r: GetMovieRequest, call: Call) {
    const read = await this.db.family(call, tx => readMovie(tx, call, r.movieId))
    const [open] = await openTo(this.peers, call, [read])
    if (!open) throw errors.movieNotFound()
    return { movie: open.movie }
  }

  updateMovie(r: UpdateMovieRequest, call: Call) {
    return this.db.family(call, tx =>
      once(tx, call, rpc.updateMovie, r, async () => ({ movie: await updateMovie(tx, call, r) })),
    )
  }

  deleteMovie(r: DeleteMovieRequest, call: Call) {
    return this.db.family(call, tx =>
      once(tx, call, rpc.deleteMovie, r, () => deleteMovie(tx, call, r.movieId).then(() => ({}))),
    )
  }

  publishMovie(r: PublishMovieRequest, call: Call) {
    return this.db.family(call, tx =>
      once(tx, call, rpc.publishMovie, r, async () => ({
        movie: await publishMovie(tx, call, r.movieId, r.published),
      })),
    )
  }

  cancelMovie(r: CancelMovieRequest, call: Call) {
    return this.db.family(call, tx =>
      once(tx, call, rpc.cancelMovie, r, () => cancelMovie(tx, call, r.movieId).then(() => ({}))),
    )
  }

  countStored(r: CountStoredRequest, call: Call) {
    requireService(call)
    return this.db.family(call, tx => countStored(tx, requireMediaIds(r.mediaIds)))
  }
}
