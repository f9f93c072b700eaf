import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { beganAt } from './processes.js'
import { Sentence } from './sentence.js'
import { versions } from './versions.js'

/** A server that needs more than npm brings. */
export type BuiltPart = 'kafka' | 'minio'

/** Where built servers lie, one folder per version: KEEPSAKE_CACHE, default ~/.cache/keepsake. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env['KEEPSAKE_CACHE'] || path.join(homedir(), '.cache', 'keepsake')
}

/** The folder of Kafka's jars. */
export const kafkaLibs = (cache: string): string => path.join(cache, `kafka-${versions.kafka}`, 'libs')

/** The program of MinIO. */
export const minioProgram = (cache: string): string => path.join(cache, `minio-${versions.minio.date}`, 'bin', 'minio')

/**
 * What this machine lacks for a server, in words; empty where it can be started. A server that was built before needs no
 * compiler any more, Kafka always needs Java.
 */
export function missingFor(part: BuiltPart, cache: string): string[] {
  if (part === 'minio') return existsSync(minioProgram(cache)) ? [] : goMissing()
  const missing = works('java', ['-version']) ? [] : ['Java 17 or newer (java) is missing']
  if (!existsSync(kafkaLibs(cache)) && !works('mvn', ['-v'])) missing.push('Maven (mvn) is missing')
  return missing
}

/**
 * Puts a server into the cache where it is not there yet: Kafka's jars by Maven (a minute), MinIO by Go (five minutes on two
 * cores). Several processes may ask at once: one builds, the others wait.
 * @throws a Sentence where a tool is missing or the build fails; half a build is never left behind
 */
export async function prepare(part: BuiltPart, cache: string, say: (line: string) => void): Promise<void> {
  const target = part === 'kafka' ? path.dirname(kafkaLibs(cache)) : path.dirname(path.dirname(minioProgram(cache)))
  if (existsSync(target)) return
  const missing = missingFor(part, cache)
  if (missing.length > 0) throw new Sentence(`${part} cannot be built: ${missing.join(', ')}.`)
  mkdirSync(cache, { recursive: true })
  await alone(`${target}.lock`, async () => {
    if (existsSync(target)) return // the one before us built it
    const started = Date.now()
    const half = `${target}.half`
    rmSync(half, { recursive: true, force: true })
    mkdirSync(half)
    try {
      if (part === 'kafka') {
        say(`Fetching Kafka ${versions.kafka} with Maven (once, a minute) ...`)
        // Maven writes into the folder of its pom: it gets one of its own, so that the checkout stays as it is.
        copyFileSync(fileURLToPath(new URL('../pom.xml', import.meta.url)), path.join(half, 'pom.xml'))
        await command('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'], half)
      } else {
        say(`Building MinIO ${versions.minio.date} with Go (once, five minutes on two cores) ...`)
        const env = { GOBIN: path.join(half, 'bin'), CGO_ENABLED: '0', GOFLAGS: '', GO111MODULE: 'on' }
        await command(
          await goProgram(half),
          ['install', '-trimpath', '-ldflags=-s -w', versions.minio.module],
          half,
          env,
        )
      }
      renameSync(half, target)
      say(`  done in ${Math.round((Date.now() - started) / 1000)} s`)
    } finally {
      rmSync(half, { recursive: true, force: true })
    }
  })
}

/** Go's version as [major, minor]; undefined where there is none. */
function goVersion(): [number, number] | undefined {
  const { status, stdout } = spawnSync('go', ['version'], { encoding: 'utf8' })
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout ?? '') ?? []
  return status === 0 && major !== undefined && minor !== undefined ? [Number(major), Number(minor)] : undefined
}

function goMissing(): string[] {
  const version = goVersion()
  if (!version) return ['Go (go) is missing']
  return version[0] > 1 || version[1] >= 16 ? [] : [`Go 1.16 or newer is missing (there is ${version.join('.')})`]
}

/**
 * A Go that can build MinIO. From 1.21 on Go gets the toolchain that a module asks for; for an older one we get it the same way,
 * as a module, checked against Go's public checksums.
 */
async function goProgram(cwd: string): Promise<string> {
  const [major, minor] = goVersion() ?? [0, 0]
  if (major > 1 || minor >= 21) return 'go'
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const said = await command(
    'go',
    ['mod', 'download', '-json', `golang.org/toolchain@${versions.minio.go}.${process.platform}-${arch}`],
    cwd,
    { GO111MODULE: 'on', GOFLAGS: '' },
  )
  const { Dir: folder } = JSON.parse(said.slice(said.indexOf('{'))) as { Dir: string }
  // Modules are kept without the right to execute; Go's own switch to another toolchain gives it just so.
  for (const tools of [path.join(folder, 'bin'), path.join(folder, 'pkg', 'tool', `${process.platform}_${arch}`)])
    for (const name of readdirSync(tools)) chmodSync(path.join(tools, name), 0o755)
  return path.join(folder, 'bin', 'go')
}

const works = (name: string, args: string[]) => spawnSync(name, args, { stdio: 'ignore' }).status === 0

/** Runs a build command at low priority and returns what it said, which stands in the Sentence of a failure too. */
async function command(name: string, args: string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const child = spawn('nice', ['-n', '5', name, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
      `${name} ${args[0]} ended with status ${code}:\n${said.trim().split('\n').slice(-15).join('\n')}`,
    )
  return said
}

/** Runs fn while no other process holds the lock file; a lock whose holder is gone is taken over. */
async function alone(file: string, fn: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      writeFileSync(file, `${process.pid} ${beganAt(process.pid) ?? ''}`, { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const [pid = '', began = ''] = readIfThere(file).split(' ')
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    const abandoned = began === '' ? Date.now() - written > 5_000 : beganAt(Number(pid)) !== began
    if (abandoned) rmSync(file, { force: true })
    else await sleep(500)
  }
  try {
    await fn()
  } finally {
    rmSync(file, { force: true })
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
