import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { loadConfig, type Env } from '@keepsake/config'
import { objectsPublicOrigin, openObjectStore, storeReached } from '@keepsake/media'
import {
  Readiness,
  ServiceIdentity,
  serviceConfig,
  splitAddress,
  startInternalServer,
  type RunningService,
} from '@keepsake/rpc'
import { logger, nestLogger, startTelemetry } from '@keepsake/telemetry'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { apiEndpoints } from './api.js'
import { createClients } from './clients.js'
import { gatewayConfig } from './config.js'
import { rememberUrls } from './edge-store.js'
import type { Edge } from './endpoint.js'
import { GatewayModule } from './gateway.module.js'
import { LiveEvents } from './live-events.js'
import { openApiDocument } from './openapi.js'
import { registerPublic } from './server.js'

/** At a stop connections are looked through so often for those that have become idle, in milliseconds. */
const IDLE_LOOK_MS = 50

/** The gateway while it runs. */
export interface RunningGateway extends RunningService {
  /** Base address of the public API as bound. */
  readonly publicUrl: string
}

/** For tests. */
export interface GatewayOptions {
  readonly checkAnswers?: boolean
  readonly webRoot?: string
}

/** Starts the gateway: the public API, the web app, signed media URLs. It keeps nothing; any replica serves any call. */
export async function startGateway(env: Env, options: GatewayOptions = {}): Promise<RunningGateway> {
  const config = loadConfig(gatewayConfig.extend(serviceConfig.shape), env)
  const identity = ServiceIdentity.fromEnv('gateway', env)
  const log = logger('gateway')
  const telemetry = startTelemetry('gateway', env)
  const clients = createClients(config, identity)
  const objects = openObjectStore(env)
  const store = rememberUrls(objects)
  const readiness = new Readiness({ objects: storeReached(objects) }, { log })
  const edge: Edge = { clients, store, config, mediaOrigin: objectsPublicOrigin(env) }
  const live = new LiveEvents(edge)
  const endpoints = apiEndpoints(live)

  const tls =
    config.KEEPSAKE_TLS_CERT === undefined || config.KEEPSAKE_TLS_KEY === undefined
      ? {}
      : { https: { cert: readFileSync(config.KEEPSAKE_TLS_CERT), key: readFileSync(config.KEEPSAKE_TLS_KEY) } }
  const adapter = new FastifyAdapter({
    ...tls,
    trustProxy: config.KEEPSAKE_TRUST_PROXY,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: false },
    // Uploads and films may take hours; a client that sends nothing at all is cut off by the parts' own times.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    // At a stop idle connections close at once, answers under way are finished (see close below).
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  })
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule, adapter, {
    bodyParser: false,
    logger: nestLogger('gateway'),
    abortOnError: false,
  })
  await adapter.getInstance().register(async scope => {
    scope.removeAllContentTypeParsers()
    await registerPublic(scope as never, {
      edge,
      endpoints,
      openApi: openApiDocument(endpoints),
      readiness,
      ...options,
    })
  })

  let closing: Promise<void> | undefined
  const closers: (() => Promise<unknown>)[] = []
  const close = () =>
    (closing ??= (async () => {
      readiness.stop()
      live.close()
      for (const closer of closers)
        await closer().catch((error: unknown) => log.error({ err: error }, 'something did not close cleanly'))
    })())
  const drain = async () => {
    const server = adapter.getHttpServer()
    const late = setTimeout(() => server.closeAllConnections(), config.KEEPSAKE_DRAIN_MS)
    // A connection that waits for its client's next call when its answer is finished is idle from then on.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS)
    try {
      await app.close()
    } finally {
      clearInterval(idle)
      clearTimeout(late)
    }
  }
  closers.push(
    drain,
    async () => clients.close(),
    () => telemetry.shutdown(),
  )
  try {
    const { host, port } = splitAddress(config.KEEPSAKE_HTTP_LISTEN)
    await app.listen(port, host)
    const bound = adapter.getHttpServer().address() as AddressInfo
    const internal = await startInternalServer(config.KEEPSAKE_INTERNAL_LISTEN, readiness)
    readiness.watch()
    closers.push(() => internal.close())
    const publicUrl = `${'https' in tls ? 'https' : 'http'}://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
    log.info({ publicUrl, internal: internal.url }, 'gateway is up')
    return { name: 'gateway', address: '', internalUrl: internal.url, publicUrl, close }
  } catch (error) {
    await close()
    throw error
  }
}
