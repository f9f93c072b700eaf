import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Sentence } from './sentence.js'
import { serviceNames, type ServiceName } from './services.js'

/** What `npm start` was told. */
export interface Options {
  /** Folders to import; empty: just open the album. */
  importing: string[]
  /** Absolute. */
  home: string
  host: string
  /** 0: any free port. */
  port: number
  publicUrl?: string | undefined
  tls?: { cert: string; key: string } | undefined
  /** One operating-system process per service. */
  processes: boolean
  /** Processes of single services, where there are to be more than one. */
  replicas: Partial<Record<ServiceName, number>>
  /** The running stack to stand on, and what tells this album from others on it. */
  stack?: { file: string; name: string } | undefined
  owner?: string | undefined
  password?: string | undefined
  /** The owner who is there gets that password, or one that is made and printed. */
  newPassword: boolean
  family?: string | undefined
  timeZone: string
  /** undefined: what it is; a new family gets premium. */
  plan?: 'premium' | 'free' | undefined
  /** undefined: ask on a terminal, else import without faces. */
  faces?: boolean | undefined
  /** Stop when everything is settled. */
  exit: boolean
}

/** Shown by --help. */
export const usage = `npm start                          opens the album that is there
npm start -- import DIR...         imports folders first

  --home DIR          where the album lives (default .keepsake)
  --host H, --port N  where it listens (default 127.0.0.1, 8080)
  --public-url URL    how browsers reach it, if not by that address
  --tls-cert FILE, --tls-key FILE
  --processes         one operating-system process per service
  --replicas face=2   so many processes of a service (all=2: of every one), with --processes or --stack
  --stack             on the Kafka, S3 and Postgres of npm run stack -- up (its state file: KEEPSAKE_STACK)
  --stack-name NAME   what is this album's on the stack (or KEEPSAKE_STACK_NAME; default keepsake)
  --owner EMAIL       the first parent's account (password from KEEPSAKE_PASSWORD, else made and printed once)
  --new-password      the owner gets a new password (from KEEPSAKE_PASSWORD, else made and printed once); all their sign-ins end
  --family NAME, --time-zone ZONE
  --plan premium|free (default premium: a family on its own machine has everything)
  --consent-faces, --no-faces    consent to face recognition, or import without it; consent is withdrawn in the settings only
  --exit              stop when everything is processed; status 0 only if every photo and video is fine
`

/** Where relative paths and the environment come from. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>
  /** Where the person typed the command. */
  cwd: string
  /** The repository's root. */
  root: string
}

