import { spawn, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresPrograms, postgresUser, type RunAs } from '@keepsake/stack/postgres-program'
import { freePort } from './ports.js'
import { Sentence, fullDisk } from './sentence.js'

/** The album's database server while it runs. */
export interface Postgres {
  /** The superuser's address, database `postgres`. */
  adminUrl: string
  port: number
  /** How often it ended by itself and was started again. */
  restarts(): number
  /** Ends it in order; it is not started again. Safe to call twice. */
  stop(): Promise<void>
}

/** What the album may want to know of its server. */
export interface PostgresEvents {
  /** The server ended by itself (kill -9, a full disk) and is being started again until that works. */
  ended?: () => void
  /** It answers again. */
  restarted?: () => void
}

/** Waits this long before starting a server again that ended: 0.2 s, doubled while it keeps ending, 5 s at most, in ms. */
export const databaseDelayMs = (endsInARow: number): number =>
  Math.min(5_000, 200 * 2 ** Math.min(10, Math.max(0, endsInARow - 1)))

/** Seconds that an earlier server of this album gets to end, and that ours gets to start (it may have to recover). */
const patience = 60

// A server that ran so long was not ending in a row, in ms.
const stableAfterMs = 30_000

// One album on one machine: small buffers, enough connections for eight pools; durability is Postgres' own default.
const settings = [
  'listen_addresses=127.0.0.1',
  'shared_buffers=96MB',
  'max_wal_size=512MB',
  'wal_compression=on',
  'timezone=UTC',
  // Not the errors of statements: they quote what people wrote. The services log those without it.
  'log_min_messages=log',
  'log_timezone=UTC',
  'jit=off',
]

/**
 * Starts the real Postgres that npm brought on home/postgres, on a free port of the loopback; makes the cluster where
 * there is none. As root it runs as the user `postgres`. A server left over from a killed Keepsake is ended first. One that
 * ends by itself is started again on the same port, for as long as it takes: after a full disk, until there is room.
 */
