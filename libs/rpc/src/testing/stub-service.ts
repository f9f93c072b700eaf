import { KeepsakeError } from '../keepsake-error.js'
import { RpcService } from '../rpc-service.js'
import { runService, type RunningService } from '../run-service.js'
import type { RpcDefinition, RpcHandlers } from '../types.js'

/** Starts a stand-in for another service that answers some of its methods; the others say UNIMPLEMENTED, by name. */
export async function stubService<D extends RpcDefinition>(
  name: string,
  env: Record<string, string | undefined>,
  definition: D,
  handlers: Partial<RpcHandlers<D>>,
): Promise<RunningService> {
  class Stub {}
  for (const method of Object.keys(definition)) {
    const value =
      handlers[method] ??
      (() =>
        Promise.reject(
          new KeepsakeError({ code: 'INTERNAL', reason: 'NOT_STUBBED', message: `${method} is not stubbed` }),
        ))
    Object.defineProperty(Stub.prototype, method, { value, writable: true, configurable: true })
  }
  RpcService(definition)(Stub)
  class StubModule {}
  return runService({ name, env, module: { module: StubModule, controllers: [Stub] }, rpc: [definition] })
}
