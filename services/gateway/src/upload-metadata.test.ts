import { expect, test } from 'vitest'
import { readUploadMetadata } from './upload-metadata.js'

const read = (fields: Record<string, string>) =>
  readUploadMetadata(
    Object.entries(fields)
      .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
      .join(','),
  )

test.each([
  ['1715900000000', new Date(1_715_900_000_000)],
  ['2024-05-17T10:00:00Z', new Date('2024-05-17T10:00:00Z')],
  ['-8640000000000000', undefined],
  ['8640000000000000', undefined],
  ['yesterday', undefined],
  ['', undefined],
])('a file last modified at %j is dated %s', (lastModified, at) =>
  expect(read({ lastModified }).lastModified).toEqual(at),
)

test('names of collections lose what no database stores', () =>
  expect(read({ collections: JSON.stringify(['Sum\0mer', '\0']) }).collections).toEqual(['Summer']))

test('a file name is kept without the U+0000 it holds', () =>
  expect(read({ filename: 'photo.jpg\0.exe' }).fileName).toBe('photo.jpg.exe'))

test('any other text with U+0000 is refused', () => expect(() => read({ relativePath: 'a\0/b.jpg' })).toThrow('U+0000'))
