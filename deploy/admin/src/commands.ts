import path from 'node:path'
import { parseArgs } from 'node:util'
import { Db, sql } from '@keepsake/db'
import { openEventLog, topics, type EventFilter, type EventLog } from '@keepsake/events'
import { schemaNames } from '@keepsake/local/services'
import { logToStandardError } from '@keepsake/telemetry'
import { backupLines, deadLettersLine, erasuresLine, replayedLine, restoreLines, verifyLine } from './answers.js'
import { backup, type Surroundings } from './backup.js'
import { migrateDatabase, reportTopics } from './job.js'
import { models, type ModelsRequest } from './models.js'
import { makePlace, openBooks, openPlace, type Books, type Where } from './place.js'
import { restore, verify } from './restore.js'
import { openTalk } from './talk.js'
import { Trouble } from './trouble.js'

const usage = `npm run admin -- COMMAND             what an operator does to an album

  backup DIR                        makes a backup in DIR: new and changed things only; while the album runs, too
  verify DIR                        checks a backup: every digest and seal
  restore DIR                       brings a backup into a new album (--home of an empty folder)
  migrate                           brings the database up to date, with topics and bucket where the environment names them: the job before a start
  topics                            makes the topics that are missing on Kafka, and says which there are
  dead-letters [--group G]          events that were given up, with their cause
  replay --topic T [--where ...]    drives dead letters through again; --where family=ID,key=ID,event=ID,reason=R,since=TIME,until=TIME
  erasures [--open]                 receipts of what was erased, and who has not reported
  models status                     which version of the face pipeline families hold, and how far the next one is
  models upgrade --to N             prepares version N in the background; each family switches when all of its items are done
  models switch                     families switch although items failed in the new version only
  models rollback                   goes back to the version before, for 14 days after a switch

  --home DIR       the album of one machine (default .keepsake, where neither DATABASE_URL is set)
  --keys DIR       the folder of keys (default HOME/keys or KEEPSAKE_KEYS); never inside the backup
  --snapshot ID    which backup in DIR, default the newest
  --family ID      with models: this family only
  --group G        album, cluster, face, family, ingest, rating or render; default all

An album on the stack of this machine is named by its --home while it runs (.keepsake-stack/albums/NAME), any other by the environment: DATABASE_URL (as keepsake_owner),
KEEPSAKE_EVENTS, and for backups KEEPSAKE_OBJECTS and KEEPSAKE_KEYS. migrate takes a role that may make roles, too, and then makes those that are missing:
KEEPSAKE_ROLE_PASSWORDS names a JSON file of their passwords, {"owner": …, "album": …, …}.`

