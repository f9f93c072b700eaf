import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { clusterView } from './kafka-wire.js'
import type { Recipe } from './part.js'
import { Sentence } from './sentence.js'
import { kafkaLibs } from './tools.js'

/** The ports of one broker. */
export interface BrokerPorts {
  /** For clients. */
  client: number
  /** Between brokers. */
  internal: number
  /** Between the controllers. */
  controller: number
}

/** How the brokers of one cluster are started. */
export interface KafkaOptions {
  /** See cacheFolder. */
  cache: string
  /** Its folder, absolute: one folder per broker, and what the cluster is called. */
  home: string
  /** Where broker I (from 1) keeps its data; home/broker-I/data where it is left out. */
  data?: (broker: number) => string
  /** Of each broker; their number is that of the brokers. */
  ports: BrokerPorts[]
  /** The ports that clients are told to connect to, where they shall come through a proxy. */
  advertised?: number[] | undefined
  log: (broker: number) => string
}

/** Random names, fixed when the cluster is made: they stand in its data. */
const clusterSchema = z.object({ id: z.string(), directories: z.array(z.string()) })

/**
 * A cluster of brokers that are controllers too (KRaft). Three keep every partition three times and accept a write when two
 * have it, so one of them may be lost. Formats the data folders where they are new.
 * @throws a Sentence where the data were made for another number of brokers
 */
export async function kafkaRecipes(options: KafkaOptions): Promise<Recipe[]> {
  const { home, ports } = options
  mkdirSync(home, { recursive: true })
  const cluster = clusterOf(path.join(home, 'cluster.json'), ports.length)
  const voters = ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}:${cluster.directories[i] ?? ''}`)
  const recipes = ports.map((_, i) => brokerRecipe(options, i + 1))
  await Promise.all(recipes.map((recipe, i) => format(options, recipe, i + 1, cluster.id, voters)))
  return recipes
}

function brokerRecipe(options: KafkaOptions, broker: number): Recipe {
  const { cache, home, ports } = options
  const own = ports[broker - 1]
  if (!own) throw new RangeError(`there is no broker ${broker}`)
  const dir = path.join(home, `broker-${broker}`)
  const data = options.data?.(broker) ?? path.join(dir, 'data')
  mkdirSync(dir, { recursive: true })
  writeFileSync(path.join(dir, 'server.properties'), properties(options, broker, own, data))
  writeFileSync(path.join(dir, 'log4j2.properties'), logging)
  return {
    name: ports.length === 1 ? 'kafka' : `kafka-${broker}`,
    port: own.client,
    data,
    log: options.log(broker),
    program: {
      command: 'java',
      args: [...javaArgs(cache, dir), '-Xms96m', '-Xmx384m', 'kafka.Kafka', 'server.properties'],
      cwd: dir,
      env: javaEnv(),
    },
    // It serves clients, and the cluster has a leader. Not that all are there: a broker starts again while others are down.
    ready: async () => {
      const view = await clusterView(own.client)
      return view.controller >= 0 && view.brokers.includes(broker)
    },
    startDeadlineMs: 120_000,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 20_000,
  }
}

function properties({ ports, advertised }: KafkaOptions, broker: number, own: BrokerPorts, data: string): string {
  const copies = Math.min(3, ports.length)
  const enough = Math.max(1, copies - 1)
  return `${[
    'process.roles=broker,controller',
    `node.id=${broker}`,
    `controller.quorum.bootstrap.servers=${ports.map(({ controller }) => `127.0.0.1:${controller}`).join(',')}`,
    `listeners=CLIENT://127.0.0.1:${own.client},INTERNAL://127.0.0.1:${own.internal},CONTROLLER://127.0.0.1:${own.controller}`,
    // Brokers talk to each other by a listener of their own, so that a proxy before the clients' does not stand between them.
    `advertised.listeners=CLIENT://127.0.0.1:${advertised?.[broker - 1] ?? own.client},INTERNAL://127.0.0.1:${own.internal}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=INTERNAL',
    'listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    `log.dirs=${data}`,
    `default.replication.factor=${copies}`,
    `min.insync.replicas=${enough}`,
    `offsets.topic.replication.factor=${copies}`,
    `transaction.state.log.replication.factor=${copies}`,
    `transaction.state.log.min.isr=${enough}`,
    `share.coordinator.state.topic.replication.factor=${copies}`,
    `share.coordinator.state.topic.min.isr=${enough}`,
    // For a stack that starts in seconds on a small machine; a cluster of one's own keeps Kafka's defaults.
    'offsets.topic.num.partitions=8',
    'transaction.state.log.num.partitions=8',
    'num.network.threads=2',
    'num.io.threads=4',
    'group.initial.rebalance.delay.ms=0',
    'log.cleaner.dedupe.buffer.size=16777216',
    // A broker that says nothing for six seconds has lost its partitions to the others.
    'broker.heartbeat.interval.ms=1000',
    'broker.session.timeout.ms=6000',
    'replica.lag.time.max.ms=10000',
    // Topics are declared in code and made by a command.
    'auto.create.topics.enable=false',
    'unclean.leader.election.enable=false',
  ].join('\n')}\n`
}

const logging = `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`

// The serial collector and one compiler: three brokers start on two cores in half the time and take less memory.
const javaArgs = (cache: string, dir: string) => [
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
  `-Dlog4j2.configurationFile=${path.join(dir, 'log4j2.properties')}`,
  '-cp',
  `${kafkaLibs(cache)}/*`,
]

const javaEnv = () => ({
  PATH: process.env['PATH'] ?? '',
  ...(process.env['JAVA_HOME'] ? { JAVA_HOME: process.env['JAVA_HOME'] } : {}),
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
})

function clusterOf(file: string, brokers: number): z.infer<typeof clusterSchema> {
  if (existsSync(file)) {
    const known = clusterSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    if (known.directories.length !== brokers)
      throw new Sentence(
        `The data in ${path.dirname(file)} are those of ${known.directories.length} Kafka brokers, not ${brokers}: use --brokers ${known.directories.length} or another --home.`,
      )
    return known
  }
  const made = { id: kafkaUuid(), directories: Array.from({ length: brokers }, kafkaUuid) }
  writeFileSync(`${file}.part`, JSON.stringify(made))
  renameSync(`${file}.part`, file)
  return made
}

/** 16 random bytes as Kafka writes them; not with a dash in front, which the tool takes for an option. */
function kafkaUuid(): string {
  for (;;) {
    const text = randomBytes(16).toString('base64url')
    if (!text.startsWith('-')) return text
  }
}

/** Writes the cluster's name and its first controllers into a data folder that has none yet. */
async function format(
  { cache, home }: KafkaOptions,
  { data, program }: Recipe,
  broker: number,
  cluster: string,
  voters: string[],
): Promise<void> {
  if (existsSync(path.join(data, 'meta.properties'))) return
  rmSync(path.join(data, 'bootstrap.checkpoint'), { force: true })
  const dir = path.join(home, `broker-${broker}`)
  const args = [
    ...javaArgs(cache, dir),
    'kafka.tools.StorageTool',
    'format',
    '--cluster-id',
    cluster,
    '--config',
    'server.properties',
    '--initial-controllers',
    voters.join(','),
  ]
  const child = spawn(program.command, args, { cwd: dir, env: program.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const take = (chunk: Buffer) => (said += chunk.toString())
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0)
    throw new Sentence(
      `The data folder of Kafka broker ${broker} could not be made in ${data}: ${said.trim().split('\n').slice(-5).join('\n')}`,
    )
}
