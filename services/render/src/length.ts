import { errors } from './errors.js'

const SECONDS: Record<string, number> = { short: 15, medium: 30, long: 60 }
const MOST_SECONDS = 600

/** Seconds of a wanted length: short, medium, long or a number of seconds from 10 to 600. Throws INVALID_VALUE else. */
export function lengthSeconds(length: string): number {
  const named = SECONDS[length]
  if (named !== undefined) return named
  const seconds = Number(length)
  if (!Number.isFinite(seconds) || seconds < 10 || seconds > MOST_SECONDS) {
    throw errors.invalid('length', `The length is short, medium, long, or 10 to ${MOST_SECONDS} seconds.`)
  }
  return seconds
}
