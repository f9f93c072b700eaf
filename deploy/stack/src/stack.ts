import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { kafkaRecipes, type BrokerPorts } from './kafka.js'
import { minioRecipe } from './minio.js'
import { Part, type Recipe } from './part.js'
import { freePorts, isFree } from './ports.js'
import { postgresRecipe } from './postgres.js'
import { Sentence } from './sentence.js'
import { writeStackFile, type StackFile } from './stack-file.js'
import { cacheFolder, prepare } from './tools.js'

/** The servers of a stack. */
export const stackParts = ['kafka', 'minio', 'postgres'] as const
/** See {@link stackParts}. */
export type StackPartName = (typeof stackParts)[number]

/** How a stack is started. */
export interface StackOptions {
  /** Where it keeps everything, absolute; made where it is missing. Its ports and passwords are those of its first start. */
  home: string
  /** 1 (default) or 3. */
  brokers?: number
  /** Ports that are given; all others are free ones. */
  ports?: { kafka?: number[]; minio?: number; postgres?: number }
  /** Only these parts (default all). */
  parts?: readonly StackPartName[]
  /** Other data folders than those in the home: a small disk in fault tests. */
  data?: { kafka?: (broker: number) => string; minio?: string; postgres?: string }
  /** The ports that Kafka's clients are told, one per broker, where they shall come through a proxy. */
  advertised?: number[]
  /** Servers that outlive this process (the command line). Otherwise they are killed when it ends, however that ends. */
  stays?: boolean
  /** Hears what takes long. */
  say?: (line: string) => void
  /** See cacheFolder. */
  cache?: string
}

/** A stack that runs. A part that was not asked for is missing (or, of brokers, empty). */
export interface Stack {
  home: string
  /** The state file; written anew whenever the stack knows of another process (`save`). */
  file: string
  /** What stands in it. Of parts that were not asked for it names addresses at which nobody listens. */
  state(): StackFile
  /** Writes the state file again, after a part was started again. */
  save(): void
  kafka: Part[]
  minio: Part | undefined
  postgres: Part | undefined
  /** Every part. */
  parts: Part[]
  /**
   * Ends every part: in order, or with `kill` at once, which is right where the data are thrown away.
   * The state file goes, the data stay.
   */
  close(how?: 'orderly' | 'kill'): Promise<void>
}

/** What a home fixes for ever: clients' settings stay good over a restart, and Kafka's data name its controllers' ports. */
const settingsSchema = z.object({
  version: z.literal(1),
  kafka: z.array(z.object({ client: z.int(), internal: z.int(), controller: z.int() })),
  minio: z.object({ port: z.int(), accessKey: z.string(), secretKey: z.string(), bucket: z.string() }),
  postgres: z.object({ port: z.int(), password: z.string() }),
})
type Settings = z.infer<typeof settingsSchema>

/** The state file of a home. */
export const stackFileOf = (home: string): string => path.join(home, 'stack.json')

