import { Module, type DynamicModule } from '@nestjs/common'
import { Db } from '@keepsake/db'
import { FACE_TOOLS, FaceEvents, type FaceTools } from './events.js'
import { FaceRpc, OBJECT_STORE } from './rpc.js'

/** Nest's view of the face service. */
@Module({})
export class FaceModule {
  static with(tools: FaceTools): DynamicModule {
    return {
      module: FaceModule,
      controllers: [FaceRpc, FaceEvents],
      providers: [
        { provide: Db, useValue: tools.db },
        { provide: OBJECT_STORE, useValue: tools.store },
        { provide: FACE_TOOLS, useValue: tools },
      ],
    }
  }
}
