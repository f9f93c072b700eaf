import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { readStackFile, writeStackFile, type StackFile } from './stack-file.js'
import { versions } from './versions.js'

const folder = mkdtempSync(path.join(tmpdir(), 'keepsake-stack-file-'))
const file = path.join(folder, 'stack.json')
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const content: StackFile = {
  version: 1,
  kafka: '127.0.0.1:20001,127.0.0.1:20002',
  s3: {
    endpoint: 'http://127.0.0.1:20003',
    region: 'us-east-1',
    accessKey: 'keepsake',
    secretKey: 'very secret',
    bucket: 'keepsake',
  },
  postgres: { adminUrl: 'postgres://postgres:secret@127.0.0.1:20004/postgres' },
  parts: [{ name: 'minio', pid: 4711, began: '123', port: 20003, data: '/data', log: '/log' }],
}

test('the state file is read back as written, by its owner alone; a damaged one is named without its secrets', () => {
  writeStackFile(file, content)
  expect(readStackFile(file)).toEqual(content)
  expect(statSync(file).mode & 0o777).toBe(0o600)

  writeFileSync(file, JSON.stringify({ ...content, kafka: 'elsewhere' }))
  expect(() => readStackFile(file)).toThrow(/stack\.json is no state file of a stack: kafka /)
  expect(() => readStackFile(file)).not.toThrow(/very secret/)
  writeFileSync(file, 'half a fi')
  expect(() => readStackFile(file)).toThrow(/is no state file/)
  rmSync(file)
  expect(() => readStackFile(file)).toThrow(/There is no stack at .*npm run stack -- up/)
})

test('the Kafka of pom.xml is the one that the cache is named after', () => {
  const pom = readFileSync(new URL('../pom.xml', import.meta.url), 'utf8')
  const kafka = [...pom.matchAll(/<artifactId>kafka[^<]*<\/artifactId>\s*<version>([^<]*)</g)].map(match => match[1])
  expect(kafka).toEqual([versions.kafka, versions.kafka])
})
