import pg from 'pg'

const { builtins, getTypeParser } = pg.types

/** Types that Keepsake reads differently from pg: int8 and numeric as numbers, date as text (a day has no time zone). */
const parsers: Partial<Record<number, (text: string) => unknown>> = {
  [builtins.INT8]: safeInteger,
  [builtins.NUMERIC]: Number,
  [builtins.DATE]: text => text,
  1016: text => (getTypeParser(1007 as number) as (text: string) => number[])(text), // int8[]
  1182: text => (getTypeParser(1009 as number) as (text: string) => string[])(text), // date[]
}

/** Type parsers handed to every connection; nothing global is changed. */
export const rowTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    (format === 'binary' ? undefined : parsers[oid]) ??
    getTypeParser(oid, format as never)) as pg.CustomTypesConfig['getTypeParser'],
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 ${text} does not fit a number exactly`)
  return value
}

const names = new Map<string, string>()

/** snake_case columns as camelCase keys. */
export function camelRow(row: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const key in row) {
    let name = names.get(key)
    if (name === undefined) {
      name = key.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())
      if (names.size < 10_000) names.set(key, name) // a cache of pure results; column names are few
    }
    out[name] = row[key]
  }
  return out
}
