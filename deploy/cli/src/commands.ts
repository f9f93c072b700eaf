import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Api, ApiError } from './api.js'
import { consentStep, consentText, consentTextVersion } from './consent.js'
import { configDir, openApi, readStored, writeStored } from './credentials.js'
import { importFolders, type ImportResult } from './import.js'
import { coveredPeriod, makeMovie, type Movie } from './movies.js'
import { describeProcessing, type Processing } from './processing.js'
import { openProgress, showProcessing } from './progress.js'
import { ask, askYesNo, formatBytes, isTerminal, plural } from './terminal.js'

type Env = Readonly<Record<string, string | undefined>>

/** A wrong command line; the message is shown with the usage, and the status is 2. */
class UsageError extends Error {}

const usage = `keepsake: your family album from the command line

  keepsake login [URL] [--email EMAIL] [--api-key KEY]   (password: asked for, or KEEPSAKE_PASSWORD)
  keepsake import DIR... [--wait] [--consent-faces | --no-faces]
  keepsake status
  keepsake people
  keepsake movie make [--from DAY] [--to DAY] [--title TEXT] [--length short|medium|long|SECONDS] [--child ID]
  keepsake movie get [ID] -o FILE
  keepsake export [-o FILE]

Every command takes --family ID where you belong to several. KEEPSAKE_URL and KEEPSAKE_API_KEY work without a login.
`

interface Context {
  env: Env
  api: Api
  familyId: string
  values: Record<string, string | boolean | undefined>
  rest: string[]
}

const commands: Record<string, (context: Context) => Promise<number>> = {
  import: importCommand,
  status,
  people,
  'movie make': movieMake,
  'movie get': movieGet,
  export: exportCommand,
}

