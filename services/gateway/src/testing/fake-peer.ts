import {
  identityEnv,
  KeepsakeError,
  RpcService,
  runService,
  type Call,
  type IdentityKeys,
  type RpcDefinition,
  type RunningService,
} from '@keepsake/rpc'

/** What a fake answers; fields that are left out have their default, methods that are left out refuse. */
export type FakeHandlers = Record<string, (request: never, call: Call) => unknown>

/** A service behind the gateway with canned answers, over real gRPC. */
export function fakePeer(
  name: string,
  definition: RpcDefinition,
  handlers: FakeHandlers,
  keys: IdentityKeys,
): Promise<RunningService> {
  class Fake {}
  for (const [method, { responseDeserialize, path }] of Object.entries(definition))
    Object.defineProperty(Fake.prototype, method, {
      configurable: true,
      writable: true,
      value: async (request: never, call: Call) => {
        const handle = handlers[method]
        if (handle === undefined)
          throw new KeepsakeError({
            code: 'FAILED_PRECONDITION',
            reason: 'NOT_FAKED',
            message: `${path} is not faked.`,
          })
        return { ...(responseDeserialize(Buffer.alloc(0)) as object), ...((await handle(request, call)) as object) }
      },
    })
  RpcService(definition)(Fake)
  class FakeModule {}
  return runService({
    name,
    env: { ...identityEnv(keys, name), KEEPSAKE_LOG_LEVEL: 'error' },
    module: { module: FakeModule, controllers: [Fake] },
    rpc: [definition],
  })
}
