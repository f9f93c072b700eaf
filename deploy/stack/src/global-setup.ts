import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { StackFile } from './stack-file.js'
import { startStack, type StackPartName } from './stack.js'
import { cacheFolder, missingFor, type BuiltPart } from './tools.js'

/** By these the tests of the suite `stack` learn where things are. */
export const stackVariables = {
  /** Brokers, comma-separated. */
  kafka: 'KEEPSAKE_TEST_KAFKA',
  /** http://ACCESS:SECRET@HOST:PORT/BUCKET */
  s3: 'KEEPSAKE_TEST_S3',
  /** The state file; only where every part is there. */
  file: 'KEEPSAKE_STACK',
} as const

/** What this machine lacks for each server that must be built, in words; empty lists where nothing is. */
export function missingParts(): Record<BuiltPart, string[]> {
  const cache = cacheFolder()
  return { kafka: missingFor('kafka', cache), minio: missingFor('minio', cache) }
}

/**
 * Vitest's global setup of the suite `stack`, and deploy/test.mjs's own: one stack for the whole run, on free ports, in a folder
 * that goes with it. A server that cannot be built here is left out, and the tests that need it are skipped with its name. A stack
 * that the environment names already is used as it is.
 */
export async function setup(): Promise<() => Promise<void>> {
  const { env } = process
  if (env[stackVariables.kafka] !== undefined || env[stackVariables.s3] !== undefined) return async () => undefined
  const missing = missingParts()
  const parts: StackPartName[] = ['postgres']
  for (const part of ['kafka', 'minio'] as const)
    if (missing[part].length === 0) parts.push(part)
    else console.error(`No ${part} in this run: ${missing[part].join(', ')}.`)
  if (parts.length === 1) return async () => undefined

  const home = mkdtempSync(path.join(tmpdir(), 'keepsake-stack-'))
  const stack = await startStack({ home, parts, say: line => console.error(line) })
  const state = stack.state()
  if (stack.kafka.length > 0) env[stackVariables.kafka] = state.kafka
  if (stack.minio) env[stackVariables.s3] = s3Variable(state)
  if (stack.kafka.length > 0 && stack.minio) env[stackVariables.file] = stack.file
  return async () => {
    for (const name of Object.values(stackVariables)) Reflect.deleteProperty(env, name)
    await stack.close('kill')
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

function s3Variable({ s3 }: StackFile): string {
  const url = new URL(`/${s3.bucket}`, s3.endpoint)
  url.username = s3.accessKey
  url.password = s3.secretKey
  return url.href
}
