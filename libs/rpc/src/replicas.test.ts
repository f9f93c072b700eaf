import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Module } from '@nestjs/common'
import { Client as GrpcClient, credentials, Metadata } from '@grpc/grpc-js'
import { afterEach, expect, test, vi } from 'vitest'
import {
  createClient,
  generateIdentityKeys,
  identityEnv,
  runService,
  ServiceIdentity,
  type Client,
  type RunningService,
} from './index.js'
import { parseAddresses } from './file-resolver.js'
import { EchoLog, EchoRpc, EchoService } from './testing/echo.js'

@Module({})
class EchoModule {}

const keys = generateIdentityKeys(['echo', 'album'])
const identity = ServiceIdentity.fromEnv('album', identityEnv(keys, 'album'))
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Replica {
  service: RunningService
  log: EchoLog
}

async function replica(env: Record<string, string> = {}): Promise<Replica> {
  const log = new EchoLog()
  const service = await runService({
    name: 'echo',
    env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'silent', ...env },
    module: { module: EchoModule, controllers: [EchoRpc], providers: [{ provide: EchoLog, useValue: log }] },
    rpc: [EchoService],
  })
  closers.push(() => service.close())
  return { service, log }
}

function connect(address: string): Client<typeof EchoService> {
  const client = createClient(EchoService, address, identity)
  closers.push(() => client.close())
  return client
}

const options = { familyId: 'f', deadlineMs: 20_000 }
const share = (of: Replica) => of.log.calls.length

/** Calls one after the other, four at a time, until it is told to stop; what fails is kept. */
function traffic(client: Client<typeof EchoService>) {
  const stop = new AbortController()
  const failures: unknown[] = []
  let calls = 0
  const workers = Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted && failures.length < 10) {
      // Not idempotent: nothing of ours repeats it.
      await client.setEcho({ text: 'a' }, options).catch((error: unknown) => failures.push(error))
      calls++
    }
  })
  const end = async () => {
    stop.abort()
    await Promise.all(workers)
  }
  closers.push(end) // also where the test fails before
  return { failures, calls: () => calls, end }
}

test('calls are spread over all addresses of a list', async () => {
  const [one, two] = [await replica(), await replica()]
  const client = connect(`${one.service.address},${two.service.address}`)
  await vi.waitUntil(
    async () => {
      await client.getEcho({ text: 'a' }, options)
      return share(one) > 0 && share(two) > 0 // both are connected
    },
    { timeout: 20_000 },
  )
  const before = [share(one), share(two)]
  for (let i = 0; i < 100; i++) await client.getEcho({ text: 'a' }, options)
  expect(share(one) - (before[0] ?? 0)).toBe(50)
  expect(share(two) - (before[1] ?? 0)).toBe(50)
})

test('a replica that stops under load drains: no call fails, none is answered twice, the other takes over', async () => {
  const [one, two] = [await replica(), await replica()]
  const load = traffic(connect(`${one.service.address},${two.service.address}`))
  await vi.waitUntil(() => share(one) > 200 && share(two) > 200, { timeout: 20_000 })
  const began = performance.now()
  await one.service.close()
  const drainMs = performance.now() - began
  const served = share(one)
  await vi.waitUntil(() => share(two) > 1_000, { timeout: 20_000 })
  await load.end()
  expect(load.failures).toEqual([])
  expect(share(one)).toBe(served)
  expect(share(one) + share(two)).toBe(load.calls())
  expect(drainMs).toBeLessThan(5_000)
}, 60_000)

test('a stop says NOT_SERVING first, takes calls for the delay, waits for what is under way and cuts it off after the grace time', async () => {
  const { service, log } = await replica({ KEEPSAKE_DRAIN_DELAY_MS: '400', KEEPSAKE_DRAIN_MS: '600' })
  const client = connect(service.address)
  const health = new GrpcClient(service.address, credentials.createInsecure())
  closers.push(() => health.close())
  const status = () =>
    new Promise<number>(resolve =>
      health.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        () => Buffer.alloc(0),
        bytes => bytes[1] ?? 0,
        {},
        new Metadata(),
        { deadline: Date.now() + 5_000 },
        (_error, answer) => resolve(answer ?? -1),
      ),
    )
  expect(await status()).toBe(1) // SERVING
  const held = client.setEcho({ text: 'hold' }, options).catch((error: unknown) => error)
  await vi.waitUntil(() => log.calls.includes('hold'), { timeout: 20_000 })
  const began = performance.now()
  const closing = service.close()
  expect(await status()).toBe(2) // NOT_SERVING
  expect(await (await fetch(`${service.internalUrl}/readyz`)).text()).toBe('stopping\n')
  expect((await client.setEcho({ text: 'late' }, options)).text).toBe('late')
  await closing
  const took = performance.now() - began
  expect(took).toBeGreaterThan(950)
  expect(took).toBeLessThan(5_000)
  expect(await held).toMatchObject({ code: 'UNAVAILABLE' })
})

test('connections grow old: callers come again, and nothing fails', async () => {
  const old = await replica({ KEEPSAKE_GRPC_CONNECTION_AGE_MS: '150' })
  const load = traffic(connect(old.service.address))
  const began = Date.now()
  await vi.waitUntil(() => Date.now() - began > 1_500 && load.calls() > 200, { timeout: 20_000 })
  await load.end()
  expect(load.failures).toEqual([])
}, 60_000)

test('addresses in a file: a replica that is written into it gets calls, one that is removed gets none', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keepsake-addresses-'))
  closers.push(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'echo.addresses')
  const write = (...replicas: Replica[]) => {
    writeFileSync(`${file}.part`, replicas.map(each => each.service.address).join('\n'))
    renameSync(`${file}.part`, file)
  }
  const [one, two] = [await replica(), await replica()]
  write(one)
  const load = traffic(connect(`file://${file}`))
  await vi.waitUntil(() => share(one) > 50, { timeout: 20_000 })
  expect(share(two)).toBe(0)
  write(one, two)
  await vi.waitUntil(() => share(two) > 50, { timeout: 10_000 })
  write(two)
  let last = -1
  await vi.waitUntil(() => last === (last = share(one)) && share(two) > 200, { timeout: 10_000, interval: 300 })
  await one.service.close()
  await load.end()
  expect(load.failures).toEqual([])
  const lost = connect(`file://${join(dir, 'nothing')}`)
  await expect(lost.getEcho({ text: 'a' }, { familyId: 'f', deadlineMs: 500 })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
}, 60_000)

test('a list of addresses is read leniently', () => {
  expect(parseAddresses('127.0.0.1:1, 127.0.0.1:2\n\nnonsense [::1]:3')).toEqual([
    { host: '127.0.0.1', port: 1 },
    { host: '127.0.0.1', port: 2 },
    { host: '[::1]', port: 3 },
  ])
})
