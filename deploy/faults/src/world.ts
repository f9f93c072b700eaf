import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { Db } from '@keepsake/db'
import { makeTopics } from '@keepsake/events'
import { prepareModels } from '@keepsake/inference'
import { migrateAll } from '@keepsake/local/migrations'
import { openObjectStore, prepareBucket, type ObjectStore } from '@keepsake/media'
import { memoryEnv } from '@keepsake/media/child-env'
import { generateIdentityKeys, identityEnv } from '@keepsake/rpc'
import { freePorts, startStack, type Part, type Stack } from '@keepsake/stack'
import { FaultProxy } from '@keepsake/testing/fault-proxy'
import { processNames, type ProcessName, type ServerName, type Target } from './history.js'
import { ServiceProcess } from './service-process.js'
import { SmallDisk } from './small-disk.js'

const schemas = ['family', 'ingest', 'album', 'face', 'cluster', 'rating', 'render'] as const
const serviceNames = [...schemas, 'gateway'] as const
const postgresPassword = 'faults'
const objectsKey = 'the same in every service of a fault run'

/** How a world is made. */
export interface WorldOptions {
  /** Everything lies here. */
  home: string
  /** Of both families, for the size of the small disks. */
  items: number
  say: (line: string) => void
}

/** Three brokers, MinIO and Postgres of a run's own, with a proxy before each broker. */
export class World {
  #runs = 0

  private constructor(
    readonly home: string,
    readonly stack: Stack,
    /** Before the brokers, in their order. */
    readonly brokers: readonly FaultProxy[],
    /** Where this machine lets us mount them. */
    readonly disks: Partial<Record<'minio' | 'postgres', SmallDisk>>,
    readonly models: string,
  ) {}

  static async start({ home, items, say }: WorldOptions): Promise<World> {
    mkdirSync(home, { recursive: true })
    SmallDisk.sweep()
    const models = path.join(home, 'models')
    const disks: World['disks'] = {}
    const brokers: FaultProxy[] = []
    try {
      // An item takes about a megabyte with its renditions; Postgres keeps up to a gigabyte of log.
      const minio = SmallDisk.mount(path.join(home, 'disks', 'minio'), 512 + 3 * items)
      if (minio) disks.minio = minio
      const postgres = SmallDisk.mount(path.join(home, 'disks', 'postgres'), 1536 + items)
      if (postgres) disks.postgres = postgres
      if (!minio || !postgres) say('No small disks on this machine (needs root): full disks are left out.')

      const ports = await freePorts(5)
      const kafka = ports.slice(0, 3)
      for (const port of kafka) brokers.push(await FaultProxy.listen(port))
      const [stack] = await Promise.all([
        startStack({
          home: path.join(home, 'stack'),
          brokers: 3,
          ports: { kafka, minio: ports[3] as number, postgres: ports[4] as number },
          advertised: brokers.map(broker => broker.port),
          data: {
            ...(minio ? { minio: path.join(minio.dir, 'data') } : {}),
            ...(postgres ? { postgres: path.join(postgres.dir, 'data') } : {}),
          },
          say,
        }),
        prepareModels(models, () => undefined),
      ])
      return new World(home, stack, brokers, disks, models)
    } catch (error) {
      for (const broker of brokers) await broker.close()
      for (const disk of Object.values(disks)) disk.close()
      throw error
    }
  }

  /** A number for what a run calls its own here. */
  nextRun(): number {
    return ++this.#runs
  }

  /** A server. */
  part(name: ServerName): Part {
    const part = this.stack.parts.find(each => each.name === name)
    if (!part) throw new Error(`the stack has no ${name}`)
    return part
  }

  async close(): Promise<void> {
    await this.stack.close('kill')
    for (const broker of this.brokers) await broker.close()
    for (const disk of Object.values(this.disks)) disk.close()
  }
}

/** How the services of one run are started. */
export interface FleetOptions {
  /** Names its database, objects, topics and groups. */
  name: string
  /** Test-only switches, see `KEEPSAKE_TEST_EVENTS` of libs/events. */
  testEvents?: string
}

/** Every service as processes of its own on a world, each pair of parts joined by a proxy. */
export class Fleet {
  readonly #links = new Map<string, FaultProxy>()
  readonly #processes = new Map<ProcessName, ServiceProcess>()
  private constructor(
    readonly world: World,
    readonly name: string,
    /** Past every proxy. */
    readonly kafkaEnv: Record<string, string>,
    readonly store: ObjectStore,
    /** The superuser, who sees every family's rows. */
    readonly db: Db,
  ) {}

  static async start(world: World, { name, testEvents }: FleetOptions): Promise<Fleet> {
    const state = world.stack.state()
    const passwords = Object.fromEntries(['owner', ...schemas].map(each => [each, postgresPassword]))
    const { adminUrl } = state.postgres
    const { urls } = await migrateAll({ adminUrl, database: name, passwords })

    const kafkaEnv = { KEEPSAKE_EVENTS: `kafka://${state.kafka}`, KEEPSAKE_EVENTS_PREFIX: `${name}.` }
    const objects = (endpoint: string) => ({
      KEEPSAKE_OBJECTS: `s3://${state.s3.bucket}/${name}?endpoint=${encodeURIComponent(endpoint)}`,
      KEEPSAKE_S3_ACCESS_KEY: state.s3.accessKey,
      KEEPSAKE_S3_SECRET_KEY: state.s3.secretKey,
      KEEPSAKE_OBJECTS_URL_KEY: objectsKey,
    })
    await Promise.all([makeTopics(kafkaEnv), prepareBucket(objects(state.s3.endpoint))])
    const admin = new URL(adminUrl)
    admin.pathname = `/${name}`
    const store = openObjectStore(objects(state.s3.endpoint))
    const db = new Db(admin.href, { max: 4, statementTimeoutMs: 60_000, name: 'faults' })
    const fleet = new Fleet(world, name, kafkaEnv, store, db)
    try {
      await fleet.#prepare(urls, objects, testEvents)
      for (const each of fleet.processes) each.start()
      await Promise.all(fleet.processes.map(each => each.ready()))
    } catch (error) {
      await fleet.close()
      throw error
    }
    return fleet
  }

