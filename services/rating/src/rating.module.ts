import { Db } from '@keepsake/db'
import { Module, type DynamicModule } from '@nestjs/common'
import { RatingEvents } from './events.js'
import { Peers } from './peers.js'
import { RatingRpc } from './rpc.js'

/** Rating as Nest sees it. */
@Module({})
export class RatingModule {
  static with(db: Db, peers: Peers): DynamicModule {
    return {
      module: RatingModule,
      controllers: [RatingRpc, RatingEvents],
      providers: [
        { provide: Db, useValue: db },
        { provide: Peers, useValue: peers },
      ],
    }
  }
}
