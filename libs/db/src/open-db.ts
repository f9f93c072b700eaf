import { loadConfig, number, optionalText, secret, type Env } from '@keepsake/config'
import { z } from 'zod'
import { Db } from './db.js'

/** What every service that has a schema reads of its database. */
export const databaseConfig = z.object({
  KEEPSAKE_DATABASE_URL: secret({
    help: 'Postgres as the role of this service; sslmode and sslrootcert as libpq knows them.',
  }),
  KEEPSAKE_DATABASE_CA_FILE: optionalText({
    help: 'PEM file of the CA that signs the server’s certificate; with it sslmode is verify-full unless the address says otherwise.',
  }),
  KEEPSAKE_DATABASE_POOL_MAX: number({
    help: 'Connections that one pool of this process opens at most. 0: as many as the service is made for.',
    default: 0,
    min: 0,
    max: 1_000,
  }),
  KEEPSAKE_DATABASE_STATEMENT_TIMEOUT_MS: number({
    help: 'A statement that takes longer is cancelled by the server.',
    unit: 'ms',
    default: 15_000,
    min: 100,
    max: 3_600_000,
  }),
  KEEPSAKE_DATABASE_LOCK_TIMEOUT_MS: number({
    help: 'A statement that waits longer for a lock fails and may be tried again. 0: the statement timeout alone.',
    unit: 'ms',
    default: 0,
    min: 0,
    max: 3_600_000,
  }),
  KEEPSAKE_DATABASE_IDLE_TRANSACTION_MS: number({
    help: 'A transaction that does nothing for so long is ended by the server: readers of the event log wait for the oldest one.',
    unit: 'ms',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
  }),
  KEEPSAKE_DATABASE_CONNECT_MS: number({
    help: 'How long a call waits for a server that is away.',
    unit: 'ms',
    default: 10_000,
    min: 0,
    max: 600_000,
  }),
})

/** Opens a pool as the environment says. `max` is the pool's size where the environment names none. */
export function openDb(env: Env, options: { name: string; max?: number }): Db {
  const config = loadConfig(databaseConfig, env)
  const max = config.KEEPSAKE_DATABASE_POOL_MAX || options.max
  return new Db(config.KEEPSAKE_DATABASE_URL.reveal(), {
    name: options.name,
    ...(max !== undefined && { max }),
    ...(config.KEEPSAKE_DATABASE_CA_FILE !== undefined && { caFile: config.KEEPSAKE_DATABASE_CA_FILE }),
    statementTimeoutMs: config.KEEPSAKE_DATABASE_STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: config.KEEPSAKE_DATABASE_LOCK_TIMEOUT_MS,
    idleInTransactionMs: config.KEEPSAKE_DATABASE_IDLE_TRANSACTION_MS,
    connectTimeoutMs: config.KEEPSAKE_DATABASE_CONNECT_MS,
  })
}
