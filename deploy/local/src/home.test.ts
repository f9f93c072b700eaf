import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHome } from './home.js'

let dir: string
beforeEach(() => {
  dir = path.join(mkdtempSync(path.join(tmpdir(), 'keepsake-home-')), 'album')
})
afterEach(() => rmSync(path.dirname(dir), { recursive: true, force: true }))

const open = () => openHome(dir, ['family', 'album'], '0.1.0')
const sentence = (pattern: RegExp) =>
  expect.objectContaining({ name: 'Sentence', message: expect.stringMatching(pattern) as string })

test('the keys are made once, are readable by their owner alone, and a new service gets its own', () => {
  const first = open()
  const made = first.key('TOKENS')
  first.close()
  expect(statSync(path.join(dir, 'secrets.json')).mode & 0o077).toBe(0)
  const second = open()
  expect(second.secrets.database).toEqual(first.secrets.database)
  expect(second.secrets.identity).toEqual(first.secrets.identity)
  expect(second.key('TOKENS')).toBe(made)
  second.close()
  const third = openHome(dir, ['family', 'album', 'caption'], '0.1.0')
  expect(third.secrets.database).toMatchObject({ ...first.secrets.database, caption: expect.any(String) as string })
  expect(third.secrets.identity.privateKeys['caption']).toBeDefined()
  third.close()
})

test('a second Keepsake on the same album is told who has it open', () => {
  const first = open()
  first.writeState({ url: 'http://127.0.0.1:8080' })
  expect(open).toThrow(sentence(new RegExp(`open at http://127.0.0.1:8080 \\(process ${process.pid}\\)`)))
  first.close()
  open().close()
})

test('the lock of a killed Keepsake is taken over, also when its number belongs to another process by now', () => {
  open().close()
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  writeFileSync(path.join(dir, 'lock'), `${dead} 1\n`)
  open().close()
  writeFileSync(path.join(dir, 'lock'), `${process.ppid} 1\n`)
  open().close()
})

test.each([
  [{ schema: 0 }, /old schema 0.*Nothing was changed/],
  [{ schema: 99 }, /newer Keepsake \(schema 99/],
  [{}, /old schema/],
])('a home stamped %j is left alone with one sentence', (stamp, pattern) => {
  mkdirSync(dir, { recursive: true })
  const file = path.join(dir, 'keepsake.json')
  writeFileSync(file, JSON.stringify(stamp))
  expect(open).toThrow(sentence(pattern))
  expect(readFileSync(file, 'utf8')).toBe(JSON.stringify(stamp))
  expect(open, 'the lock was given back').toThrow(sentence(pattern))
})

test("a folder with other people's files is not turned into an album", () => {
  mkdirSync(dir, { recursive: true })
  writeFileSync(path.join(dir, 'taxes.txt'), '')
  expect(open).toThrow(sentence(/other things than an album \(taxes.txt\)/))
})

test('keys that were brought for a restore may lie there before the album does', () => {
  mkdirSync(path.join(dir, 'keys', 'platform'), { recursive: true })
  open().close()
  expect(existsSync(path.join(dir, 'keys', 'platform'))).toBe(true)
})

test('damaged secrets are named, not replaced', () => {
  open().close()
  writeFileSync(path.join(dir, 'secrets.json'), '{"ident')
  expect(open).toThrow(sentence(/secrets.json is damaged/))
})