/** Runs one command; resolves with the exit status: 0 only when all was done. */
export async function run(args: readonly string[], env: Env): Promise<number> {
  try {
    const { values, positionals } = parse(args)
    if (values['help'] || positionals.length === 0) {
      process.stdout.write(usage)
      return positionals.length === 0 && !values['help'] ? 2 : 0
    }
    if (positionals[0] === 'login') return await login(positionals.slice(1), values, env)
    const two = positionals.slice(0, 2).join(' ')
    const name = commands[two] ? two : (positionals[0] ?? '')
    const command = commands[name]
    if (!command)
      throw new UsageError(
        name === 'movie' ? 'Say what about the movie: make or get.' : `There is no command "${positionals[0] ?? ''}".`,
      )
    const opened = await openApi(env)
    if (!opened) throw new Error('You are not signed in: run `keepsake login URL` first.')
    const wanted = (values['family'] as string | undefined) ?? opened.stored.familyId
    const familyId = await chooseFamily(opened.api, wanted)
    return await command({ env, api: opened.api, familyId, values, rest: positionals.slice(name.split(' ').length) })
  } catch (error) {
    if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${usage}`)
    else if (error instanceof ApiError)
      process.stderr.write(`${error.message}${error.code === 'UNKNOWN' ? '' : ` (${error.code})`}\n`)
    else process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        family: { type: 'string' },
        email: { type: 'string' },
        'api-key': { type: 'string' },
        wait: { type: 'boolean' },
        'consent-faces': { type: 'boolean' },
        'no-faces': { type: 'boolean' },
        from: { type: 'string' },
        to: { type: 'string' },
        title: { type: 'string' },
        length: { type: 'string' },
        child: { type: 'string' },
        output: { type: 'string', short: 'o' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

interface Family {
  id: string
  name: string
  role: string
  faceRecognition: { consent: boolean | null }
}

async function chooseFamily(api: Api, wanted: string | undefined): Promise<string> {
  const families: Family[] = []
  for await (const family of api.list<Family>('/v1/families')) families.push(family)
  const chosen = wanted
    ? families.find(family => family.id === wanted || family.name === wanted)
    : families.length === 1
      ? families[0]
      : undefined
  if (chosen) return chosen.id
  if (families.length === 0)
    throw new Error('You belong to no family yet: make one in the browser, or accept an invitation.')
  throw new UsageError(
    `Say which family with --family: ${families.map(family => `${family.name} (${family.id})`).join(', ')}.`,
  )
}

async function login(rest: string[], values: Context['values'], env: Env): Promise<number> {
  const stored = await readStored(env)
  const url = rest[0] ?? env['KEEPSAKE_URL'] ?? stored?.url ?? 'http://localhost:8080'
  const apiKey = values['api-key'] as string | undefined
  if (apiKey) {
    await new Api(url, { apiKey }).get('/v1/families')
    await writeStored(env, { url, apiKey })
  } else {
    const email =
      (values['email'] as string | undefined) ?? stored?.email ?? (isTerminal() ? await ask('Email: ') : undefined)
    const password = env['KEEPSAKE_PASSWORD'] ?? (isTerminal() ? await ask('Password: ', { hidden: true }) : undefined)
    if (!email || !password) throw new UsageError('Without a terminal, give --email and KEEPSAKE_PASSWORD.')
    const tokens = await Api.login(url, email, password)
    await writeStored(env, { url, email, tokens })
  }
  process.stdout.write(`Signed in to ${url}\n`)
  return 0
}

async function importCommand({ env, api, familyId, values, rest }: Context): Promise<number> {
  if (rest.length === 0) throw new UsageError('Say which folder to import.')
  for (const folder of rest) if (!existsSync(folder)) throw new Error(`There is no folder ${folder} to import.`)
  if (values['consent-faces'] && values['no-faces'])
    throw new UsageError('--consent-faces and --no-faces exclude each other.')
  await settleConsent(api, familyId, values)
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('Interrupted: run the same command again to go on where it was.')))
  const view = openProgress(process.stderr)
  let result: ImportResult
  try {
    result = await importFolders({
      api,
      familyId,
      roots: rest,
      journalDir: path.join(configDir(env), 'imports'),
      wait: values['wait'] === true,
      signal: stop.signal,
      onFound: found =>
        process.stderr.write(`${plural(found.files.length, 'file')} found, ${found.ignored.length} ignored\n`),
      onUpload: state => view.set('upload', state.files, state.totalFiles),
      onProcessing: processing => showProcessing(view, processing),
    })
  } finally {
    view.stop()
  }
  process.stdout.write(`${describeImport(result)}\n`)
  return result.failures.length === 0 ? 0 : 1
}

/** What an import did, with one line per failure. */
export function describeImport(result: ImportResult): string {
  const bytes = result.found.files.reduce((sum, file) => sum + file.size, 0)
  const ignored = result.found.ignored.length
  const nothing = result.found.files.length === 0 && result.failures.length === 0
  if (nothing) return `No photo or video was found${ignored > 0 ? `, ${plural(ignored, 'other file')} ignored` : ''}.`
  return [
    `${plural(result.mediaIds.length - result.earlier, 'new item')}, ${result.earlier > 0 ? `${result.earlier} imported earlier, ` : ''}${plural(result.duplicates, 'duplicate')}, ${plural(result.joined, 'sidecar or clip joined', 'sidecars and clips joined')}, ` +
      `${plural(ignored, 'file')} ignored, ${result.failures.length} failed (${formatBytes(bytes)})`,
    ...result.failures.map(failure => `  ${failure.name}: ${failure.message} (${failure.code})`),
  ].join('\n')
}

/** Consent is asked once: what was decided stays, unless an option gives it. */
async function settleConsent(api: Api, familyId: string, values: Context['values']): Promise<void> {
  const family = await api.get<Family>(`/v1/families/${familyId}`)
  const option = values['consent-faces'] ? true : values['no-faces'] ? false : undefined
  const decided = family.faceRecognition.consent
  const step = consentStep({ option, decided, interactive: isTerminal() })
  if (step.say !== undefined) process.stderr.write(`${step.say}\n`)
  if (step.do === 'leave') return
  if (step.do === 'ask') process.stderr.write(`${consentText}\n`)
  const consent =
    step.do === 'give' || (await askYesNo(`May Keepsake recognise faces in the pictures of ${family.name}?`))
  await api.patch(`/v1/families/${familyId}`, { faceRecognition: { consent, textVersion: consentTextVersion } })
}

async function status({ api, familyId }: Context): Promise<number> {
  const processing = await api.get<Processing>(`/v1/families/${familyId}/processing`)
  process.stdout.write(`${describeProcessing(processing)}\n`)
  return 0
}

async function people({ api, familyId }: Context): Promise<number> {
  interface Person {
    id: string
    name?: string | null
    hidden: boolean
    faceCount: number
    firstSeen?: string | null
    lastSeen?: string | null
  }
  for await (const person of api.list<Person>(`/v1/families/${familyId}/people?limit=200`)) {
    const [first, last] = [person.firstSeen, person.lastSeen].map(day => day?.slice(0, 10))
    const seen = first && last ? `${first} to ${last}` : 'no dated picture'
    process.stdout.write(
      `${person.id}  ${(person.name ?? 'not named').padEnd(20)} ${plural(person.faceCount, 'face').padStart(10)}  ${seen}${person.hidden ? '  hidden' : ''}\n`,
    )
  }
  return 0
}

async function movieMake({ api, familyId, values }: Context): Promise<number> {
  const covered = values['from'] && values['to'] ? undefined : await coveredPeriod(api, familyId)
  const from = (values['from'] as string | undefined) ?? covered?.from
  const to = (values['to'] as string | undefined) ?? covered?.to
  if (!from || !to) throw new UsageError('There is no dated item yet: give --from and --to.')
  const view = openProgress(process.stderr)
  let movie: Movie
  try {
    const text = (name: string) => values[name] as string | undefined
    movie = await makeMovie(
      api,
      familyId,
      { from, to, title: text('title'), length: text('length'), childId: text('child') },
      { onProgress: state => view.set('movie', Math.round(state.progress * 100), 100) },
    )
  } finally {
    view.stop()
  }
  if (movie.status === 'ready')
    process.stdout.write(`${movie.id}  ${movie.title ?? '1s Movie'}, ${Math.round(movie.duration ?? 0)} s\n`)
  else process.stderr.write(`${movie.statusReason?.message ?? `The movie is ${movie.status}.`}\n`)
  return movie.status === 'ready' ? 0 : 1
}

async function movieGet({ api, familyId, values, rest }: Context): Promise<number> {
  const file = values['output'] as string | undefined
  if (!file) throw new UsageError('Say where to write with -o FILE.')
  let movie: Movie | undefined
  if (rest[0]) movie = await api.get<Movie>(`/v1/families/${familyId}/movies/${rest[0]}`)
  else
    for await (const each of api.list<Movie>(`/v1/families/${familyId}/movies`)) {
      if (each.status !== 'ready') continue
      movie = each // the list begins with the newest
      break
    }
  if (!movie?.url) throw new Error(movie ? `The movie is ${movie.status}.` : 'There is no finished movie yet.')
  await api.download(movie.url, file, { deadlineMs: 600_000 })
  process.stdout.write(`${file}\n`)
  return 0
}

async function exportCommand({ api, familyId, values }: Context): Promise<number> {
  const file = (values['output'] as string | undefined) ?? `keepsake-${new Date().toISOString().slice(0, 10)}.zip`
  await api.download(`/v1/families/${familyId}/export`, file, { deadlineMs: 24 * 3_600_000 })
  process.stdout.write(`${file}\n`)
  return 0
}
