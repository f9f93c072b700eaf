import { Module, type DynamicModule } from '@nestjs/common'
import { Db } from '@keepsake/db'
import { RenderEvents } from './events.js'
import { Peers } from './peers.js'
import { RenderRpc } from './rpc.js'

/** Nest's view of the render service. */
@Module({})
export class RenderModule {
  static with(db: Db, peers: Peers): DynamicModule {
    return {
      module: RenderModule,
      controllers: [RenderRpc, RenderEvents],
      providers: [
        { provide: Db, useValue: db },
        { provide: Peers, useValue: peers },
      ],
    }
  }
}
