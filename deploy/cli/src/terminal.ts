import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** True where a person can be asked. */
export const isTerminal = (): boolean => process.stdin.isTTY && process.stderr.isTTY

/** Asks for a line; with `hidden` the answer is not shown. */
export async function ask(question: string, options: { hidden?: boolean; signal?: AbortSignal } = {}): Promise<string> {
  let muted = false
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!muted) process.stderr.write(chunk)
      done()
    },
  })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  try {
    const answer = lines.question(question, options.signal ? { signal: options.signal } : {})
    muted = options.hidden === true
    return (await answer).trim()
  } finally {
    lines.close()
    if (options.hidden) process.stderr.write('\n')
  }
}

/** Asks for yes or no until it is one of them. */
export async function askYesNo(question: string, signal?: AbortSignal): Promise<boolean> {
  for (;;) {
    const answer = (await ask(`${question} [y/n] `, signal ? { signal } : {})).toLowerCase()
    if (['y', 'yes', 'j', 'はい'].includes(answer)) return true
    if (['n', 'no', 'いいえ'].includes(answer)) return false
  }
}

/** 1234567 -> 1.2 MB. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** 3725 -> 1 h 2 min. */
export function formatSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `1 photo`, `2 photos`. */
export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`
