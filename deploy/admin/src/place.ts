import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { migrate, provision } from '@keepsake/db'
import { openObjectStore } from '@keepsake/media'
import { openKeyStore } from '@keepsake/media/key-store'
import { openHome } from '@keepsake/local/home'
import { startPostgres } from '@keepsake/local/postgres'
import { schemaNames, serviceFolder, serviceNames } from '@keepsake/local/services'
import type { Place } from './backup.js'
import { Trouble } from './trouble.js'

/** Where the album is: a home of one machine, or a database and stores by their addresses. */
export interface Where {
  readonly home?: string | undefined
  /** Folder of the keys, or an address as KEEPSAKE_KEYS. Default: HOME/keys, or KEEPSAKE_KEYS. */
  readonly keys?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/** An opened place; what was started for it ends with `close`. */
export interface OpenPlace extends Place {
  close(): Promise<void>
}

const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
const eventsMigrations = fileURLToPath(new URL('../../../libs/events/migrations', import.meta.url))

/** Opens the album. One that runs is read beside it; the database of one that does not is started for the time of the command. */
export async function openPlace(where: Where): Promise<OpenPlace> {
  return where.home === undefined ? openStack(where) : openHomePlace(where.home, where)
}

const addressOf = (keys: string): string =>
  /^[a-z0-9]+:\/\//i.test(keys) ? keys : pathToFileURL(path.resolve(keys)).href

async function openStack({ keys, env }: Where): Promise<OpenPlace> {
  const url = env['DATABASE_URL']
  if (!url || !env['KEEPSAKE_OBJECTS'])
    throw new Trouble('Name the album by --home, or by DATABASE_URL (as keepsake_owner) and KEEPSAKE_OBJECTS.')
  const store = openKeyStore({ ...env, ...(keys === undefined ? {} : { KEEPSAKE_KEYS: addressOf(keys) }) })
  if (store === undefined) throw new Trouble('Say where the keys are: --keys DIR or KEEPSAKE_KEYS.')
  return {
    ownerUrl: url,
    objects: openObjectStore(env),
    keys: store,
    eventsElsewhere: (env['KEEPSAKE_EVENTS'] ?? 'postgres') !== 'postgres',
    close: async () => undefined,
  }
}

async function openHomePlace(home: string, { keys }: Where): Promise<OpenPlace> {
  if (!existsSync(path.join(home, 'secrets.json'))) throw new Trouble(`${home} holds no album.`)
  const objects = openObjectStore({ KEEPSAKE_OBJECTS: pathToFileURL(path.join(home, 'objects')).href })
  const store = openKeyStore({ KEEPSAKE_KEYS: addressOf(keys ?? path.join(home, 'keys')) })
  if (store === undefined) throw new Trouble('There is no folder of keys.')
  const { database } = JSON.parse(readFileSync(path.join(home, 'secrets.json'), 'utf8')) as {
    database: Record<string, string>
  }
  const urlOf = (port: number) =>
    `postgres://keepsake_owner:${encodeURIComponent(database['owner'] ?? '')}@127.0.0.1:${port}/keepsake`
  const running = runningOf(home)
  if (running !== undefined)
    return { ownerUrl: urlOf(running), objects, keys: store, eventsElsewhere: false, close: async () => undefined }
  const opened = openHome(home, serviceNames, version)
  const server = await startPostgres(home, database['postgres'] ?? '').catch((error: unknown) => {
    opened.close()
    throw error
  })
  return {
    ownerUrl: urlOf(server.port),
    objects,
    keys: store,
    eventsElsewhere: false,
    close: async () => {
      await server.stop()
      opened.close()
    },
  }
}

/** Port of the database of an album that runs. */
function runningOf(home: string): number | undefined {
  try {
    const state = JSON.parse(readFileSync(path.join(home, 'run.json'), 'utf8')) as {
      pid: number
      postgres: { port: number }
    }
    process.kill(state.pid, 0)
    return state.postgres.port
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
    const { ownerUrl } = await provision({
      adminUrl: server.adminUrl,
      services: schemaNames,
      database: 'keepsake',
      passwords: opened.secrets.database,
    })
    await migrate({ url: ownerUrl, dir: eventsMigrations, schema: 'events' })
    for (const name of schemaNames)
      await migrate({
        url: ownerUrl,
        dir: path.join(serviceFolder(name), 'migrations'),
        schema: name,
        role: `keepsake_${name}`,
      })
    const store = openKeyStore({ KEEPSAKE_KEYS: pathToFileURL(own).href })
    if (store === undefined) throw new Trouble('There is no folder of keys.')
    return {
      ownerUrl,
      objects: openObjectStore({ KEEPSAKE_OBJECTS: pathToFileURL(path.join(home, 'objects')).href }),
      keys: store,
      eventsElsewhere: false,
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
