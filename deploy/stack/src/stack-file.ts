import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'

/** One process of the stack, as the state file remembers it. */
export const stackPartSchema = z.object({
  /** `kafka-1`, `minio`, `postgres`. */
  name: z.string().min(1),
  pid: z.int().positive(),
  /** When that process began, in clock ticks since boot (field 22 of /proc/PID/stat): tells it from a later one with its number. */
  began: z.string().min(1),
  /** On the loopback. */
  port: z.int().min(1).max(65_535),
  /** Where it keeps its data, absolute. */
  data: z.string().min(1),
  /** Absolute. */
  log: z.string().min(1),
})

/** What `npm run stack -- up` leaves in its home for everybody who uses the stack, and for `down`. */
export const stackFileSchema = z.object({
  /** Of this layout. */
  version: z.literal(1),
  /** Of the brokers: `127.0.0.1:9092,127.0.0.1:9093`. */
  kafka: z.string().regex(/^127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+)*$/),
  s3: z.object({
    /** `http://127.0.0.1:9000`; path style. */
    endpoint: z.url({ protocol: /^https?$/ }),
    region: z.string().min(1),
    accessKey: z.string().min(3),
    secretKey: z.string().min(8),
    /** There already. */
    bucket: z.string().min(3),
  }),
  postgres: z.object({
    /** The superuser's address, database `postgres`. */
    adminUrl: z.url({ protocol: /^postgres$/ }),
  }),
  parts: z.array(stackPartSchema),
})

/** See {@link stackFileSchema}. */
export type StackFile = z.infer<typeof stackFileSchema>
/** See {@link stackPartSchema}. */
export type StackPart = z.infer<typeof stackPartSchema>

/**
 * Reads the state file of a running stack (`HOME/stack.json`, named by KEEPSAKE_STACK).
 * @throws where it is missing or is no state file; the message names the file and what is wrong, never a secret
 */
export function readStackFile(file: string): StackFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`There is no stack at ${file}: start one with npm run stack -- up.`, { cause: error })
  }
  const parsed = stackFileSchema.safeParse(parseJson(text))
  if (!parsed.success)
    throw new Error(
      `${file} is no state file of a stack: ${parsed.error.issues.map(issue => `${issue.path.join('.') || 'it'} ${issue.message}`).join('; ')}`,
    )
  return parsed.data
}

/** Writes the state file whole, readable by its owner alone: it holds passwords. */
export function writeStackFile(file: string, content: StackFile): void {
  writeFileSync(`${file}.part`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.part`, file)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
