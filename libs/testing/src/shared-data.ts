import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder `name` of the real photos and videos that stand beside the repository (`../shared/data`, or KEEPSAKE_SHARED_DATA), or undefined
 * where they are missing: pair it with `skipUnless`.
 */
export function sharedData(name = ''): string | undefined {
  const home = process.env['KEEPSAKE_SHARED_DATA'] ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url))
  const path = join(home, name)
  return existsSync(path) ? path : undefined
}
