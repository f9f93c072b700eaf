import { createHmac } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { makeTopics } from '@keepsake/events'
import { prepareBucket } from '@keepsake/media'
import { readStackFile } from '@keepsake/stack/stack-file'
import type { Home } from './home.js'
import { startPostgres } from './postgres.js'
import { Sentence } from './sentence.js'
import { schemaNames } from './services.js'

/** What an album stands on: a database, an event log, an object store. Services are told by their environment alone. */
export interface Platform {
  /** The superuser's address. */
  adminUrl: string
  /** The album's own database. */
  database: string
  /** Of the database's roles, by service and `owner`. */
  passwords: Readonly<Record<string, string>>
  /** What every service is told: where events and objects are. */
  env: Readonly<Record<string, string>>
  /** For run.json. */
  state(): object
  close(): Promise<void>
}

/** Everything on this machine, in the home: the database that npm brought, its tables as the event log, a folder of objects. */
export async function onThisMachine(
  home: Home,
  options: { say: (line: string) => void; changed: () => void; connections: number },
): Promise<Platform> {
  const { say, changed, connections } = options
  const server = await startPostgres(
    home.dir,
    home.secrets.database['postgres'] ?? '',
    {
      ended: () => say('The database has stopped by itself and is being started again.'),
      restarted: () => {
        say('The database is there again.')
        changed()
      },
    },
    connections,
  )
  return {
    adminUrl: server.adminUrl,
    database: 'keepsake',
    passwords: home.secrets.database,
    env: { KEEPSAKE_EVENTS: 'postgres', KEEPSAKE_OBJECTS: pathToFileURL(path.join(home.dir, 'objects')).href },
    state: () => ({ postgres: { port: server.port, restarts: server.restarts() } }),
    close: () => server.stop(),
  }
}

/** The running stack that a state file names, with this album's topics and bucket made where they are missing. */
export async function onStack(where: { file: string; name: string }): Promise<Platform> {
  const platform = stackPlatform(where)
  await makeTopics(platform.env)
  await prepareBucket(platform.env)
  return platform
}

/** The running stack that a state file names; `name` keeps albums on it apart: database, topics and groups, keys of objects. */
export function stackPlatform({ file, name }: { file: string; name: string }): Platform {
  const stack = (() => {
    try {
      return readStackFile(file)
    } catch (error) {
      throw new Sentence((error as Error).message)
    }
  })()
  const { endpoint, region, bucket, accessKey, secretKey } = stack.s3
  const objects = new URL(`s3://${bucket}/${name}`)
  objects.search = new URLSearchParams({ endpoint, region, style: 'path' }).toString()
  const env = {
    KEEPSAKE_EVENTS: `kafka://${stack.kafka}`,
    KEEPSAKE_EVENTS_PREFIX: `${name}.`,
    KEEPSAKE_OBJECTS: objects.href,
    KEEPSAKE_S3_ACCESS_KEY: accessKey,
    KEEPSAKE_S3_SECRET_KEY: secretKey,
  }
  const { adminUrl } = stack.postgres
  // The server's roles are shared by all albums on it, so their passwords follow from the server, not from the album.
  const secret = decodeURIComponent(new URL(adminUrl).password)
  const password = (role: string) => createHmac('sha256', secret).update(`keepsake role ${role}`).digest('base64url')
  return {
    adminUrl,
    database: name === 'keepsake' ? name : `keepsake_${name.replaceAll('-', '_')}`,
    passwords: Object.fromEntries(['owner', ...schemaNames].map(role => [role, password(role)])),
    env,
    state: () => ({ stack: { file, name } }),
    close: () => Promise.resolve(),
  }
}