/** Where a command runs. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** Runs one command. Resolves with the exit status: 0 done, 1 not, 130 interrupted. */
export async function run(args: readonly string[], { env, cwd }: Terminal): Promise<number> {
  logToStandardError()
  hideTimerWarnings()
  const stop = new AbortController()
  const onSignal = () => stop.abort(new Trouble('Interrupted. The same command goes on from here.'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
  const talk = openTalk(process)
  try {
    return await command(args, { env, cwd, say: talk.say, signal: stop.signal, progress: talk.progress })
  } catch (error) {
    talk.stop()
    if (stop.signal.aborted) {
      process.stderr.write('Interrupted. The same command goes on from here.\n')
      return 130
    }
    const told = error instanceof Trouble || (error instanceof Error && error.name === 'Sentence')
    process.stderr.write(
      `${told ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return 1
  } finally {
    talk.stop()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
}

/** kafkajs asks for timers in the past, and Node says so on standard error: an operator can do nothing about it. Other warnings are shown as ever. */
function hideTimerWarnings(): void {
  const show = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', warning => {
    if (warning.name !== 'TimeoutNegativeWarning') for (const each of show) each(warning)
  })
}

async function command(args: readonly string[], around: Surroundings & Terminal): Promise<number> {
  const { values, positionals } = options(args)
  const [name = 'help', dir = ''] = positionals
  const at = (folder: string) => path.resolve(around.cwd, folder)
  const keys = values.keys === undefined || values.keys.includes('://') ? values.keys : at(values.keys)
  const home = values.home ?? (around.env['DATABASE_URL'] ? undefined : '.keepsake')
  const where: Where = { home: home === undefined ? undefined : at(home), keys, env: around.env }
  const { say } = around
  if (values.help || name === 'help') {
    say(usage)
    return 0
  }
  if (['backup', 'verify', 'restore'].includes(name)) {
    if (dir === '') throw new Trouble(`Name the folder of the backup: npm run admin -- ${name} DIR`)
    apart(at(dir), where)
  }
  switch (name) {
    case 'backup':
      return within(openPlace(where), async place => {
        const r = await backup(at(dir), place, around)
        backupLines(r).forEach(say)
        return r.missing > 0 ? 1 : 0
      })
    case 'verify':
      return within(openPlace(where), async place => {
        const wrong = await verify(at(dir), place.keys, around, values.snapshot)
        wrong.forEach(say)
        say(verifyLine(wrong.length))
        return wrong.length === 0 ? 0 : 1
      })
    case 'restore':
      return within(where.home === undefined ? openPlace(where) : makePlace(where.home, keys), async place => {
        const r = await restore(at(dir), place, around, values.snapshot)
        restoreLines(r).forEach(say)
        if (where.home !== undefined && keys !== undefined)
          say(
            `The keys were copied to ${path.join(where.home, 'keys')}: remove ${keys} when the old album is given up.`,
          )
        return 0
      })
    case 'migrate':
      return within(openBooks(where), books => migrateDatabase(books, around))
    case 'topics':
      return within(openBooks(where), books => reportTopics(books, around))
    case 'dead-letters':
      return within(openBooks(where), books => deadLetters(books, around, values.group))
    case 'replay':
      return within(openBooks(where), books => replay(books, around, values))
    case 'erasures':
      return within(openBooks(where), books => erasures(books, around, values.open === true))
    case 'models':
      return within(openBooks(where), books => versions(books, around, { action: dir || 'status', ...values }))
    default:
      throw new Trouble(`There is no command ${name}.\n\n${usage}`)
  }
}

function options(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        home: { type: 'string' },
        keys: { type: 'string' },
        snapshot: { type: 'string' },
        group: { type: 'string' },
        topic: { type: 'string' },
        where: { type: 'string', multiple: true },
        open: { type: 'boolean' },
        family: { type: 'string' },
        to: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new Trouble(error instanceof Error ? error.message : String(error))
  }
}

/** Keys inside a backup would protect nothing, and a backup inside the album would go with it. */
function apart(dir: string, { home, keys }: Where): void {
  const folder = keys === undefined ? home && path.join(home, 'keys') : keys.includes('://') ? undefined : keys
  const inside = (inner: string, outer: string) => `${path.resolve(inner)}/`.startsWith(`${path.resolve(outer)}/`)
  if (folder !== undefined && inside(folder, dir))
    throw new Trouble(
      `The folder of keys (${folder}) lies inside the backup: whoever has the backup would have the keys.`,
    )
  if (home !== undefined && inside(dir, home)) throw new Trouble(`The backup (${dir}) would lie inside the album.`)
}

async function within<P extends Books>(opening: Promise<P>, act: (place: P) => Promise<number>): Promise<number> {
  const place = await opening
  try {
    return await act(place)
  } finally {
    await place.close()
  }
}

async function withLog<T>({ ownerUrl, env }: Books, act: (log: EventLog) => Promise<T>): Promise<T> {
  const db = new Db(ownerUrl, { name: 'keepsake-admin', max: 2 })
  try {
    return await act(openEventLog(env, db))
  } finally {
    await db.close()
  }
}

function groupsOf(group: string | undefined): readonly string[] {
  if (group === undefined) return schemaNames
  if (!(schemaNames as readonly string[]).includes(group.split('.')[0] ?? ''))
    throw new Trouble(`There is no group ${group}.`)
  return [group]
}

function deadLetters(books: Books, { say }: Surroundings, group?: string): Promise<number> {
  return withLog(books, async log => {
    let count = 0
    for (const each of groupsOf(group))
      for (const letter of await log.deadLetters(each)) {
        count++
        const { eventId, topic, key, familyId, attempts, cause, deadAt } = letter
        say(
          `${deadAt.toISOString()} ${each} ${topic} event=${eventId} key=${key} family=${familyId} tries=${attempts} ${cause.code}/${cause.reason}: ${cause.message}`,
        )
      }
    say(deadLettersLine(count))
    return 0
  })
}

interface ReplayOptions {
  topic?: string | undefined
  where?: string[] | undefined
  group?: string | undefined
}

function replay(books: Books, { say }: Surroundings, values: ReplayOptions): Promise<number> {
  const filter = filterOf(values.topic, values.where ?? [])
  return withLog(books, async log => {
    let total = 0
    for (const group of groupsOf(values.group)) {
      const count = await log.replay(group, filter)
      if (count > 0) say(`${group}: ${count}`)
      total += count
    }
    say(replayedLine(total))
    return 0
  })
}

/** What `--topic` and `--where` mean. Throws a Trouble for words that mean nothing. */
export function filterOf(topic: string | undefined, where: readonly string[]): EventFilter {
  if (topic === undefined && where.length === 0) throw new Trouble('Say which: --topic T, --where …, or both.')
  if (topic !== undefined && !topics.some(({ name }) => name === topic))
    throw new Trouble(`There is no topic ${topic}: there are ${topics.map(({ name }) => name).join(', ')}.`)
  const keys: string[] = []
  const eventIds: string[] = []
  const rest: { familyId?: string; reason?: string; since?: Date; until?: Date } = {}
  for (const word of where.flatMap(text => text.split(','))) {
    const [name = '', value = ''] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]
    if (!word.includes('=') || value === '') throw new Trouble(`--where is made of name=value, not ${word}.`)
    if (name === 'key') keys.push(value)
    else if (name === 'event') eventIds.push(value)
    else if (name === 'family') rest.familyId = value
    else if (name === 'reason') rest.reason = value
    else if ((name === 'since' || name === 'until') && !Number.isNaN(Date.parse(value))) rest[name] = new Date(value)
    else throw new Trouble(`--where knows family, key, event, reason, since and until, not ${word}.`)
  }
  return {
    ...rest,
    ...(topic === undefined ? {} : { topic }),
    ...(keys.length > 0 ? { keys } : {}),
    ...(eventIds.length > 0 ? { eventIds } : {}),
  }
}

async function versions({ ownerUrl }: Books, { say }: Surroundings, request: ModelsRequest): Promise<number> {
  const db = new Db(ownerUrl, { name: 'keepsake-admin', max: 1 })
  try {
    for (const line of await models(db, request)) say(line)
    return 0
  } finally {
    await db.close()
  }
}

async function erasures({ ownerUrl }: Books, { say }: Surroundings, open: boolean): Promise<number> {
  const db = new Db(ownerUrl, { name: 'keepsake-admin', max: 1 })
  try {
    const rows = await db.system('receipts of erasures, for an operator', tx =>
      tx.many<{
        familyId: string
        erasureId: string
        kind: string
        startedAt: Date
        completedAt: Date | null
        ids: string[]
        owners: string[]
      }>(sql`
        select family_id, erasure_id, kind, started_at, completed_at, ids,
          array(select owner from family.erasure_reports r where r.family_id = e.family_id and r.erasure_id = e.erasure_id order by 1) as owners
        from family.erasures e where not ${open} or completed_at is null order by erasure_id`),
    )
    for (const r of rows)
      say(
        `${r.startedAt.toISOString()} ${r.erasureId} family=${r.familyId} ${r.kind} (${r.ids.length}) ${
          r.completedAt ? `complete ${r.completedAt.toISOString()}` : `reported: ${r.owners.join(', ') || 'nobody'}`
        }`,
      )
    say(erasuresLine(rows.length, rows.filter(r => r.completedAt === null).length))
    return 0
  } finally {
    await db.close()
  }
}
