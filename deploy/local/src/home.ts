import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { generateIdentityKeys, type IdentityKeys } from '@keepsake/rpc'
import { Sentence, fullDisk, readOnlyHome, sentenceFor } from './sentence.js'

/** The layout of a home that this version reads and writes. */
export const homeSchema = 1

/** Bytes that must be free to start at all: the database's first files and its log. */
const leastFree = 300e6

/** What only this machine knows; home/secrets.json, readable by its owner alone. */
export interface Secrets {
  identity: IdentityKeys
  /** Passwords of Postgres roles: `postgres`, `owner` and each service. */
  database: Record<string, string>
  /** Signs links to stored media. */
  objectsUrlKey: string
  /** Further keys by variable name, made when first needed. */
  keys: Record<string, string>
}

/** An opened home: nobody else has it until `close`. */
export interface Home {
  dir: string
  secrets: Secrets
  /** What a service's process may be told: run.json, for tests and for `npm start` in another window. */
  writeState(state: object): void
  /** A secret by name, made when it is asked for the first time. */
  key(name: string): string
  close(): void
}

/**
 * Opens or makes the home: checks its layout, takes its lock, makes the keys.
 * Throws a Sentence where it cannot be written, is full, is in use or was made by another version.
 */
export function openHome(dir: string, services: readonly string[], version: string): Home {
  try {
    mkdirSync(dir, { recursive: true })
  } catch (error) {
    throw sentenceFor(error, dir) ?? readOnlyHome(dir)
  }
  const lock = takeLock(dir)
  try {
    checkFree(dir)
    checkSchema(dir, version)
    for (const folder of ['objects', 'models', 'logs', 'imports', 'movies'])
      mkdirSync(path.join(dir, folder), { recursive: true })
    const secretsFile = path.join(dir, 'secrets.json')
    const secrets = readSecrets(secretsFile, services)
    return {
      dir,
      secrets,
      writeState: state => writeWhole(path.join(dir, 'run.json'), `${JSON.stringify(state, null, 2)}\n`),
      key: name => {
        const known = secrets.keys[name]
        if (known !== undefined) return known
        const made = randomBytes(32).toString('base64url')
        secrets.keys[name] = made
        writeWhole(secretsFile, JSON.stringify(secrets, null, 2), 0o600)
        return made
      },
      close: () => {
        rmSync(path.join(dir, 'run.json'), { force: true })
        lock()
      },
    }
  } catch (error) {
    lock()
    throw sentenceFor(error, dir) ?? error
  }
}

/** The old or the new content, never half of it. */
function writeWhole(file: string, text: string, mode = 0o644): void {
  writeFileSync(`${file}.part`, text, { mode })
  renameSync(`${file}.part`, file)
}

function checkFree(dir: string): void {
  const { bavail, bsize } = statfsSync(dir)
  if (bavail * bsize < leastFree) throw fullDisk(dir)
}

/** Bytes free on the disk of the home. */
export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir)
  return bavail * bsize
}

function checkSchema(dir: string, version: string): void {
  const file = path.join(dir, 'keepsake.json')
  if (!existsSync(file)) {
    // Our lock stands there already, and a restore onto the stack begins with the keys of backups; anything else was not made by us.
    const foreign = readdirSync(dir).filter(name => name !== 'lock' && name !== 'keys')
    if (foreign.includes('postgres')) throw oldSchema(dir, 0)
    if (foreign.length > 0)
      throw new Sentence(
        `${dir} holds other things than an album (${foreign.slice(0, 3).join(', ')}): choose an empty folder with --home.`,
      )
    writeWhole(file, `${JSON.stringify({ schema: homeSchema, madeBy: version }, null, 2)}\n`)
    return
  }
  let schema: unknown
  try {
    schema = (JSON.parse(readFileSync(file, 'utf8')) as { schema?: unknown }).schema
  } catch {
    throw new Sentence(`${file} is damaged: it should hold {"schema": ${homeSchema}}.`)
  }
  if (typeof schema !== 'number' || schema < homeSchema) throw oldSchema(dir, Number(schema) || 0)
  if (schema > homeSchema)
    throw new Sentence(
      `The album in ${dir} was made by a newer Keepsake (schema ${schema}, this one knows ${homeSchema}): update Keepsake to open it.`,
    )
}

const oldSchema = (dir: string, schema: number) =>
  new Sentence(
    `The album in ${dir} has the old schema ${schema}, which this version of Keepsake (schema ${homeSchema}) cannot open: export it with the version that made it and import it again. Nothing was changed.`,
  )

function readSecrets(file: string, services: readonly string[]): Secrets {
  const fresh = (): string => randomBytes(24).toString('base64url')
  const names = ['postgres', 'owner', ...services]
  if (!existsSync(file)) {
    const secrets: Secrets = {
      identity: generateIdentityKeys([...services, 'operator']),
      database: Object.fromEntries(names.map(name => [name, fresh()])),
      objectsUrlKey: fresh(),
      keys: {},
    }
    writeWhole(file, JSON.stringify(secrets, null, 2), 0o600)
    return secrets
  }
  try {
    const secrets = JSON.parse(readFileSync(file, 'utf8')) as Secrets
    // A version with a further service meets a home without its keys.
    const missing = [...services, 'operator'].some(name => secrets.identity.privateKeys[name] === undefined)
    if (missing) secrets.identity = generateIdentityKeys([...services, 'operator'])
    const added = names.filter(name => secrets.database[name] === undefined)
    for (const name of added) secrets.database[name] = fresh()
    if (missing || added.length > 0) writeWhole(file, JSON.stringify(secrets, null, 2), 0o600)
    return secrets
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      throw new Sentence(
        `${file} is damaged. Put it back from a backup: without it the album's database cannot be opened.`,
      )
    throw error
  }
}

/** Takes home/lock; returns how to give it back. A lock whose process is gone is taken over. */
function takeLock(dir: string): () => void {
  const file = path.join(dir, 'lock')
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw sentenceFor(error, dir) ?? error
    }
    let text = ''
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      continue // given back this moment
    }
    const [pid = 0, start = ''] = text
      .trim()
      .split(' ')
      .map((part, i) => (i === 0 ? Number(part) : part)) as [number, string]
    if (pid > 0 && isAlive(pid) && (start === '' || startOf(pid) === start)) throw inUse(dir, pid)
    if (pid === 0 && Date.now() - statSync(file).mtimeMs < 2000) throw inUse(dir, pid)
    rmSync(file, { force: true })
  }
  throw inUse(dir, 0)
}

function inUse(dir: string, pid: number): Sentence {
  let url = ''
  try {
    url = (JSON.parse(readFileSync(path.join(dir, 'run.json'), 'utf8')) as { url?: string }).url ?? ''
  } catch {
    // It is still starting.
  }
  const where = url === '' ? '' : ` at ${url}`
  return new Sentence(
    `Keepsake already has the album in ${dir} open${where}${pid > 0 ? ` (process ${pid})` : ''}. To add pictures to it, use: npx keepsake import DIR`,
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

/** When a process began, in clock ticks since boot: tells it from a later one with the same number. Linux only. */
function startOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
