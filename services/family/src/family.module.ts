import { Module, type DynamicModule } from '@nestjs/common'
import { Db } from '@keepsake/db'
import { ServiceIdentity } from '@keepsake/rpc'
import { FamilyRpc } from './rpc.js'
import { Settings } from './settings.js'

/** Nest's view of the family service. */
@Module({})
export class FamilyModule {
  static with(db: Db, identity: ServiceIdentity, settings: Settings): DynamicModule {
    return {
      module: FamilyModule,
      controllers: [FamilyRpc],
      providers: [
        { provide: Db, useValue: db },
        { provide: ServiceIdentity, useValue: identity },
        { provide: Settings, useValue: settings },
      ],
    }
  }
}
