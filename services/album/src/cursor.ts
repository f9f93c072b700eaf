import { errors } from './errors.js'

/** Where a list goes on, as an opaque text. */
export function encodeCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** The parts of a cursor, each checked by its own test; undefined for the start of the list. Throws CURSOR_INVALID. */
export function decodeCursor(
  cursor: string,
  tests: readonly ((part: unknown) => boolean)[],
): (string | number)[] | undefined {
  if (cursor === '') return undefined
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (Array.isArray(parts) && parts.length === tests.length && tests.every((test, i) => test(parts[i])))
      return parts as (string | number)[]
  } catch {
    // not JSON: the same answer as any other text that is no cursor of ours
  }
  throw errors.cursorInvalid()
}

/** Epoch milliseconds. */
export const isTime = (part: unknown): boolean =>
  typeof part === 'number' && Number.isFinite(part) && Math.abs(part) < 8.64e15

/** A whole number from 0. */
export const isCount = (part: unknown): boolean => Number.isSafeInteger(part) && (part as number) >= 0

/** How many a list answers: the default for 0, never more than `most`. */
export const pageSize = (limit: number, usual: number, most: number): number =>
  limit <= 0 ? usual : Math.min(limit, most)
