import { z } from 'zod'
import { Secret } from './secret.js'

/** What a reader of the README is told about one option; validation and the table come from the same declaration. */
export interface OptionHelp {
  /** One sentence: what it changes. */
  help: string
  /** The unit of a number: ms, bytes, items, … */
  unit?: string
}

declare module 'zod' {
  interface GlobalMeta {
    help?: string
    unit?: string
    secret?: boolean
    fallback?: string
    min?: number
    max?: number
  }
}

/** A required (or, with `default`, optional) piece of text. */
export function text(o: OptionHelp & { default?: string; pattern?: RegExp }): z.ZodType<string, string | undefined> {
  const base = o.pattern ? z.string().min(1).regex(o.pattern) : z.string().min(1)
  return o.default === undefined
    ? base.meta(helpOf(o))
    : base.default(o.default).meta({ ...helpOf(o), fallback: o.default })
}

/** Text that may be absent altogether. */
export function optionalText(o: OptionHelp): z.ZodOptional<z.ZodString> {
  return z.string().min(1).optional().meta(helpOf(o))
}

/** A number with its range (both ends included) and unit. */
export function number(
  o: OptionHelp & { default?: number; min: number; max: number; integer?: boolean },
): z.ZodType<number, unknown> {
  const range = z.coerce.number<string | number>().min(o.min).max(o.max)
  const base = (o.integer ?? true) ? range.int() : range
  const meta = { ...helpOf(o), min: o.min, max: o.max }
  return o.default === undefined
    ? base.meta(meta)
    : base.default(o.default).meta({ ...meta, fallback: String(o.default) })
}

/** `true`/`1`/`yes`/`on` or `false`/`0`/`no`/`off`. */
export function flag(o: OptionHelp & { default: boolean }): z.ZodType<boolean, unknown> {
  return z
    .stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] })
    .default(o.default)
    .meta({ ...helpOf(o), fallback: String(o.default) })
}

/** One word out of a fixed list. */
export function choice<const V extends readonly [string, ...string[]]>(
  values: V,
  o: OptionHelp & { default?: V[number] },
): z.ZodType<V[number], string | undefined> {
  const base = z.enum(values)
  const meta = helpOf({ ...o, help: `${o.help} (${values.join(', ')})` })
  return o.default === undefined
    ? base.meta(meta)
    : base.default(o.default as never).meta({ ...meta, fallback: o.default })
}

/** A value that is required and never printed. */
export function secret(o: OptionHelp = { help: 'Kept out of every log.' }): z.ZodType<Secret<string>, string> {
  return z
    .string()
    .min(1)
    .transform(value => new Secret(value))
    .meta({ ...helpOf(o), secret: true })
}

/** A value that may be absent and is never printed. */
export function optionalSecret(
  o: OptionHelp = { help: 'Kept out of every log.' },
): z.ZodType<Secret<string> | undefined, string | undefined> {
  return z
    .string()
    .min(1)
    .transform(value => new Secret(value))
    .optional()
    .meta({ ...helpOf(o), secret: true })
}

const helpOf = (o: OptionHelp) => (o.unit === undefined ? { help: o.help } : { help: o.help, unit: o.unit })
