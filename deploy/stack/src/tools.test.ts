import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { kafkaLibs, minioProgram, missingFor, prepare } from './tools.js'

const usual = process.env['PATH']
let folder: string
let cache: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'keepsake-tools-'))
  cache = path.join(folder, 'cache')
})
afterEach(() => {
  process.env['PATH'] = usual
  rmSync(folder, { recursive: true, force: true })
})

/** From here on these programs are the only ones on the path, beside a shell's own. */
function only(programs: Record<string, string>): void {
  const bin = path.join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(path.join(bin, name), 0o755)
  }
  process.env['PATH'] = bin
}
// What build commands are started through, without the rest of /usr/bin.
const nice = 'shift 2; exec "$@"'

test('what is missing is said by name; what was built before needs no compiler', () => {
  only({})
  expect(missingFor('kafka', cache)).toEqual(['Java 17 or newer (java) is missing', 'Maven (mvn) is missing'])
  expect(missingFor('minio', cache)).toEqual(['Go (go) is missing'])
  only({ go: 'echo go version go1.13.8 linux/amd64' })
  expect(missingFor('minio', cache)).toEqual(['Go 1.16 or newer is missing (there is 1.13)'])

  mkdirSync(kafkaLibs(cache), { recursive: true })
  mkdirSync(path.dirname(minioProgram(cache)), { recursive: true })
  writeFileSync(minioProgram(cache), '')
  only({ java: 'exit 0' })
  expect(missingFor('kafka', cache)).toEqual([])
  expect(missingFor('minio', cache)).toEqual([])
})

test('whoever asks at the same time waits for one build', async () => {
  const calls = path.join(folder, 'calls')
  only({ nice, java: 'exit 0', mvn: `[ "$1" = -v ] || { echo built >> ${calls}; /bin/mkdir libs; }` })
  const said: string[] = []
  await Promise.all([1, 2, 3].map(() => prepare('kafka', cache, line => said.push(line))))
  expect(readFileSync(calls, 'utf8')).toBe('built\n')
  expect(existsSync(kafkaLibs(cache))).toBe(true)
  expect(said[0]).toMatch(/^Fetching Kafka/)
  await prepare('kafka', cache, line => said.push(line))
  expect(said).toHaveLength(2)
})

test('a build that fails says what the compiler said, and leaves nothing behind', async () => {
  only({
    nice,
    go: '[ "$1" = version ] && echo go version go1.24.0 linux/amd64 || { echo no such module >&2; exit 3; }',
  })
  await expect(prepare('minio', cache, () => undefined)).rejects.toThrow(
    'go install ended with status 3:\nno such module',
  )
  expect(readdirSync(cache)).toEqual([])
})
