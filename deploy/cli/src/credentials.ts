import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Api, type Tokens } from './api.js'

/** What `keepsake login` keeps: where, who, and the living session or an API key. */
export interface Stored {
  url: string
  email?: string | undefined
  familyId?: string | undefined
  apiKey?: string | undefined
  tokens?: Tokens | undefined
}

type Env = Readonly<Record<string, string | undefined>>

/** The folder of the command line's own files: KEEPSAKE_CONFIG_DIR, else XDG_CONFIG_HOME/keepsake, else ~/.config/keepsake. */
export function configDir(env: Env): string {
  return (
    env['KEEPSAKE_CONFIG_DIR'] ?? path.join(env['XDG_CONFIG_HOME'] ?? path.join(os.homedir(), '.config'), 'keepsake')
  )
}

const fileOf = (env: Env) => path.join(configDir(env), 'credentials.json')

/** What was kept, or undefined before the first login. */
export async function readStored(env: Env): Promise<Stored | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(env), 'utf8')) as Stored
  } catch {
    return undefined
  }
}

/** Keeps it for the next command, readable by this person only; a crash leaves the old or the new file, never half of one. */
export async function writeStored(env: Env, stored: Stored): Promise<void> {
  const file = fileOf(env)
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  const partial = `${file}.${process.pid}`
  await writeFile(partial, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 })
  await rename(partial, file)
}

/** A client for what was kept or what KEEPSAKE_URL and KEEPSAKE_API_KEY say; undefined where nobody is signed in. */
export async function openApi(env: Env): Promise<{ api: Api; stored: Stored } | undefined> {
  const stored = (await readStored(env)) ?? (env['KEEPSAKE_URL'] ? { url: env['KEEPSAKE_URL'] } : undefined)
  if (!stored) return undefined
  const url = env['KEEPSAKE_URL'] ?? stored.url
  const apiKey = env['KEEPSAKE_API_KEY'] ?? stored.apiKey
  if (apiKey) return { api: new Api(url, { apiKey }), stored: { ...stored, url } }
  if (!stored.tokens) return undefined
  const api = new Api(url, {
    tokens: stored.tokens,
    keep: tokens => writeStored(env, { ...stored, tokens }),
    reread: async () => (await readStored(env))?.tokens,
  })
  return { api, stored: { ...stored, url } }
}
