import { createServer, type AddressInfo } from 'node:net'
import {
  Inject,
  Injectable,
  Module,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  type Provider,
  type Type,
} from '@nestjs/common'
import { Client as GrpcClient, credentials, Metadata, status } from '@grpc/grpc-js'
import { currentTrace, span } from '@keepsake/telemetry'
import { map, type Observable } from 'rxjs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  callAs,
  createClient,
  generateIdentityKeys,
  identityEnv,
  KeepsakeError,
  RpcService,
  runService,
  ServiceIdentity,
  type Call,
  type Client,
  type RpcHandlers,
  type RunningService,
  type ServiceOptions,
} from './index.js'
import { EchoLog, EchoRpc, EchoService, type EchoRequest, type EchoResponse } from './testing/echo.js'

@Module({})
class EchoModule {}

/** Answers an echo, and says in which trace. */
@RpcService(EchoService)
class Watching implements RpcHandlers<typeof EchoService> {
  constructor(@Inject('seen') private readonly seen: (string | undefined)[]) {}

  getEcho({ text }: EchoRequest): Promise<EchoResponse> {
    this.seen.push(currentTrace()?.traceId)
    return Promise.resolve({ text, caller: '', deadline: 0 })
  }

  setEcho(request: EchoRequest): Promise<EchoResponse> {
    return this.getEcho(request)
  }

  async *listEchoes(request: EchoRequest): AsyncGenerator<EchoResponse> {
    yield await this.getEcho(request)
  }
}

/** Notes who asks what, and changes the answer. */
@Injectable()
class Changing implements NestInterceptor {
  constructor(@Inject('seen') private readonly seen: string[]) {}

  intercept(context: ExecutionContext, next: CallHandler<EchoResponse>): Observable<EchoResponse> {
    const rpc = context.switchToRpc()
    this.seen.push(`${rpc.getData<EchoRequest>().text} of ${rpc.getContext<Call>().caller.kind}`)
    return next.handle().pipe(map(answer => ({ ...answer, text: `${answer.text}, changed` })))
  }
}

@UseInterceptors(Changing)
@RpcService(EchoService)
class Intercepted implements RpcHandlers<typeof EchoService> {
  getEcho({ text }: EchoRequest): Promise<EchoResponse> {
    return Promise.resolve({ text, caller: '', deadline: 0 })
  }

  setEcho(request: EchoRequest): Promise<EchoResponse> {
    return this.getEcho(request)
  }

  async *listEchoes(request: EchoRequest): AsyncGenerator<EchoResponse> {
    yield await this.getEcho(request)
  }
}

const keys = generateIdentityKeys(['echo', 'album', 'family'])
const identityOf = (service: string) => ServiceIdentity.fromEnv(service, identityEnv(keys, service))
const closers: (() => unknown)[] = []
let log: EchoLog
let service: RunningService
let client: Client<typeof EchoService>

const start = (env: Record<string, string> = {}, extra: Pick<ServiceOptions, 'readiness'> = {}) =>
  runService({
    name: 'echo',
    env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'silent', ...env },
    module: { module: EchoModule, controllers: [EchoRpc], providers: [{ provide: EchoLog, useValue: log }] },
    rpc: [EchoService],
    ...extra,
  })

const serving = async (controller: Type<unknown>, provider: Provider) => {
  const other = await runService({
    name: 'echo',
    env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'silent' },
    module: { module: EchoModule, controllers: [controller], providers: [provider] },
    rpc: [EchoService],
  })
  const asking = createClient(EchoService, other.address, identityOf('album'))
  closers.push(
    () => other.close(),
    () => asking.close(),
  )
  return asking
}

const until = async (condition: () => boolean) => {
  for (let left = 2000; left > 0 && !condition(); left--) await new Promise(done => setTimeout(done, 10))
  expect(condition()).toBe(true)
}

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

