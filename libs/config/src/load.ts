import { z } from 'zod'
import { Secret } from './secret.js'

/** The environment as a process hands it over. */
export type Env = Record<string, string | undefined>

/** Everything that is wrong with a configuration, in one error: nobody wants to fix it one restart at a time. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(readonly problems: readonly { name: string; problem: string }[]) {
    super(`The configuration is not valid:\n${problems.map(p => `  ${p.name}: ${p.problem}`).join('\n')}`)
  }
}

/**
 * Reads the options that `schema` declares from `env`. An empty string counts as not set, as in a shell.
 * Values of secrets never appear in the error.
 * @throws ConfigError with every problem at once
 */
export function loadConfig<S extends z.ZodObject>(schema: S, env: Env): z.infer<S> {
  const given: Record<string, string> = {}
  for (const name of Object.keys(schema.shape)) {
    const value = env[name]
    if (value !== undefined && value !== '') given[name] = value
  }
  const result = schema.safeParse(given)
  if (result.success) return result.data
  throw new ConfigError(
    result.error.issues.map(issue => {
      const name = issue.path.map(String).join('.') || '(all)'
      return {
        name,
        problem: given[name] === undefined && name !== '(all)' ? 'is required and not set' : issue.message,
      }
    }),
  )
}

/** One line per option, secrets as `***`, addresses without their passwords: fit for a log. */
export function describeConfig<S extends z.ZodObject>(schema: S, config: z.infer<S>): string {
  const values = config as Record<string, unknown>
  return Object.entries(schema.shape)
    .map(([name, option]) => `${name}=${shown(values[name], metaOf(option)?.secret === true)}`)
    .join('\n')
}

/** A Markdown table of the options, for a README: name, meaning, default, range, unit. */
export function optionTable(schema: z.ZodObject): string {
  const rows = Object.entries(schema.shape).map(([name, option]) => {
    const meta = metaOf(option)
    const range = meta?.min !== undefined && meta.max !== undefined ? `${meta.min} to ${meta.max}` : ''
    const fallback = meta?.fallback ?? (z.safeParse(option as z.ZodType, undefined).success ? 'not set' : 'required')
    return `| \`${name}\` | ${meta?.help ?? ''} | ${fallback} | ${[range, meta?.unit].filter(Boolean).join(' ')} |`
  })
  return ['| option | what it does | default | range |', '|---|---|---|---|', ...rows].join('\n')
}

const metaOf = (option: unknown): z.GlobalMeta | undefined => (option as z.ZodType).meta()

function shown(value: unknown, isSecret: boolean): string {
  if (value === undefined) return '(not set)'
  if (isSecret || value instanceof Secret) return '***'
  return String(value).replace(/:\/\/([^:/@\s]+):[^@/\s]*@/g, '://$1:***@')
}
