import { Db } from '@keepsake/db'
import { Module, type DynamicModule } from '@nestjs/common'
import { ClusterEvents } from './events.js'
import { Peers } from './peers.js'
import { ClusterRpc } from './rpc.js'
import { Runner } from './runner.js'

/** Cluster as Nest sees it. */
@Module({})
export class ClusterModule {
  static with(db: Db, peers: Peers, runner: Runner): DynamicModule {
    return {
      module: ClusterModule,
      controllers: [ClusterRpc, ClusterEvents],
      providers: [
        { provide: Db, useValue: db },
        { provide: Peers, useValue: peers },
        { provide: Runner, useValue: runner },
      ],
    }
  }
}
