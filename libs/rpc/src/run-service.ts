import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig, number, text, type Env } from '@keepsake/config'
import { logger, nestLogger, startTelemetry } from '@keepsake/telemetry'
import { Catch, type DynamicModule, type RpcExceptionFilter, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { type CustomTransportStrategy, type MicroserviceOptions } from '@nestjs/microservices'
import { throwError, type Observable } from 'rxjs'
import { z } from 'zod'
import { CompositeTransport, type Transport } from './composite-transport.js'
import { GrpcTransport } from './grpc-transport.js'
import { ServiceIdentity } from './identity.js'
import { startInternalServer } from './internal-server.js'
import { Readiness, type ReadinessChecks } from './readiness.js'
import type { RpcDefinition } from './types.js'

/** What every service reads, beside its own options. */
export const serviceConfig = z.object({
  KEEPSAKE_GRPC_LISTEN: text({ help: 'Where gRPC listens, host:port; port 0 takes any.', default: '127.0.0.1:0' }),
  KEEPSAKE_INTERNAL_LISTEN: text({
    help: 'Where /livez, /readyz and /metrics listen, host:port.',
    default: '127.0.0.1:0',
  }),
  KEEPSAKE_DRAIN_MS: number({
    help: 'Time that calls under way get to finish at a stop.',
    unit: 'ms',
    default: 10_000,
    min: 0,
    max: 600_000,
  }),
  KEEPSAKE_DRAIN_DELAY_MS: number({
    help: 'At a stop new calls are still taken for so long, while health already says no: load balancers are slow to look.',
    unit: 'ms',
    default: 0,
    min: 0,
    max: 60_000,
  }),
  KEEPSAKE_GRPC_CONNECTION_AGE_MS: number({
    help: 'Callers connect anew after so long (more or less a tenth), so that replicas that came later get their share.',
    unit: 'ms',
    default: 300_000,
    min: 100,
    max: 86_400_000,
  }),
})

/** What a service is made of. */
export interface ServiceOptions {
  /** The service's name: album. */
  readonly name: string
  readonly env: Env
  /** The Nest module; a dynamic module carries values (database, clients) as providers. */
  readonly module: Type<unknown> | DynamicModule
  /** The generated definitions that its controllers answer. */
  readonly rpc: readonly RpcDefinition[]
  /** Further transports: the event consumer. */
  readonly strategies?: readonly CustomTransportStrategy[]
  /** What the service needs before it may be called: its own database, its own models; never another service. */
  readonly readiness?: ReadinessChecks
  /** Called last at close: pools, clients, workers. */
  readonly onClose?: () => Promise<void>
  /** Default: read from `env`. */
  readonly identity?: ServiceIdentity
}

/** What a transport may have to say of itself: the event consumer, while it has not joined its group. */
export interface ReportsReadiness {
  readonly readiness: ReadinessChecks
}

/** A service that is up. */
export interface RunningService {
  readonly name: string
  /** gRPC host:port. */
  readonly address: string
  /** Base address of /livez, /readyz, /metrics. */
  readonly internalUrl: string
  /** Not ready at once, finishes what is under way (at most KEEPSAKE_DRAIN_MS), then closes. Safe to call twice. */
  close(): Promise<void>
}

/** Waits until a check holds: on a schema of another version nothing is answered and no event is taken in. Readiness says what is waited for. */
async function patiently(check: (() => Promise<void>) | undefined): Promise<void> {
  for (let pauseMs = 50; check !== undefined; pauseMs = Math.min(2 * pauseMs, 2_000)) {
    const holds = await check().then(
      () => true,
      () => false,
    )
    if (holds) return
    await sleep(pauseMs)
  }
}

/** Errors pass Nest as they are: the transports judge them. */
@Catch()
class PassOn implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error)
  }
}

/**
 * Starts a service: telemetry, Nest with its transports, gRPC health, the internal port. Resolves when it serves; /readyz and health say yes from when its
 * checks hold.
 * Several services may run in one process. Nothing stays open when it rejects.
 */
export async function runService(options: ServiceOptions): Promise<RunningService> {
  const { name, env } = options
  const config = loadConfig(serviceConfig, env)
  const identity = options.identity ?? ServiceIdentity.fromEnv(name, env)
  const log = logger(name)
  const telemetry = startTelemetry(name, env)
  const grpc = new GrpcTransport({
    definitions: options.rpc,
    listen: config.KEEPSAKE_GRPC_LISTEN,
    identity,
    log,
    drainMs: config.KEEPSAKE_DRAIN_MS,
    drainDelayMs: config.KEEPSAKE_DRAIN_DELAY_MS,
    connectionAgeMs: config.KEEPSAKE_GRPC_CONNECTION_AGE_MS,
  })
  const strategies = (options.strategies ?? []) as readonly (CustomTransportStrategy & Partial<ReportsReadiness>)[]
  const strategy = new CompositeTransport([grpc, ...((options.strategies ?? []) as Transport[])])
  const closers: (() => Promise<unknown>)[] = [() => telemetry.shutdown()]
  if (options.onClose !== undefined) closers.unshift(options.onClose)
  let closing: Promise<void> | undefined
  const readiness = new Readiness(Object.assign({}, options.readiness, ...strategies.map(each => each.readiness)), {
    log,
    changed: ready => grpc.setServing(ready),
  })
  const closeAll = async () => {
    readiness.stop()
    for (const closer of closers)
      await closer().catch((error: unknown) => log.error({ err: error }, 'something did not close cleanly'))
  }

  try {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(options.module, {
      strategy,
      logger: nestLogger(name),
      abortOnError: false,
    })
    closers.unshift(() => app.close())
    app.useGlobalFilters(new PassOn())
    const internal = await startInternalServer(config.KEEPSAKE_INTERNAL_LISTEN, readiness)
    closers.push(() => internal.close()) // last: the operator sees "stopping" until the end
    // Before the transports: what they wait for (a database, a group to take them in) is what an operator then reads here.
    readiness.watch()
    await patiently(options.readiness?.['migrations'])
    await app.listen()
    log.info({ address: grpc.address, internal: internal.url }, `${name} is up`)
    return {
      name,
      address: grpc.address,
      internalUrl: internal.url,
      close: () => (closing ??= closeAll().then(() => log.info(`${name} has stopped`))),
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}
