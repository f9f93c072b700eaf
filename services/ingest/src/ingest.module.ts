import { Module, type DynamicModule } from '@nestjs/common'
import { Context } from './context.js'
import { IngestEvents } from './events.js'
import { IngestRpc } from './rpc.js'

/** Ingest as Nest sees it. */
@Module({})
export class IngestModule {
  /** The module of one running service. */
  static with(context: Context): DynamicModule {
    return {
      module: IngestModule,
      controllers: [IngestRpc, IngestEvents],
      providers: [{ provide: Context, useValue: context }],
    }
  }
}
