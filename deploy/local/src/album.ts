import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrate, provision } from '@keepsake/db'
import type { RpcDefinition } from '@keepsake/rpc'
import { ServiceIdentity, createClient, identityEnv, type Client } from '@keepsake/rpc'
import { environments, inherited } from './environment.js'
import { openHome, type Home } from './home.js'
import { prepareModels } from './models.js'
import { openLoopback } from './loopback.js'
import type { Options } from './options.js'
import { freePorts, publicPort } from './ports.js'
import { startPostgres } from './postgres.js'
import {
  schemaNames,
  serviceFolder,
  serviceNames,
  startInProcess,
  startProcesses,
  type Fleet,
  type ServiceName,
} from './services.js'

/** A running album. */
export interface Album {
  home: Home
  /** Where people open it. */
  url: string
  /** Where this process reaches the gateway. */
  localUrl: string
  /** A client of one service as the operator of this machine; closed with the album. */
  operator<D extends RpcDefinition>(definition: D, service: ServiceName): Client<D>
  /** Stops services, then the database, then gives the home back. */
  close(): Promise<void>
}

const events = fileURLToPath(new URL('../../../libs/events/migrations', import.meta.url))
const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

/**
 * Brings an album up: home, models, database, migrations, services. What was started is stopped again when a later step
 * fails. Everything that can be known to be wrong is said before anything slow begins.
 */
export async function openAlbum(options: Options, say: (line: string) => void, signal: AbortSignal): Promise<Album> {
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer()
  }
  let fleet: Fleet | undefined
  try {
    const port = await publicPort(options.host, options.port)
    const home = openHome(options.home, serviceNames, version)
    closers.push(() => home.close())
    const logs = path.join(home.dir, 'logs')

    // The models take processor time, the database mostly waits for the disk: side by side.
    const [postgres] = await Promise.all([
      startPostgres(home.dir, home.secrets.database['postgres'] ?? '', {
        ended: () => say('The database has stopped by itself and is being started again.'),
        restarted: () => {
          say('The database is there again.')
          if (fleet) writeState()
        },
      }).then(server => {
        closers.push(() => server.stop())
        return server
      }),
      prepareModels(path.join(home.dir, 'models'), say),
    ])
    signal.throwIfAborted()
    const databases = await migrateAll(postgres.adminUrl, home)
    signal.throwIfAborted()

    const numbers = await freePorts(serviceNames.length * 2)
    const ports = Object.fromEntries(
      serviceNames.map((name, i) => [name, { grpc: numbers[2 * i] ?? 0, internal: numbers[2 * i + 1] ?? 0 }]),
    ) as Record<ServiceName, { grpc: number; internal: number }>
    const scheme = options.tls ? 'https' : 'http'
    const shown = options.host === '0.0.0.0' || options.host === '::' ? '127.0.0.1' : options.host
    const served = `${scheme}://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
    const url = options.publicUrl ?? served
    const envs = environments({
      home: home.dir,
      identity: home.secrets.identity,
      objectsUrlKey: home.secrets.objectsUrlKey,
      databases,
      ports,
      listen: { host: options.host, port },
      publicUrl: url,
      tls: options.tls,
      logLevel: process.env['KEEPSAKE_LOG_LEVEL'] ?? 'info',
      logFile: options.processes ? undefined : path.join(logs, 'keepsake.log'),
      inherited: inherited(process.env),
      key: home.key,
    })

    const loopback = options.tls && (await openLoopback(shown, port, options.tls.cert))
    if (loopback) closers.push(() => loopback.close())
    const localUrl = loopback?.url ?? served

    const writeState = () => {
      const state = {
        pid: process.pid,
        url,
        localUrl: served,
        processes: options.processes,
        postgres: { port: postgres.port, restarts: postgres.restarts() },
        services: fleet?.state() ?? {},
      }
      try {
        home.writeState(state)
      } catch (error) {
        // A disk that is full for a while is no reason to stop: the file then tells of an earlier moment.
        if (!fleet) throw error
      }
    }
    if (options.processes) {
      for (const name of serviceNames) rotated(path.join(logs, `${name}.log`))
      fleet = await startProcesses(envs, logs, () => fleet && writeState())
    } else fleet = await startInProcess(envs)
    const running = fleet
    closers.push(() => running.close())
    writeState()

    const identity = ServiceIdentity.fromEnv('operator', identityEnv(home.secrets.identity, 'operator'))
    return {
      home,
      url,
      localUrl,
      operator: (definition, service) => {
        const client = createClient(definition, `127.0.0.1:${ports[service].grpc}`, identity)
        closers.push(() => client.close())
        return client
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Roles, schemas and every numbered migration; answers each service's database address. */
async function migrateAll(adminUrl: string, home: Home): Promise<Record<string, string>> {
  const { ownerUrl, urls } = await provision({
    adminUrl,
    services: schemaNames,
    database: 'keepsake',
    passwords: home.secrets.database,
  })
  await migrate({ url: ownerUrl, dir: events, schema: 'events' })
  for (const name of schemaNames) {
    const dir = path.join(serviceFolder(name), 'migrations')
    await migrate({ url: ownerUrl, dir, schema: name, role: `keepsake_${name}` })
  }
  return urls
}

/** A log larger than 20 MB is set aside, one generation, so that it does not grow for ever. */
function rotated(file: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 20e6) renameSync(file, `${file}.1`)
  return file
}
