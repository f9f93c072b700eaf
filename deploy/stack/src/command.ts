import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { below, ended, isRunning, signal } from './processes.js'
import { Sentence } from './sentence.js'
import { readStackFile, type StackPart } from './stack-file.js'
import { stackFileOf, startStack } from './stack.js'

/** Shown by `npm run stack`. */
export const usage = `npm run stack -- up        starts Kafka, MinIO and Postgres on the loopback, building them first where that was not done
npm run stack -- down      ends what up started
npm run stack -- status    one line per part; status 0 only if all run
npm run stack -- logs [PART]

  --home DIR               where the stack lives (default .keepsake-stack)
  --brokers 1|3            of Kafka (default 1); fixed by the first up, like the ports
  --kafka-port N[,N,N], --s3-port N, --postgres-port N     (default: free ones)
`

/** Where relative paths come from. */
export interface StackSurroundings {
  /** Where the person typed the command. */
  cwd: string
  /** The repository's root. */
  root: string
  /** Takes one line of output. */
  say: (line: string) => void
}

/** How long a part gets to end in order, ms; then it is killed. */
const patienceMs = 30_000

/**
 * `npm run stack -- …`. Resolves with the exit status.
 * @throws a Sentence for every mistake of the person and everything a computer refuses
 */
export async function stackCommand(args: readonly string[], { cwd, root, say }: StackSurroundings): Promise<number> {
  const { values, positionals } = parse(args)
  const [command, part] = positionals
  const home = values.home === undefined ? path.join(root, '.keepsake-stack') : path.resolve(cwd, values.home)
  switch (command) {
    case 'up':
      return up(home, values, say)
    case 'down':
      return down(home, say)
    case 'status':
      return status(home, say)
    case 'logs':
      return logs(home, part, say)
    case undefined:
      say(usage)
      return values.help ? 0 : 1
    default:
      throw new Sentence(`There is no command "${command}": up, down, status or logs.`)
  }
}

async function up(home: string, values: ReturnType<typeof parse>['values'], say: (line: string) => void) {
  const file = stackFileOf(home)
  if (existsSync(file)) {
    const { parts } = readStackFile(file)
    if (parts.every(isRunning)) {
      say(`The stack in ${home} is up already; down ends it.`)
      return status(home, say)
    }
    if (parts.some(isRunning)) await down(home, say) // half of it has ended: all start anew
  }
  const started = Date.now()
  const stack = await startStack({ home, stays: true, say, ...optionsOf(values) })
  for (const part of stack.parts) say(line(part.record()))
  say(`up in ${((Date.now() - started) / 1000).toFixed(1)} s; addresses and passwords stand in ${file}`)
  return 0
}

/** Asks every part to end, and kills what does not. What has a number of ours but another beginning is left alone. */
async function down(home: string, say: (line: string) => void): Promise<number> {
  const file = stackFileOf(home)
  if (!existsSync(file)) {
    say(`There is no stack in ${home}.`)
    return 0
  }
  const { parts } = readStackFile(file)
  await Promise.all(
    parts.map(async part => {
      if (!isRunning(part)) return say(`${part.name} had ended already`)
      signal(part, 'SIGCONT')
      signal(part, part.name === 'postgres' ? 'SIGINT' : 'SIGTERM')
      if (await ended(part, patienceMs)) return say(`${part.name} ended`)
      for (const each of [part, ...below(part.pid)]) signal(each, 'SIGKILL')
      if (!(await ended(part, 10_000))) throw new Sentence(`${part.name} (process ${part.pid}) does not end.`)
      say(`${part.name} was killed: it did not end within ${patienceMs / 1000} s`)
    }),
  )
  rmSync(file, { force: true })
  return 0
}

function status(home: string, say: (line: string) => void): number {
  const file = stackFileOf(home)
  if (!existsSync(file)) {
    say(`There is no stack in ${home}.`)
    return 1
  }
  const { parts } = readStackFile(file)
  for (const part of parts) say(line(part))
  return parts.every(isRunning) ? 0 : 1
}

/** The end of a log, or of every log. */
function logs(home: string, wanted: string | undefined, say: (line: string) => void): number {
  const file = stackFileOf(home)
  if (!existsSync(file)) throw new Sentence(`There is no stack in ${home}; its logs lie in ${path.join(home, 'logs')}.`)
  const { parts } = readStackFile(file)
  const shown = parts.filter(part => wanted === undefined || part.name === wanted)
  if (shown.length === 0)
    throw new Sentence(`There is no part "${wanted}": ${parts.map(part => part.name).join(', ')}.`)
  for (const part of shown) {
    if (wanted === undefined) say(`== ${part.name} (${part.log})`)
    const text = existsSync(part.log) ? readFileSync(part.log, 'utf8').trimEnd() : ''
    say(text.split('\n').slice(-lines).join('\n'))
  }
  return 0
}

/** Of a log that is shown. */
const lines = 200

const line = (part: StackPart) =>
  `${part.name.padEnd(9)} ${isRunning(part) ? 'runs ' : 'ENDED'}  127.0.0.1:${part.port}  process ${part.pid}  ${part.log}`

function optionsOf(values: ReturnType<typeof parse>['values']) {
  const port = (name: string, text: string) => {
    const number = Number(text)
    if (!Number.isInteger(number) || number < 1 || number > 65_535)
      throw new Sentence(`${name} wants a number from 1 to 65535, not ${text}.`)
    return number
  }
  const kafka = values['kafka-port']?.split(',').map(text => port('--kafka-port', text))
  const minio = values['s3-port']
  const postgres = values['postgres-port']
  if (values.brokers !== undefined && !/^[13]$/.test(values.brokers))
    throw new Sentence(`--brokers is 1 or 3, not ${values.brokers}.`)
  return {
    ...(values.brokers === undefined ? {} : { brokers: Number(values.brokers) }),
    ports: {
      ...(kafka ? { kafka } : {}),
      ...(minio === undefined ? {} : { minio: port('--s3-port', minio) }),
      ...(postgres === undefined ? {} : { postgres: port('--postgres-port', postgres) }),
    },
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
        brokers: { type: 'string' },
        'kafka-port': { type: 'string' },
        's3-port': { type: 'string' },
        'postgres-port': { type: 'string' },
      },
    })
  } catch (error) {
    throw new Sentence(
      `${error instanceof Error ? error.message.replace(/\. To specify.*$/s, '.') : String(error)} See npm run stack.`,
    )
  }
}
