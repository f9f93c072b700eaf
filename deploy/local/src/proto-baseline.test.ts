import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
let dir: string
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'keepsake-proto-'))
  for (const part of ['keepsake', 'buf.yaml'])
    cpSync(path.join(root, 'proto', part), path.join(dir, part), { recursive: true })
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** What `npm test` asks of the protos in a folder. */
const compare = () => {
  const against = path.join(root, 'proto', 'baseline.binpb')
  const { status, stdout } = spawnSync(
    path.join(root, 'node_modules/.bin/buf'),
    ['breaking', dir, '--against', against],
    {
      encoding: 'utf8',
    },
  )
  return { status, stdout }
}

test('the protos break no caller of the recorded baseline', () => {
  expect(compare()).toEqual({ status: 0, stdout: '' })
})

test('a field that goes is found, however many commits ago the baseline was recorded', () => {
  const file = path.join(dir, 'keepsake', 'family', 'v1', 'family.proto')
  const text = readFileSync(file, 'utf8')
  const without = text.replace('  string time_zone = ', '  string zone_of_time = ')
  expect(without).not.toBe(text)
  writeFileSync(file, without)
  const { status, stdout } = compare()
  expect(status).not.toBe(0)
  expect(stdout).toContain('time_zone')
})
