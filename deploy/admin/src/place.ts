import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openObjectStore } from '@keepsake/media'
import { openKeyStore } from '@keepsake/media/key-store'
import { openHome } from '@keepsake/local/home'
import { migrateAll } from '@keepsake/local/migrations'
import { stackPlatform } from '@keepsake/local/platform'
import { startPostgres } from '@keepsake/local/postgres'
import { serviceNames } from '@keepsake/local/services'
import { setLogFile } from '@keepsake/telemetry'
import type { Place } from './backup.js'
import { Trouble } from './trouble.js'

/** Where the album is: a home of one machine, or a database and stores by their addresses. */
export interface Where {
  readonly home?: string | undefined
  /** Folder of the keys, or an address as KEEPSAKE_KEYS. Default: HOME/keys, or KEEPSAKE_KEYS. */
  readonly keys?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Where rows and events are; what was started for it ends with `close`. */
export interface Books {
  /** Postgres as keepsake_owner. */
  readonly ownerUrl: string
  /** Says where events and objects are, as the services' environment does. */
  readonly env: Readonly<Record<string, string | undefined>>
  close(): Promise<void>
}

/** Rows, events, objects and keys; what was started for them ends with `close`. */
export interface OpenPlace extends Place, Books {}

const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

/** Opens the album. One that runs is read beside it; the database of one that does not is started for the time of the command. */
export async function openPlace(where: Where): Promise<OpenPlace> {
  const { home, env } = where
  if (home === undefined && (!env['DATABASE_URL'] || !env['KEEPSAKE_OBJECTS']))
    throw new Trouble('Name the album by --home, or by DATABASE_URL (as keepsake_owner) and KEEPSAKE_OBJECTS.')
  const folder = home === undefined ? undefined : path.join(home, 'keys')
  const keys = where.keys ?? folder
  const store = openKeyStore({ ...(home === undefined ? env : {}), ...(keys && { KEEPSAKE_KEYS: addressOf(keys) }) })
  if (store === undefined) throw new Trouble('Say where the keys are: --keys DIR or KEEPSAKE_KEYS.')
  const books = await openBooks(where)
  return { ...books, objects: openObjectStore(books.env), keys: store }
}

const addressOf = (keys: string): string =>
  /^[a-z0-9]+:\/\//i.test(keys) ? keys : pathToFileURL(path.resolve(keys)).href

/** Opens what questions about rows and events need: no objects, no keys. Otherwise as `openPlace`. */
export async function openBooks({ home, env }: Where): Promise<Books> {
  const close = async () => undefined
  if (home === undefined) {
    const url = env['DATABASE_URL']
    if (!url) throw new Trouble('Name the album by --home, or by DATABASE_URL (as keepsake_owner).')
    return { ownerUrl: url, env, close }
  }
  if (!existsSync(path.join(home, 'secrets.json'))) throw new Trouble(`${home} holds no album.`)
  setLogFile(path.join(home, 'logs', 'admin.log')) // who looked across families is kept with the album
  const running = runningOf(home)
  if (running?.stack !== undefined) {
    const { adminUrl, database, passwords, env: stack } = stackPlatform(running.stack)
    return { ownerUrl: ownerOf(adminUrl, database, passwords['owner'] ?? ''), env: stack, close }
  }
  if (!existsSync(path.join(home, 'postgres')))
    throw new Trouble(`The album in ${home} is on a stack and does not run: start it, or name it by DATABASE_URL.`)
  const { database } = JSON.parse(readFileSync(path.join(home, 'secrets.json'), 'utf8')) as {
    database: Record<string, string>
  }
  const here = {
    KEEPSAKE_EVENTS: 'postgres',
    KEEPSAKE_OBJECTS: pathToFileURL(path.join(home, 'objects')).href,
  }
  const urlOf = (port: number) => ownerOf(`postgres://127.0.0.1:${port}`, 'keepsake', database['owner'] ?? '')
  if (running?.postgres !== undefined) return { ownerUrl: urlOf(running.postgres.port), env: here, close }
  const opened = openHome(home, serviceNames, version)
  const server = await startPostgres(home, database['postgres'] ?? '').catch((error: unknown) => {
    opened.close()
    throw error
  })
  return {
    ownerUrl: urlOf(server.port),
    env: here,
    close: async () => {
      await server.stop()
      opened.close()
    },
  }
}

function ownerOf(server: string, database: string, password: string): string {
  const url = new URL(server)
  url.username = 'keepsake_owner'
  url.password = encodeURIComponent(password)
  url.pathname = `/${encodeURIComponent(database)}`
  return url.href
}

/** What an album that runs says of what it stands on. */
interface Running {
  pid: number
  postgres?: { port: number }
  stack?: { file: string; name: string }
}

function runningOf(home: string): Running | undefined {
  try {
    const state = JSON.parse(readFileSync(path.join(home, 'run.json'), 'utf8')) as Running
    process.kill(state.pid, 0)
    return state
  } catch {
    return undefined
  }
}

/**
 * Makes an empty album for a restore: a new home with roles, schemas and migrations, and with a copy of the keys. A home that an interrupted restore has
 * made is taken on.
 */
export async function makePlace(home: string, keys: string | undefined): Promise<OpenPlace> {
  const own = path.join(home, 'keys')
  const opened = openHome(home, serviceNames, version)
  try {
    if (keys !== undefined && path.resolve(keys) !== path.resolve(own)) {
      if (!existsSync(keys)) throw new Trouble(`${keys} is no folder of keys.`)
      cpSync(keys, own, { recursive: true })
    }
    if (!existsSync(own) || readdirSync(own).length === 0)
      throw new Trouble('A restore needs the keys of the album: --keys DIR.')
    const server = await startPostgres(home, opened.secrets.database['postgres'] ?? '')
    const { ownerUrl } = await migrateAll({
      adminUrl: server.adminUrl,
      database: 'keepsake',
      passwords: opened.secrets.database,
    })
    const store = openKeyStore({ KEEPSAKE_KEYS: pathToFileURL(own).href })
    if (store === undefined) throw new Trouble('There is no folder of keys.')
    const env = { KEEPSAKE_EVENTS: 'postgres', KEEPSAKE_OBJECTS: pathToFileURL(path.join(home, 'objects')).href }
    return {
      ownerUrl,
      env,
      objects: openObjectStore(env),
      keys: store,
      close: async () => {
        await server.stop()
        opened.close()
      },
    }
  } catch (error) {
    opened.close()
    throw error
  }
}