  async #prepare(
    urls: Record<string, string>,
    objects: (endpoint: string) => Record<string, string>,
    testEvents: string | undefined,
  ): Promise<void> {
    const identity = generateIdentityKeys([...serviceNames, 'operator'])
    const ports = await freePorts(3 * processNames.length)
    const take = () => ports.pop() as number
    const places = new Map(processNames.map(each => [each, { grpc: take(), internal: take(), http: take() }]))
    const logs = path.join(this.world.home, 'logs', this.name)
    mkdirSync(logs, { recursive: true })

    // A proxy for each two parts: what stands between two of them disturbs nobody else.
    const join = async (from: string, to: string, port: number) => {
      const proxy = await FaultProxy.listen(port)
      this.#links.set(`${from} ${to}`, proxy)
      return proxy.port
    }
    this.world.brokers.forEach((proxy, i) => this.#links.set(`any kafka-${i + 1}`, proxy))
    for (const each of processNames) {
      const own = places.get(each)
      if (!own) continue
      const service = each.replace(/-\d+$/, '')
      const database = urls[service] === undefined ? undefined : new URL(urls[service])
      if (database) database.port = String(await join(each, 'postgres', this.world.part('postgres').port))
      const minio = `http://127.0.0.1:${await join(each, 'minio', this.world.part('minio').port)}`
      const addresses: Record<string, string> = {}
      for (const peer of serviceNames) {
        const behind = processNames.filter(name => name.replace(/-\d+$/, '') === peer)
        const seen = []
        for (const name of behind) seen.push(`127.0.0.1:${await join(each, name, places.get(name)?.grpc ?? 0)}`)
        addresses[`KEEPSAKE_${peer.toUpperCase()}_ADDRESS`] = seen.join(',')
      }
      if (service === 'gateway') await join('client', each, own.http)
      const internal = `127.0.0.1:${own.internal}`
      const env = {
        ...identityEnv(identity, service),
        ...addresses,
        ...objects(minio),
        ...this.kafkaEnv,
        ...(database ? { KEEPSAKE_DATABASE_URL: database.href } : {}),
        ...(testEvents ? { KEEPSAKE_TEST_EVENTS: testEvents } : {}),
        NODE_ENV: testEvents ? 'test' : 'production',
        KEEPSAKE_GRPC_LISTEN: `127.0.0.1:${own.grpc}`,
        KEEPSAKE_INTERNAL_LISTEN: internal,
        KEEPSAKE_HTTP_LISTEN: `127.0.0.1:${own.http}`,
        KEEPSAKE_MODELS_DIR: this.world.models,
        KEEPSAKE_LOG_LEVEL: 'info',
        KEEPSAKE_PLAN_SETTABLE: 'true',
        // One machine is every client here.
        KEEPSAKE_RATE_PER_ADDRESS: '0',
        KEEPSAKE_RATE_PER_FAMILY: '0',
        KEEPSAKE_RATE_SIGN_IN: '0',
        // What a dead writer holds is free, and what he left is swept, within the run.
        KEEPSAKE_INGEST_LEASE_MS: '8000',
        KEEPSAKE_INGEST_SWEEP_MS: '3000',
        KEEPSAKE_INGEST_IMAGE_CHILDREN: '2',
        KEEPSAKE_FACE_WORKERS: '1',
        ...memoryEnv,
      }
      this.#processes.set(each, new ServiceProcess(each, env, internal, path.join(logs, `${each}.log`)))
    }
  }

  get processes(): ServiceProcess[] {
    return [...this.#processes.values()]
  }

  process(name: ProcessName): ServiceProcess {
    const found = this.#processes.get(name)
    if (!found) throw new Error(`there is no process ${name}`)
    return found
  }

  /** What stands between two parts. */
  link(from: string, to: string): FaultProxy {
    const found = this.#links.get(`${from} ${to}`)
    if (!found) throw new Error(`nothing stands between ${from} and ${to}`)
    return found
  }

  /** Where clients reach the gateways. */
  get gateways(): string[] {
    return processNames
      .filter(name => name.startsWith('gateway'))
      .map(name => `http://127.0.0.1:${this.link('client', name).port}`)
  }

  /** Whatever can be killed and held still. */
  victim(target: Exclude<Target, 'kafka-leader'>): ServiceProcess | Part {
    return (processNames as readonly string[]).includes(target)
      ? this.process(target as ProcessName)
      : this.world.part(target as ServerName)
  }

  /** Everything runs and nothing is disturbed. */
  async calm(): Promise<void> {
    for (const proxy of this.#links.values()) proxy.heal()
    for (const disk of Object.values(this.world.disks)) disk.empty()
    for (const part of this.world.stack.parts) {
      part.resume()
      if (!part.running) await part.start()
    }
    for (const each of this.processes) {
      each.resume()
      each.start()
    }
    await Promise.all(this.processes.map(each => each.ready()))
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map(each => each.kill()))
    for (const [name, proxy] of this.#links) if (!name.startsWith('any ')) await proxy.close()
    await this.db.close()
  }
}

/** libfaketime, which moves the clock of a process, or undefined where it is not installed. */
export const fakeTime: string | undefined = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
].find(file => existsSync(file))