beforeEach(async () => {
  log = new EchoLog()
  service = await start()
  client = createClient(EchoService, service.address, identityOf('album'))
  closers.push(
    () => service.close(),
    () => client.close(),
  )
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe('a call', () => {
  test('is answered, and the handler knows which service asks for which family', async () => {
    const answer = await client.getEcho({ text: 'a' }, { familyId: 'f1', deadlineMs: 20_000 })
    expect(answer.text).toBe('a')
    expect(JSON.parse(answer.caller)).toEqual({ kind: 'service', service: 'album', familyId: 'f1' })
  })

  test('without a deadline is refused by the client, and by the server from anyone else', async () => {
    const noDeadline = { familyId: 'f1' } as unknown as { familyId: string; deadlineMs: number }
    await expect(client.getEcho({ text: 'a' }, noDeadline)).rejects.toMatchObject({ reason: 'DEADLINE_REQUIRED' })
    const bare = new GrpcClient(service.address, credentials.createInsecure())
    closers.push(() => bare.close())
    const { path, requestSerialize, responseDeserialize } = EchoService.getEcho
    const refused = await new Promise(resolve =>
      bare.makeUnaryRequest(path, requestSerialize, responseDeserialize, { text: 'a' }, new Metadata(), e =>
        resolve(e),
      ),
    )
    expect(refused).toMatchObject({ code: status.INVALID_ARGUMENT })
    expect(log.calls).toEqual([])
  })

  test('made on behalf of another call has its deadline and ends with it', async () => {
    const calm = callAs({ kind: 'anonymous' }, { deadlineMs: 20_000 })
    const answer = await client.getEcho({ text: 'a' }, { call: calm, deadlineMs: 600_000 })
    // The way there takes as long as it takes; it is the caller's deadline all the same, not the 600 s.
    expect(answer.deadline).toBeLessThan(calm.deadline + 20_000)
    const call = callAs({ kind: 'anonymous' }, { deadlineMs: 1_000 })
    await expect(client.getEcho({ text: 'hold' }, { call })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await until(() => log.aborted.length === 1)
    await expect(client.getEcho({ text: 'late' }, { call })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(log.calls).not.toContain('late')
  })

  test('that a server gives up by itself may be asked again: only who asks can cancel', async () => {
    log.failures = [new KeepsakeError({ code: 'CANCELLED', reason: 'CANCELLED', message: 'The call was cancelled.' })]
    await expect(client.setEcho({ text: 'a' }, { deadlineMs: 20_000 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    })
  })

  /** Gives a call up as soon as its handler has it. */
  async function callAndCancel(text: string): Promise<void> {
    const abort = new AbortController()
    const pending = client.getEcho({ text }, { deadlineMs: 20_000, signal: abort.signal })
    await until(() => log.calls.length === 1)
    abort.abort()
    await expect(pending).rejects.toMatchObject({ code: 'CANCELLED' })
  }

  test('that is cancelled aborts the handler', async () => {
    await callAndCancel('hold')
    await until(() => log.aborted.includes('AbortError'))
  })

  test('that was cancelled before its handler looked is aborted when it looks', async () => {
    await callAndCancel('work')
    // On the same connection: what was sent before it has arrived when it is answered.
    await client.getEcho({ text: 'after' }, { deadlineMs: 20_000 })
    log.release()
    await until(() => log.aborted.includes('AbortError'))
  })

  test('belongs to the trace it was made in, and outside of any to one of its own', async () => {
    const seen: (string | undefined)[] = []
    const watching = await serving(Watching, { provide: 'seen', useValue: seen })
    const within = await span('a page', async () => {
      await watching.getEcho({ text: 'a' }, { deadlineMs: 20_000 })
      await watching.getEcho({ text: 'b' }, { deadlineMs: 20_000 })
      return currentTrace()?.traceId
    })
    await watching.getEcho({ text: 'c' }, { deadlineMs: 20_000 })
    await watching.getEcho({ text: 'd' }, { deadlineMs: 20_000 })
    const [a, b, c, d] = seen
    expect([a, b]).toEqual([within, within])
    for (const each of seen) expect(each).toMatch(/^[0-9a-f]{32}$/)
    expect(new Set([within, c, d]).size).toBe(3)
  })

  test("goes through Nest's own interceptors where its class has some", async () => {
    const seen: string[] = []
    const watching = await serving(Intercepted, { provide: 'seen', useValue: seen })
    expect((await watching.getEcho({ text: 'a' }, { deadlineMs: 20_000 })).text).toBe('a, changed')
    expect(seen).toEqual(['a of service'])
  })

  test('streams its answers, with the error after them', async () => {
    const seen: string[] = []
    for await (const item of client.listEchoes({ text: 'n' }, { deadlineMs: 20_000 })) seen.push(item.text)
    expect(seen).toEqual(['n0', 'n1', 'n2'])
    log.failures = [new KeepsakeError({ code: 'NOT_FOUND', reason: 'ECHO_LOST', message: 'Gone.' })]
    const broken = (async () => {
      for await (const item of client.listEchoes({ text: 'm' }, { deadlineMs: 20_000 })) seen.push(item.text)
    })()
    await expect(broken).rejects.toMatchObject({ reason: 'ECHO_LOST' })
    expect(seen.at(-1)).toBe('m2')
  })
})

describe('an error', () => {
  test('arrives with code, reason, message, details and retryable, and without its cause', async () => {
    log.failures = [
      new KeepsakeError({
        code: 'FAILED_PRECONDITION',
        reason: 'TOO_FEW_ITEMS',
        message: 'Ten items are needed – 足りません。',
        details: { needed: '10' },
        retryable: true,
        cause: new Error('select * from secrets'),
      }),
    ]
    const error = await client.setEcho({ text: 'a' }, { deadlineMs: 20_000 }).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'TOO_FEW_ITEMS',
      message: 'Ten items are needed – 足りません。',
      details: { needed: '10' },
      retryable: true,
    })
    expect((error as Error).cause).toBeUndefined()
  })

  test('that nobody foresaw says nothing about the inside', async () => {
    const error = await client.getEcho({ text: 'bug' }, { deadlineMs: 20_000 }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL' })
    expect(JSON.stringify(error) + (error as Error).message).not.toContain('secret')
  })
})

describe('UNAVAILABLE', () => {
  const ill = () => new KeepsakeError({ code: 'UNAVAILABLE', reason: 'BUSY', message: 'Busy.' })

  test('is tried again where that is safe, a bounded number of times', async () => {
    log.failures = [ill(), ill()]
    expect((await client.getEcho({ text: 'a' }, { deadlineMs: 20_000 })).text).toBe('a')
    log.failures = Array.from({ length: 10 }, ill)
    await expect(client.getEcho({ text: 'a' }, { deadlineMs: 20_000 })).rejects.toMatchObject({ reason: 'BUSY' })
    expect(log.failures).toHaveLength(6)
  })

  test('is not tried again where the effect could happen twice', async () => {
    log.failures = [ill()]
    await expect(client.setEcho({ text: 'a' }, { deadlineMs: 20_000 })).rejects.toMatchObject({ reason: 'BUSY' })
    log.failures = [ill()]
    expect((await client.setEcho({ text: 'a' }, { deadlineMs: 20_000, idempotencyKey: 'k' })).text).toBe('a')
  })

  test('a service that starts again at its address is found again', async () => {
    const { address } = service
    await service.close()
    const pending = client.getEcho({ text: 'later' }, { deadlineMs: 20_000 }).catch((e: unknown) => e)
    service = await start({ KEEPSAKE_GRPC_LISTEN: address })
    closers.push(() => service.close())
    await pending
    // By time, not by attempts: refused connections fail in no time, while the channel waits before it tries again.
    const giveUp = Date.now() + 20_000
    let answered = false
    while (!answered && Date.now() < giveUp)
      answered = await client.getEcho({ text: 'b' }, { deadlineMs: 1000 }).then(
        () => true,
        () => new Promise<boolean>(done => setTimeout(done, 10, false)),
      )
    expect(answered).toBe(true)
  })
})

describe('identity', () => {
  const member = {
    kind: 'member',
    accountId: 'a',
    familyId: 'f',
    memberId: 'm',
    role: 'parent',
    groupIds: ['g'],
  } as const
  const ask = (identity: string) => client.getEcho({ text: 'a' }, { deadlineMs: 20_000, identity })

  test('of a person is believed from the family service only', async () => {
    expect(JSON.parse((await ask(await identityOf('family').forPerson(member))).caller)).toEqual(member)
    await expect(ask(await identityOf('album').forPerson(member))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('of nobody is nobody; a forged one is refused', async () => {
    expect(JSON.parse((await ask('')).caller)).toEqual({ kind: 'anonymous' })
    const strangers = generateIdentityKeys(['family'])
    const stranger = ServiceIdentity.fromEnv('family', identityEnv(strangers, 'family'))
    await expect(ask(await stranger.forPerson(member))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(ask('rubbish')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('ends after its minute, also when it was verified before', async () => {
    const clock = { now: Date.now() }
    const env = identityEnv(keys, 'family')
    const parts = ServiceIdentity.fromEnv('family', env) as unknown as { privateKey: never; publicKeys: never }
    const family = new ServiceIdentity('family', parts.privateKey, parts.publicKeys, () => clock.now)
    const token = await family.forPerson(member)
    expect(await family.verify(token)).toEqual(member)
    clock.now += 66_000
    await expect(family.verify(token)).rejects.toMatchObject({ reason: 'IDENTITY_INVALID' })
  })
})

describe('a service', () => {
  test('whose class lacks a method fails when it is loaded', () => {
    expect(() => RpcService(EchoService)(class Half {} as never)).toThrow(
      'Half does not implement /keepsake.test.v1.EchoService/GetEcho',
    )
  })

  test('without a controller for its definition does not start', async () => {
    const starting = runService({
      name: 'echo',
      env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'silent' },
      module: EchoModule,
      rpc: [EchoService],
    })
    await expect(starting).rejects.toThrow('no handler for /keepsake.test.v1.EchoService/GetEcho')
  })

  test('says livez, readyz and metrics on its internal port', async () => {
    let problem = ''
    const other = await start(
      {},
      { readiness: { database: () => (problem ? Promise.reject(new Error(problem)) : Promise.resolve()) } },
    )
    closers.push(() => other.close())
    await client.getEcho({ text: 'a' }, { deadlineMs: 20_000 })
    const get = async (path: string) => (await fetch(other.internalUrl + path)).status
    expect([await get('/livez'), await get('/readyz'), await get('/nothing')]).toEqual([200, 200, 404])
    expect(await (await fetch(`${other.internalUrl}/metrics`)).text()).toContain('rpc_server_seconds')
    problem = 'no database'
    for (let i = 0; i < 2000 && (await get('/readyz')) === 200; i++) await new Promise(done => setTimeout(done, 10))
    const answer = await fetch(`${other.internalUrl}/readyz`)
    expect([answer.status, await answer.text()]).toEqual([503, 'database: no database\n'])
    expect(await get('/livez')).toBe(200)
  })

  test('answers nothing on a schema of another version, and tells its probes what it waits for', async () => {
    const at = `127.0.0.1:${await freePort()}`
    const missing = new Error('echo lacks 0002_more.sql')
    let migrated = false
    const starting = start(
      { KEEPSAKE_INTERNAL_LISTEN: at },
      { readiness: { migrations: () => (migrated ? Promise.resolve() : Promise.reject(missing)) } },
    )
    const ready = () =>
      fetch(`http://${at}/readyz`).then(
        async answer => `${answer.status} ${await answer.text()}`,
        () => 'not there yet',
      )
    let said = await ready()
    for (let i = 0; i < 2000 && !said.startsWith('503'); i++) {
      await new Promise(done => setTimeout(done, 10))
      said = await ready()
    }
    expect(said).toBe('503 migrations: echo lacks 0002_more.sql\n')
    expect((await fetch(`http://${at}/livez`)).status).toBe(200)
    expect(await Promise.race([starting, Promise.resolve('waits')])).toBe('waits')
    migrated = true
    const other = await starting
    closers.push(() => other.close())
    const asking = createClient(EchoService, other.address, identityOf('album'))
    closers.push(() => asking.close())
    expect((await asking.getEcho({ text: 'a' }, { deadlineMs: 20_000 })).text).toBe('a')
  })

  test('finishes what is under way when it closes, and takes nothing new', async () => {
    const pending = client.getEcho({ text: 'hold' }, { deadlineMs: 20_000 })
    await until(() => log.calls.length === 1)
    const closed = service.close()
    expect((await fetch(`${service.internalUrl}/readyz`)).status).toBe(503)
    await expect(client.setEcho({ text: 'new' }, { deadlineMs: 500 })).rejects.toBeInstanceOf(KeepsakeError)
    log.release()
    expect((await pending).text).toBe('hold')
    await closed
    expect(log.calls).toEqual(['hold'])
  })

  test('cuts off what does not finish in its drain time', async () => {
    const hasty = await start({ KEEPSAKE_DRAIN_MS: '50' })
    const toHasty = createClient(EchoService, hasty.address, identityOf('album'))
    closers.push(() => toHasty.close())
    const pending = toHasty.setEcho({ text: 'hold' }, { deadlineMs: 20_000 }).catch((e: unknown) => e)
    await until(() => log.calls.length === 1)
    await hasty.close()
    expect(await pending).toBeInstanceOf(KeepsakeError)
    await until(() => log.aborted.length === 1)
  })
})