/** Reads the command line; every mistake is a Sentence. `undefined` means that help was asked for. */
export function parseOptions(args: readonly string[], { env, cwd, root }: Surroundings): Options | undefined {
  const { values, positionals } = parse(args)
  if (values.help) return undefined
  const [command, ...dirs] = positionals
  if (command !== undefined && command !== 'import')
    throw new Sentence(`There is no command "${command}": npm start -- import DIR, or npm start alone.`)
  if (command === 'import' && dirs.length === 0)
    throw new Sentence('Say which folder to import: npm start -- import DIR.')
  const importing = dirs.map(dir => path.resolve(cwd, dir))
  for (const dir of importing) if (!existsSync(dir)) throw new Sentence(`There is no folder ${dir} to import.`)
  if (values['consent-faces'] && values['no-faces'])
    throw new Sentence('--consent-faces and --no-faces exclude each other.')
  const port = Number(values.port ?? '8080')
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Sentence(`--port wants a number from 0 to 65535, not ${values.port ?? ''}.`)
  const { plan } = values
  if (plan !== undefined && plan !== 'premium' && plan !== 'free')
    throw new Sentence(`--plan is premium or free, not ${plan}.`)
  if (values.owner !== undefined && !/^[^\s@]+@[^\s@]+$/.test(values.owner))
    throw new Sentence(`--owner wants an email address, not ${values.owner}.`)
  const stack = stackOf(values.stack, values['stack-name'], { env, cwd, root })
  const processes = values.processes === true || stack !== undefined
  const replicas = parseReplicas(values.replicas ?? '')
  if (Object.keys(replicas).length > 0 && !processes)
    throw new Sentence('--replicas wants processes to multiply: add --processes or --stack.')
  const usual = path.join(root, ...(stack ? ['.keepsake-stack', 'albums', stack.name] : ['.keepsake']))
  return {
    importing,
    home: values.home === undefined ? usual : path.resolve(cwd, values.home),
    host: values.host ?? '127.0.0.1',
    port,
    publicUrl: publicUrl(values['public-url']),
    tls: tls(values['tls-cert'], values['tls-key'], cwd),
    processes,
    replicas,
    stack,
    owner: values.owner,
    password: env['KEEPSAKE_PASSWORD'] || undefined,
    newPassword: values['new-password'] === true,
    family: values.family,
    timeZone: timeZone(values['time-zone']),
    plan,
    faces: values['consent-faces'] ? true : values['no-faces'] ? false : undefined,
    exit: values.exit === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        home: { type: 'string' },
        host: { type: 'string' },
        port: { type: 'string' },
        'public-url': { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        processes: { type: 'boolean' },
        replicas: { type: 'string' },
        stack: { type: 'boolean' },
        'stack-name': { type: 'string' },
        owner: { type: 'string' },
        'new-password': { type: 'boolean' },
        family: { type: 'string' },
        'time-zone': { type: 'string' },
        plan: { type: 'string' },
        'consent-faces': { type: 'boolean' },
        'no-faces': { type: 'boolean' },
        exit: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new Sentence(
      `${error instanceof Error ? error.message.replace(/\. To specify.*$/s, '.') : String(error)} See npm start -- --help.`,
    )
  }
}

/** Most processes of one service on one machine. */
const mostReplicas = 16

/** Reads `face=2,gateway=2` or `all=2`; a later word counts. Throws a Sentence. */
export function parseReplicas(text: string): Partial<Record<ServiceName, number>> {
  const counts: Partial<Record<ServiceName, number>> = {}
  for (const word of text.split(',').filter(each => each !== '')) {
    const [name = '', digits = ''] = word.split('=')
    const count = Number(digits)
    if (digits === '' || !Number.isInteger(count) || count < 1 || count > mostReplicas)
      throw new Sentence(`--replicas wants words like face=2, from 1 to ${mostReplicas}, not ${word}.`)
    const named = serviceNames.filter(each => each === name || name === 'all')
    if (named.length === 0) throw new Sentence(`There is no service ${name}: ${serviceNames.join(', ')}, or all.`)
    for (const each of named) counts[each] = count
  }
  return counts
}

function stackOf(
  wanted: boolean | undefined,
  given: string | undefined,
  { env, cwd, root }: Surroundings,
): Options['stack'] {
  if (wanted !== true) {
    if (given !== undefined) throw new Sentence('--stack-name belongs to --stack.')
    return undefined
  }
  const name = given ?? (env['KEEPSAKE_STACK_NAME'] || 'keepsake')
  // It becomes part of the names of a database, of topics and of keys.
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name))
    throw new Sentence(`--stack-name wants small letters, digits and hyphens, at most 31, not ${name}.`)
  const file = env['KEEPSAKE_STACK']
  return { name, file: file ? path.resolve(cwd, file) : path.join(root, '.keepsake-stack', 'stack.json') }
}

function publicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new Sentence(`--public-url wants an address such as https://album.example.org, not ${text}.`)
  return new URL(text).origin
}

function tls(cert: string | undefined, key: string | undefined, cwd: string): Options['tls'] {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined) throw new Sentence('--tls-cert and --tls-key belong together.')
  const files = { cert: path.resolve(cwd, cert), key: path.resolve(cwd, key) }
  for (const file of Object.values(files)) {
    try {
      readFileSync(file)
    } catch {
      throw new Sentence(`The file ${file} cannot be read.`)
    }
  }
  return files
}

/** The zone that was named, else that of this machine. */
function timeZone(name: string | undefined): string {
  if (name === undefined) return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch {
    throw new Sentence(`--time-zone wants a name such as Asia/Tokyo, not ${name}.`)
  }
}
