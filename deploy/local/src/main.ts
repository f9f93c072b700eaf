import { fileURLToPath } from 'node:url'
import { isTerminal } from 'keepsake'
import { openAccount } from './account.js'
import { importInto } from './importing.js'
import { openAlbum, type Album } from './album.js'
import { parseOptions, usage, type Options, type Surroundings } from './options.js'
import { sentenceFor } from './sentence.js'

const root = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')

/**
 * `npm start`: opens the album, imports what it was told to, prints `ready http://…` and stays up until Ctrl-C, or with
 * `--exit` until everything is processed. Resolves with the exit status.
 */
export async function start(args: readonly string[], surroundings: Omit<Surroundings, 'root'>): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const stop = new AbortController()
  let signals = 0
  let jobUnfinished = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (++signals > 1) process.exit(130) // asked twice: at once
    if (process.stderr.isTTY) process.stderr.write('\n')
    say(jobUnfinished ? 'Stopping ... The same command goes on from here.' : 'Stopping ...')
    stop.abort(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

  let album: Album | undefined
  let home = ''
  try {
    const options = parseOptions(args, { ...surroundings, root })
    if (!options) {
      say(usage)
      return 0
    }
    home = options.home
    jobUnfinished = options.exit || options.importing.length > 0
    album = await openAlbum(options, say, stop.signal)
    const status = await work(options, album, say, stop.signal)
    jobUnfinished = false
    if (!options.exit) await stopped(stop.signal)
    return status
  } catch (error) {
    if (stop.signal.aborted) return jobUnfinished ? 130 : 0
    const sentence = sentenceFor(error, home)
    process.stderr.write(
      sentence
        ? `${sentence.message}\n`
        : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return 1
  } finally {
    await album?.close().catch((error: unknown) => process.stderr.write(`While stopping: ${String(error)}\n`))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
  }
}

/** Everything between "the services are up" and "stays up": the account, the ready line, the import. */
async function work(options: Options, album: Album, say: (line: string) => void, signal: AbortSignal): Promise<number> {
  const account = await openAccount(options, album, say)
  say(`ready ${album.url}`)
  const status = await importInto({ options, album, account, say, signal, interactive: isTerminal() })
  // After an import the ready line is far above.
  if (!options.exit) say(`${options.importing.length > 0 ? `The album is open at ${album.url}. ` : ''}Ctrl-C stops it.`)
  return status
}

const stopped = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) return resolve()
    // Timers keep the process alive: with every service in its own process nothing else may.
    const alive = setInterval(() => undefined, 60_000)
    signal.addEventListener('abort', () => (clearInterval(alive), resolve()), { once: true })
  })

// `npm run dev` starts this file itself.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await start(process.argv.slice(2), {
    env: process.env,
    cwd: process.env['INIT_CWD'] ?? process.cwd(),
  })
}
