import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { PartPace } from './part-pace.js'
import { UploadHashes } from './upload-hashes.js'

const mebi = 1024 * 1024

test('a part is as large as ten seconds bring, within bounds', () => {
  const pace = new PartPace(32 * mebi)
  expect(pace.next()).toBe(8 * mebi)
  pace.took(8 * mebi, 100)
  expect(pace.next()).toBe(32 * mebi)
  pace.took(2 * mebi, 20_000)
  expect(pace.next()).toBe(mebi)
  pace.took(1000, 20_000)
  expect(pace.next()).toBe(256 * 1024)
  pace.took(0, 0)
  expect(pace.next()).toBe(256 * 1024)
  expect(new PartPace(64 * 1024).next()).toBe(64 * 1024)
})

test('the hash of an upload is carried on from part to part, and a part that fails leaves it as it was', () => {
  const hashes = new UploadHashes()
  const digest = (text: string) => createHash('sha256').update(text).digest('hex')
  const first = hashes.at('u', 0)
  first?.update('one')
  if (first) hashes.keep('u', 3, first)
  hashes.at('u', 3)?.update('lost')
  const second = hashes.at('u', 3)
  second?.update('two')
  expect(second?.copy().digest('hex')).toBe(digest('onetwo'))
  expect(hashes.at('u', 2)).toBeUndefined()
  expect(hashes.at('other', 5)).toBeUndefined()
})
