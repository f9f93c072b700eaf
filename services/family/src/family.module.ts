import { Module, type DynamicModule } from '@nestjs/common'
import { Db } from '@keepsake/db'
import type { KeyStore } from '@keepsake/media/key-store'
import { ServiceIdentity } from '@keepsake/rpc'
import { FamilyEvents, KEY_STORE } from './events.js'
import { FamilyRpc } from './rpc.js'
import { Settings } from './settings.js'

/** Nest's view of the family service. */
@Module({})
export class FamilyModule {
  static with(db: Db, identity: ServiceIdentity, settings: Settings, keys: KeyStore | undefined): DynamicModule {
    return {
      module: FamilyModule,
      controllers: [FamilyRpc, FamilyEvents],
      providers: [
        { provide: Db, useValue: db },
        { provide: ServiceIdentity, useValue: identity },
        { provide: Settings, useValue: settings },
        { provide: KEY_STORE, useValue: keys ?? null },
      ],
    }
  }
}
