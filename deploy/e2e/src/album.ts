import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Api, type Tokens } from 'keepsake'
import { memoryEnv } from '@keepsake/media/child-env'
import { readStackFile } from '@keepsake/stack/stack-file'
import { until } from '@keepsake/testing'

/** The root of the checkout; the suites start Keepsake from there the way a person does. */
export const repository = fileURLToPath(new URL('../../../', import.meta.url))
export const owner = { email: 'owner@example.org', password: 'correct horse battery' }

/**
 * With KEEPSAKE_TARGET=stack every album runs as processes of its own on the Kafka, MinIO and Postgres that the state file
 * KEEPSAKE_STACK names, under a name of its own: its database, and what its objects, topics and consumer groups begin with.
 */
export const onStack = (): boolean => process.env['KEEPSAKE_TARGET'] === 'stack'

/** What the album of a home is called on the stack; the same for the same home, which may be opened again. */
export const stackName = (home: string) => `e2e-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`

/** How an album is started. */
export interface AlbumOptions {
  /** The folder of the album; a fresh one where it is left out. */
  home?: string
  /** Words after `npm start --`, e.g. `['import', folder, '--exit']`. */
  args?: string[]
  env?: Record<string, string>
  /** How long it may take until it is up, or with `--exit` until it has ended. */
  deadlineMs?: number
}

/** A Keepsake that runs as its own process, seen only from outside. */
export class Album {
  output = ''
  exitCode: number | null | undefined
  private constructor(
    readonly home: string,
    private readonly child: ChildProcess,
  ) {
    const take = (chunk: Buffer) => {
      this.output += chunk.toString()
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.on('exit', (code, signal) => {
      this.exitCode = code ?? (signal ? 128 : null)
    })
  }

  /** Runs `npm start`'s program; returns as soon as the process is there. */
  static async spawn({ home, args = [], env = {} }: AlbumOptions = {}): Promise<Album> {
    const folder = home ?? (await mkdtemp(path.join(tmpdir(), 'keepsake-e2e-')))
    const child = spawn(
      process.execPath,
      [
        'deploy/start.mjs',
        ...args,
        ...(onStack() ? ['--stack'] : []),
        '--home',
        folder,
        '--port',
        '0',
        '--owner',
        owner.email,
        '--time-zone',
        'Europe/Berlin',
      ],
      {
        cwd: repository,
        env: {
          ...process.env,
          ...memoryEnv,
          KEEPSAKE_PASSWORD: owner.password,
          NODE_ENV: 'production',
          ...(onStack() ? { KEEPSAKE_STACK_NAME: stackName(folder) } : {}),
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    return new Album(folder, child)
  }

  /** Starts and waits for the ready line. */
  static async start(options: AlbumOptions = {}): Promise<Album> {
    const album = await Album.spawn(options)
    await until(() => album.url !== undefined || album.exitCode !== undefined, {
      deadlineMs: options.deadlineMs ?? 180_000,
      everyMs: 50,
      what: 'the ready line',
    })
    if (album.url === undefined) throw new Error(`Keepsake ended with status ${album.exitCode}:\n${album.output}`)
    return album
  }

  /** The address of the ready line. */
  get url(): string | undefined {
    return /^ready (https?:\/\/\S+)$/m.exec(this.output)?.[1]
  }

  /** The folder of the store's files, in which the bytes of every object and its key can be found. */
  get objects(): string {
    if (!onStack()) return path.join(this.home, 'objects')
    const { parts, s3 } = readStackFile(process.env['KEEPSAKE_STACK'] ?? '')
    const store = parts.find(part => part.name === 'minio')
    if (!store) throw new Error('the stack has no MinIO')
    return path.join(store.data, s3.bucket, stackName(this.home))
  }

  /** The file that holds the bytes of a small object. */
  fileOf(key: string): string {
    // MinIO keeps an object as a folder, and a small one's bytes in its description.
    return onStack() ? path.join(this.objects, key, 'xl.meta') : path.join(this.objects, 'objects', key)
  }

  /** The superuser's address of its database. */
  get databaseUrl(): string {
    if (onStack()) {
      const url = new URL(readStackFile(process.env['KEEPSAKE_STACK'] ?? '').postgres.adminUrl)
      url.pathname = `/keepsake_${stackName(this.home).replaceAll('-', '_')}`
      return url.href
    }
    const read = (name: string): unknown => JSON.parse(readFileSync(path.join(this.home, name), 'utf8'))
    const { database } = read('secrets.json') as { database: { postgres: string } }
    const { postgres } = read('run.json') as { postgres: { port: number } }
    return `postgres://postgres:${database.postgres}@127.0.0.1:${postgres.port}/keepsake`
  }

  /** Folders in which Kafka's brokers keep their topics, those of other albums with them; none on one machine, whose events are in the database. */
  get topics(): string[] {
    if (!onStack()) return []
    const { parts } = readStackFile(process.env['KEEPSAKE_STACK'] ?? '')
    return parts.filter(part => part.name.startsWith('kafka')).map(part => part.data)
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the process was not started')
    return this.child.pid
  }

  /** A client signed in as the owner. */
  async signIn(): Promise<Api> {
    return signIn(this.requireUrl(), owner.email, owner.password)
  }

  requireUrl(): string {
    if (this.url === undefined) throw new Error(`no ready line yet:\n${this.output}`)
    return this.url
  }

  /** Waits for the process to end by itself and returns its status. */
  async ended(deadlineMs: number): Promise<number | null> {
    await until(() => this.exitCode !== undefined, {
      deadlineMs,
      everyMs: 100,
      what: `the end of Keepsake\n${this.output.slice(-4000)}`,
    })
    return this.exitCode ?? null
  }

  /** Ctrl-C, and the status it ends with. */
  async stop(): Promise<number | null> {
    if (this.exitCode === undefined) this.child.kill('SIGINT')
    return this.ended(60_000)
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended(10_000)
  }

  /** Stops and removes the album's folder. */
  async remove(): Promise<void> {
    await this.stop().catch(() => this.kill())
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A client signed in with a password. */
export async function signIn(url: string, email: string, password: string): Promise<Api> {
  return withTokens(url, await Api.login(url, email, password))
}

/** Makes an account and a client signed in as it. */
export async function createAccount(url: string, email: string, name: string): Promise<Api> {
  const answer = await new Api(url).post<Tokens>('/v1/accounts', { email, password: owner.password, name })
  return withTokens(url, answer)
}

const withTokens = (url: string, tokens: Tokens) => new Api(url, { tokens, keep: () => undefined })
