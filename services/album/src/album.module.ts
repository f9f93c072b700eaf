import { Module, type DynamicModule } from '@nestjs/common'
import { Db } from '@keepsake/db'
import { AlbumEvents } from './events.js'
import { Peers } from './peers.js'
import { AlbumRpc } from './rpc.js'

/** Nest's view of album. */
@Module({})
export class AlbumModule {
  static with(db: Db, peers: Peers): DynamicModule {
    return {
      module: AlbumModule,
      controllers: [AlbumRpc, AlbumEvents],
      providers: [
        { provide: Db, useValue: db },
        { provide: Peers, useValue: peers },
      ],
    }
  }
}