/**
 * Builds what is missing in the cache, starts the parts side by side and waits until each answers.
 * @throws a Sentence where a tool is missing, a port is taken or a part does not start; then none is left running
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { home, parts: wanted = stackParts, stays = false, say = () => undefined } = options
  const cache = options.cache ?? cacheFolder()
  mkdirSync(home, { recursive: true })
  await Promise.all(
    (['kafka', 'minio'] as const).filter(part => wanted.includes(part)).map(part => prepare(part, cache, say)),
  )
  const settings = await settingsOf(home, options)
  const log = (name: string) => path.join(home, 'logs', `${name}.log`)
  const { minio, postgres } = settings

  const make = async (name: StackPartName, recipes: () => Promise<Recipe[]> | Recipe[]): Promise<Part[]> =>
    wanted.includes(name) ? (await recipes()).map(recipe => new Part(recipe)) : []
  const [brokers, [store], [database]] = await Promise.all([
    make('kafka', () =>
      kafkaRecipes({
        cache,
        home: path.join(home, 'kafka'),
        ports: settings.kafka,
        advertised: options.advertised,
        ...(options.data?.kafka ? { data: options.data.kafka } : {}),
        log: broker => log(settings.kafka.length === 1 ? 'kafka' : `kafka-${broker}`),
      }),
    ),
    make('minio', () => [
      minioRecipe({ cache, ...minio, data: options.data?.minio ?? path.join(home, 'minio'), log: log('minio') }),
    ]),
    make('postgres', async () => [
      await postgresRecipe({
        ...postgres,
        data: options.data?.postgres ?? path.join(home, 'postgres'),
        log: log('postgres'),
      }),
    ]),
  ])
  const parts = [...brokers, ...(store ? [store] : []), ...(database ? [database] : [])]
  const taken = []
  for (const part of parts) if (!(await isFree(part.port))) taken.push(`${part.port} of ${part.name}`)
  if (taken.length > 0) throw new Sentence(`Taken by another program: port ${taken.join(', port ')}.`)

  const end = async (how: 'orderly' | 'kill') => {
    await Promise.all(parts.map(part => (how === 'kill' ? part.kill() : part.stop())))
    rmSync(stackFileOf(home), { force: true })
  }
  const started = await Promise.allSettled(parts.map(part => part.start()))
  const failed = started.find(each => each.status === 'rejected')
  if (failed) {
    await end('kill')
    throw failed.reason
  }
  const stack: Stack = {
    home,
    file: stackFileOf(home),
    state: () => ({
      version: 1,
      kafka: settings.kafka.map(({ client }, i) => `127.0.0.1:${options.advertised?.[i] ?? client}`).join(','),
      s3: {
        endpoint: `http://127.0.0.1:${minio.port}`,
        region: 'us-east-1',
        accessKey: minio.accessKey,
        secretKey: minio.secretKey,
        bucket: minio.bucket,
      },
      postgres: { adminUrl: `postgres://postgres:${postgres.password}@127.0.0.1:${postgres.port}/postgres` },
      parts: parts.filter(part => part.running).map(part => part.record()),
    }),
    save: () => writeStackFile(stack.file, stack.state()),
    kafka: brokers,
    minio: store,
    postgres: database,
    parts,
    close: (how = 'orderly') => end(how),
  }
  stack.save()
  // Not before everything stands and is written down: an interrupted start leaves nothing behind.
  if (stays) for (const part of parts) part.release()
  return stack
}

/** Those of the home's first start; a port or a number of brokers that is given and differs is a Sentence. */
async function settingsOf(home: string, { brokers, ports }: StackOptions): Promise<Settings> {
  const file = path.join(home, 'settings.json')
  if (existsSync(file)) {
    const known = settingsSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    if (brokers !== undefined && brokers !== known.kafka.length)
      throw new Sentence(
        `The stack in ${home} has ${known.kafka.length} Kafka broker(s), not ${brokers}: leave --brokers out, or use another --home.`,
      )
    const differs =
      ports?.kafka?.some((port, i) => port !== known.kafka[i]?.client) ||
      (ports?.minio ?? known.minio.port) !== known.minio.port ||
      (ports?.postgres ?? known.postgres.port) !== known.postgres.port
    if (differs)
      throw new Sentence(`The stack in ${home} has other ports already: leave them out, or use another --home.`)
    return known
  }
  const count = brokers ?? ports?.kafka?.length ?? 1
  if (count !== 1 && count !== 3) throw new Sentence(`A stack has 1 or 3 brokers, not ${count}.`)
  if (ports?.kafka && ports.kafka.length !== count)
    throw new Sentence(`Give one port for each of the ${count} brokers.`)
  const free = await freePorts(3 * count + 2)
  const next = () => free.pop() as number
  const made: Settings = {
    version: 1,
    kafka: Array.from({ length: count }, (_, i): BrokerPorts => ({
      client: ports?.kafka?.[i] ?? next(),
      internal: next(),
      controller: next(),
    })),
    minio: {
      port: ports?.minio ?? next(),
      accessKey: 'keepsake',
      secretKey: randomBytes(18).toString('base64url'),
      bucket: 'keepsake',
    },
    postgres: { port: ports?.postgres ?? next(), password: randomBytes(18).toString('base64url') },
  }
  writeFileSync(`${file}.part`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
  chmodSync(`${file}.part`, 0o600)
  renameSync(`${file}.part`, file)
  return made
}
