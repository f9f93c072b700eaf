import { randomUUID } from 'node:crypto'
import { skipUnless } from '@keepsake/testing'
import { tusContract } from './testing/tus-contract.js'

const given = process.env['KEEPSAKE_TEST_S3']

if (given === undefined)
  skipUnless(given, 'KEEPSAKE_TEST_S3 names no S3 store').test('tus: bytes in S3', () => undefined)
else {
  const url = new URL(given)
  tusContract('bytes in S3', {
    KEEPSAKE_OBJECTS: `s3://${url.pathname.slice(1)}/tus-${randomUUID()}?endpoint=${encodeURIComponent(url.origin)}`,
    KEEPSAKE_S3_ACCESS_KEY: decodeURIComponent(url.username),
    KEEPSAKE_S3_SECRET_KEY: decodeURIComponent(url.password),
  })
}
