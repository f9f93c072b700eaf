import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseReplicas } from './options.js'
import { Sentence } from './sentence.js'
import { serviceNames, type Fleet, type ServiceName } from './services.js'

/** How many processes of which service are wanted. */
export type Replicas = Partial<Record<ServiceName, number>>

const wishFile = (home: string) => path.join(home, 'scale.json')
const everyMs = 250

/**
 * Watches the home for a wish (`scale.json`, written by `scale`) and brings the fleet there; the file goes when it is fulfilled. Answers
 * how to stop.
 */
export function watchWishes(home: string, fleet: Fleet, say: (line: string) => void): () => Promise<void> {
  const file = wishFile(home)
  rmSync(file, { force: true }) // one that nobody waits for any more
  const stop = new AbortController()
  const watching = (async () => {
    while (!stop.signal.aborted) {
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined)
      if (stop.signal.aborted || !existsSync(file)) continue
      try {
        const wish = JSON.parse(readFileSync(file, 'utf8')) as Replicas
        for (const name of serviceNames) {
          const count = wish[name]
          if (count !== undefined) await fleet.scale(name, count)
        }
        say(
          `Now running ${Object.entries(wish)
            .map(([name, count]) => `${count} x ${name}`)
            .join(', ')}.`,
        )
      } catch (error) {
        say(`The number of processes could not be changed: ${error instanceof Error ? error.message : String(error)}`)
      }
      rmSync(file, { force: true })
    }
  })()
  return async () => {
    stop.abort()
    await watching
  }
}

/** Asks the Keepsake that has `home` open for other numbers of processes, and waits until they are there. */
export async function scale(home: string, wish: Replicas, deadlineMs = 90_000): Promise<void> {
  const state = path.join(home, 'run.json')
  if (!existsSync(state)) throw new Sentence(`No Keepsake is running on ${home}.`)
  if (!(JSON.parse(readFileSync(state, 'utf8')) as { processes: boolean }).processes)
    throw new Sentence('It runs in one process: start it with --processes or --stack.')
  const file = wishFile(home)
  writeFileSync(`${file}.part`, JSON.stringify(wish))
  renameSync(`${file}.part`, file)
  for (const end = Date.now() + deadlineMs; existsSync(file); await sleep(50))
    if (Date.now() > end)
      throw new Sentence(`The numbers were not changed within ${deadlineMs / 1000} s: see what Keepsake prints.`)
  const { services } = JSON.parse(readFileSync(state, 'utf8')) as { services: Record<string, unknown> }
  for (const [name, count] of Object.entries(wish)) {
    const there = Object.keys(services).filter(each => each.replace(/-\d+$/, '') === name).length
    if (there !== count)
      throw new Sentence(`There are ${there} processes of ${name}, not ${count}: see what Keepsake prints.`)
  }
}

/** `node deploy/scale.mjs face=3,gateway=2 [--home DIR]`. */
export async function scaleCommand(
  args: readonly string[],
  { cwd, root }: { cwd: string; root: string },
): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { home: { type: 'string' } },
  })
  const wish = parseReplicas(positionals.join(','))
  if (Object.keys(wish).length === 0) throw new Sentence('Say how many processes of what: face=3')
  await scale(values.home === undefined ? path.join(root, '.keepsake') : path.resolve(cwd, values.home), wish)
  return 0
}