export async function startPostgres(
  home: string,
  password: string,
  told: PostgresEvents = {},
  connections = 200,
): Promise<Postgres> {
  const bin = await postgresPrograms()
  const dir = path.join(home, 'postgres')
  const as = postgresUser(dir, bin.postgres)
  const data = path.join(dir, 'data')
  const log = path.join(dir, 'postgres.log')
  mkdirSync(dir, { recursive: true })
  giveTo(as, dir)

  if (!existsSync(path.join(data, 'PG_VERSION'))) await initialise(bin.initdb, as, dir, data, password, home)
  checkVersion(data, home)

  const port = await freePort()
  const server = new Supervised({ postgres: bin.postgres, as, dir, data, log, port, home, connections }, told)
  await server.start()
  return {
    adminUrl: `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    port,
    restarts: () => server.restarts,
    stop: () => server.stop(),
  }
}

/** Where a server lives and how it is run. */
interface Place {
  postgres: string
  as: RunAs
  dir: string
  data: string
  log: string
  port: number
  home: string
  connections: number
}

/** One server that is kept running. */
class Supervised {
  restarts = 0
  private child: ChildProcess | undefined
  private again: Promise<void> = Promise.resolve()
  private stopping: Promise<void> | undefined
  private readonly stopped = new AbortController()

  constructor(
    private readonly place: Place,
    private readonly told: PostgresEvents,
  ) {}

  /** The first start, whose failure is said. Afterwards the server is started again when it ends. */
  async start(): Promise<void> {
    this.watch(await this.open(), 0)
  }

  stop(): Promise<void> {
    return (this.stopping ??= (async () => {
      this.stopped.abort()
      await this.again // a start under way ends first, so that nothing is left running
      if (this.child !== undefined) await ended(this.child)
    })())
  }

  /** Starts the server and waits until it answers. Leaves nothing running when it does not. */
  private async open(): Promise<ChildProcess> {
    const { data, log, home } = this.place
    await endLeftOver(data)
    const began = statIfThere(log)?.size ?? 0
    const child = run(this.place)
    try {
      await answering(data, log, began, child, home, this.stopped.signal)
    } catch (error) {
      await ended(child)
      throw error
    }
    this.child = child
    return child
  }

  private watch(child: ChildProcess, endsInARow: number): void {
    const since = Date.now()
    const over = () => {
      if (this.stopped.signal.aborted) return
      this.told.ended?.()
      this.again = this.restart(Date.now() - since > stableAfterMs ? 1 : endsInARow + 1)
    }
    if (child.exitCode !== null || child.signalCode !== null) over()
    else child.once('exit', over)
  }

  private async restart(endsInARow: number): Promise<void> {
    for (let ends = endsInARow; ; ends++) {
      const { signal } = this.stopped
      await sleep(databaseDelayMs(ends), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      const child = await this.open().catch(() => undefined) // Postgres' own log says why not
      if (child === undefined) continue
      this.restarts++
      this.watch(child, ends)
      this.told.restarted?.()
      return
    }
  }
}

function run({ postgres, as, dir, data, log, port, connections }: Place): ChildProcess {
  // The socket's path must stay under 108 bytes, which a home may exceed; nobody connects by it.
  const sockets = process.platform === 'win32' ? [] : [`unix_socket_directories=`]
  const options = [...settings, ...sockets, `port=${port}`, `max_connections=${connections}`].flatMap(setting => [
    '-c',
    setting,
  ])
  // A shell holds the server and ends it in order when our end of its standard input closes, which even kill -9 of us does.
  const script =
    'exec 3<&0 </dev/null; "$@" >>"$0" 2>&1 3<&- & pid=$!; (read -r how <&3; kill -INT $pid) & reader=$!; ' +
    'exec 3<&-; trap "" INT TERM HUP; wait $pid; code=$?; kill $reader 2>/dev/null; exit $code'
  const [command, ...args] = as.command([postgres, '-D', data, ...options])
  const child = spawn('/bin/sh', ['-c', script, log, command ?? '', ...args], {
    ...as.ids,
    cwd: dir,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C in the terminal is for us; we stop it when nobody needs it any more
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
  })
  child.stdin?.on('error', () => undefined)
  return child
}

/** Ends a server in order and waits until it is gone. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.stdin?.end('stop\n')
  })
}

/** Where Postgres runs as another user without more rights than his, what he is to read must be his. */
function giveTo({ ids }: RunAs, file: string): void {
  if (ids.uid !== undefined && ids.gid !== undefined) chownSync(file, ids.uid, ids.gid)
}

async function initialise(
  initdb: string,
  as: RunAs,
  dir: string,
  data: string,
  password: string,
  home: string,
): Promise<void> {
  rmSync(data, { recursive: true, force: true }) // what an interrupted initdb left has no PG_VERSION or no end
  const passwordFile = path.join(dir, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  giveTo(as, passwordFile)
  const fresh = `${data}.new`
  rmSync(fresh, { recursive: true, force: true })
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
      cwd: dir,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0) {
      rmSync(fresh, { recursive: true, force: true })
      if (/no space left/i.test(said)) throw fullDisk(home)
      throw new Sentence(`The database could not be made in ${dir}: ${lastLine(said)}`)
    }
    // Renamed when it is whole: an interrupted start leaves no half cluster behind.
    renameSync(fresh, data)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

function checkVersion(data: string, home: string): void {
  const version = readFileSync(path.join(data, 'PG_VERSION'), 'utf8').trim()
  if (version !== '18')
    throw new Sentence(
      `The database in ${home} has the old schema of Postgres ${version}, and this Keepsake brings Postgres 18: export the album with the version that made it. Nothing was changed.`,
    )
}

/** A server of this very album that outlived its Keepsake is asked to end; a stale postmaster.pid is left to Postgres. */
async function endLeftOver(data: string): Promise<void> {
  const pidOf = () => {
    try {
      return Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
    } catch {
      return 0
    }
  }
  const pid = pidOf()
  if (pid <= 0 || !isPostgresOf(pid, data)) {
    // The number may belong to a stranger by now, and Postgres would refuse to start because of him. Otherwise the file stays:
    // by it Postgres finds out whether backends of a killed server still write.
    if (pid > 0 && isAlive(pid)) rmSync(path.join(data, 'postmaster.pid'), { force: true })
    return
  }
  process.kill(pid, 'SIGINT')
  for (let waited = 0; waited < patience * 10; waited++) {
    if (!isPostgresOf(pid, data)) return
    await sleep(100)
  }
  throw new Sentence(
    `A database server of this album (process ${pid}) is still running and does not end: stop it and start again.`,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function isPostgresOf(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false
  try {
    const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    if (program === '') return false // a zombie: it has ended
    return /postgres/.test(program) && args.includes(data)
  } catch {
    return process.platform !== 'linux' // no /proc: believe the file
  }
}

/** Waits for the line in postmaster.pid that says `ready`. */
async function answering(
  data: string,
  log: string,
  began: number,
  child: ChildProcess,
  home: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + patience * 1000
  for (;;) {
    if (signal.aborted) throw new Error('stopping')
    try {
      const lines = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')
      // The file of a killed server says `ready` too: only our own child's counts.
      if (lines[7]?.trim() === 'ready' && isPostgresOf(Number(lines[0]), data)) return
    } catch {
      // Not written yet.
    }
    // Its log is asked only when it has ended: callers that come too early are refused there as FATAL as well.
    if (child.exitCode !== null) {
      const said = (readIfThere(log) ?? '').slice(began)
      if (/no space left/i.test(said)) throw fullDisk(home)
      throw new Sentence(`The database did not start: ${lastLine(said)} (see ${log})`)
    }
    if (Date.now() > deadline) throw new Sentence(`The database did not start within ${patience} s (see ${log}).`)
    await sleep(20)
  }
}

const lastLine = (text: string) => text.trim().split('\n').at(-1)?.trim() ?? ''

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const statIfThere = (file: string) => statSync(file, { throwIfNoEntry: false })
