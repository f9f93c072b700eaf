import pg from 'pg'
import type { Answer } from './led-query.js'

const { builtins, getTypeParser } = pg.types

/** Types that Keepsake reads differently from pg: int8 and numeric as numbers, date as text (a day has no time zone). */
const parsers: Partial<Record<number, (text: string) => unknown>> = {
  [builtins.INT8]: safeInteger,
  [builtins.NUMERIC]: Number,
  [builtins.DATE]: text => text,
  [builtins.TIMESTAMPTZ]: instant,
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

const otherTimestamp = getTypeParser(builtins.TIMESTAMPTZ) as (text: string) => Date

/** `2026-01-02 03:04:05.678901+00`, as every connection in UTC writes it, without the regular expressions of pg's own parser. */
function instant(text: string): Date {
  const short = text.length >= 22 && text.length <= 29 && text.endsWith('+00') && text[4] === '-'
  return short ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : otherTimestamp(text)
}

const names = new Map<string, string>()

/** The rows of an answer, snake_case columns as camelCase keys. */
export function rowsOf({ fields, rows }: Answer): Record<string, unknown>[] {
  const keys = fields.map(field => camelCase(field.name))
  return rows.map(values => {
    const row: Record<string, unknown> = {}
    // A loop: every value that Keepsake reads comes through here.
    for (let i = 0; i < keys.length; i++) row[keys[i] as string] = values[i]
    return row
  })
}

function camelCase(column: string): string {
  let name = names.get(column)
  if (name === undefined) {
    name = column.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())
    if (names.size < 10_000) names.set(column, name) // a cache of pure results; column names are few
  }
  return name
}
