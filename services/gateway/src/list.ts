import { z } from 'zod'

/** A list as the API always gives it. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

/** The query of every paged list. */
export const paging = {
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number<string>().int().min(1).max(500).optional(),
}

/** `nextCursor` of a page. */
export const cursorOf = (next: string): string | null => (next === '' ? null : next)

/** A list that is always whole. */
export const wholeList = <T>(items: T[]): { items: T[]; nextCursor: null } => ({ items, nextCursor: null })

/** `true`, `1` or an empty value in a query. */
export const yes = z
  .enum(['true', 'false', '1', '0', ''])
  .transform(value => value === 'true' || value === '1' || value === '')

/** Words separated by commas in a query. */
export const words = <const V extends readonly [string, ...string[]]>(values: V) =>
  z
    .string()
    .transform(value => value.split(',').filter(Boolean))
    .pipe(z.array(z.enum(values)))

/** Leaves out what is undefined or empty, so that an absent fact is an absent field. */
export function present<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
} {
  // A loop: every item of every page comes through here.
  const there: Record<string, unknown> = {}
  for (const name in fields) if (fields[name] !== undefined) there[name] = fields[name]
  return there as never
}

/** undefined for an empty text: proto3 has no other way to say absent. */
export const orAbsent = (text: string): string | undefined => (text === '' ? undefined : text)
