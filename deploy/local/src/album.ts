import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RpcDefinition } from '@keepsake/rpc'
import { ServiceIdentity, createClient, identityEnv, type Client } from '@keepsake/rpc'
import { environmentOf, inherited } from './environment.js'
import { openHome, type Home } from './home.js'
import { migrateAll } from './migrations.js'
import { prepareModels } from './models.js'
import { openLoopback } from './loopback.js'
import type { Options } from './options.js'
import { onStack, onThisMachine } from './platform.js'
import { freePorts, publicPort } from './ports.js'
import { watchWishes } from './scale.js'
import { serviceNames, startInProcess, startProcesses, type Fleet, type ServiceName } from './services.js'

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
    const [platform] = await Promise.all([
      (options.stack
        ? onStack(options.stack)
        : onThisMachine(home, { say, changed: () => fleet && writeState(), connections: options.processes ? 500 : 200 })
      ).then(opened => {
        closers.push(() => opened.close())
        return opened
      }),
      prepareModels(path.join(home.dir, 'models'), say),
    ])
    signal.throwIfAborted()
    const { urls: databases } = await migrateAll(platform)
    signal.throwIfAborted()

    const scheme = options.tls ? 'https' : 'http'
    const shown = options.host === '0.0.0.0' || options.host === '::' ? '127.0.0.1' : options.host
    const served = `${scheme}://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
    const url = options.publicUrl ?? served
    const one = (host: string) => (host.includes(':') ? `[${host}]` : host)
    const numbers = await freePorts(serviceNames.length * 2)
    const places = Object.fromEntries(
      serviceNames.map((name, i) => [name, { grpc: numbers[2 * i] ?? 0, internal: numbers[2 * i + 1] ?? 0 }]),
    ) as Record<ServiceName, { grpc: number; internal: number }>
    // Processes come and go: callers read where they are from a file each. In one process the port is enough.
    const lists = path.join(home.dir, 'addresses')
    const listOf = (name: ServiceName) => path.join(lists, name)
    const addresses = Object.fromEntries(
      serviceNames.map(name => [
        name,
        options.processes ? pathToFileURL(listOf(name)).href : `127.0.0.1:${places[name].grpc}`,
      ]),
    ) as Record<ServiceName, string>
    const wiring = {
      home: home.dir,
      identity: home.secrets.identity,
      objectsUrlKey: home.secrets.objectsUrlKey,
      databases,
      addresses,
      platform: platform.env,
      publicUrl: url,
      tls: options.tls,
      logLevel: process.env['KEEPSAKE_LOG_LEVEL'] ?? 'info',
      logFile: options.processes ? undefined : path.join(logs, 'keepsake.log'),
      inherited: inherited(process.env),
      key: home.key,
    }
    /** The first process has the ports of its service, further ones any; the first gateway has the album's public port. */
    const environment = async (name: ServiceName, number: number) => {
      const [grpc = 0, internal = 0, http = 0] = number === 1 ? [] : await freePorts(3)
      const listen = `${one(options.host)}:${number === 1 ? port : http}`
      return environmentOf(wiring, name, {
        ...(number === 1 ? places[name] : { grpc, internal }),
        ...(name === 'gateway' && { http: listen }),
      })
    }

    const loopback = options.tls && (await openLoopback(shown, port, options.tls.cert))
    if (loopback) closers.push(() => loopback.close())
    const localUrl = loopback?.url ?? served

    const writeState = () => {
      const state = {
        pid: process.pid,
        url,
        localUrl: served,
        processes: options.processes,
        ...platform.state(),
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
      mkdirSync(lists, { recursive: true })
      for (const name of serviceNames) rotated(path.join(logs, `${name}.log`))
      fleet = await startProcesses({
        replicas: options.replicas,
        environmentOf: environment,
        logs,
        changed: () => fleet && writeState(),
        addressed: (name, list) => {
          writeFileSync(`${listOf(name)}.part`, `${list.join('\n')}\n`)
          renameSync(`${listOf(name)}.part`, listOf(name))
        },
      })
    } else {
      const envs = await Promise.all(serviceNames.map(async name => [name, await environment(name, 1)] as const))
      fleet = await startInProcess(Object.fromEntries(envs) as Record<ServiceName, Record<string, string>>)
    }
    const running = fleet
    closers.push(() => running.close())
    writeState()
    for (const [name, { http }] of Object.entries(running.state()))
      if (http !== undefined && name !== 'gateway') say(`${name} ${scheme}://${http}`)
    if (options.processes) closers.push(watchWishes(home.dir, running, say))

    const identity = ServiceIdentity.fromEnv('operator', identityEnv(home.secrets.identity, 'operator'))
    return {
      home,
      url,
      localUrl,
      operator: (definition, service) => {
        const client = createClient(definition, addresses[service], identity)
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

/** A log larger than 20 MB is set aside, one generation, so that it does not grow for ever. */
function rotated(file: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 20e6) renameSync(file, `${file}.1`)
  return file
}
