import { mkdtemp, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { createClient, generateIdentityKeys, identityEnv, ServiceIdentity } from '@keepsake/rpc'
import { testDatabase, until } from '@keepsake/testing'
import { expect, test } from 'vitest'
import { startIngest } from './service.js'

const keys = generateIdentityKeys(['family', 'ingest', 'album'])

test('the service starts from its environment, answers for a family, and stops', async () => {
  const database = await testDatabase(['ingest'])
  const home = await mkdtemp(join(tmpdir(), 'keepsake-ingest-start-'))
  const service = await startIngest({
    ...identityEnv(keys, 'ingest'),
    KEEPSAKE_DATABASE_URL: database.url('ingest'),
    KEEPSAKE_FAMILY_ADDRESS: '127.0.0.1:1',
    KEEPSAKE_ALBUM_ADDRESS: '127.0.0.1:1',
    KEEPSAKE_OBJECTS: pathToFileURL(home).href,
    KEEPSAKE_LOG_LEVEL: 'warn',
  })
  const client = createClient(
    IngestServiceService,
    service.address,
    ServiceIdentity.fromEnv('album', identityEnv(keys, 'album')),
  )
  try {
    const options = { familyId: randomUUID(), deadlineMs: 10_000 }
    expect(await client.getProgress({}, options)).toEqual({ total: 0, ready: 0, pending: 0, failed: 0 })
    expect(await client.getMedia({ mediaIds: [randomUUID(), 'nonsense'] }, options)).toEqual({ media: [] })
    expect(await client.countStored({ mediaIds: [] }, options)).toEqual({ rows: 0, objects: 0 })
    await expect(client.retryMedia({ mediaId: 'nonsense' }, options)).rejects.toMatchObject({
      reason: 'MEDIA_NOT_FOUND',
    })
    // Each check has its own time; on a busy machine the first answers come before all are through.
    const why = async () => (await fetch(`${service.internalUrl}/readyz`)).text()
    await until(async () => (await why()) === 'ok\n', { deadlineMs: 60_000, what: 'the service to be ready' })
  } finally {
    client.close()
    await service.close()
    await database.close()
    await rm(home, { recursive: true, force: true })
  }
})

test('a wrong environment is told at once, every problem together', async () => {
  await expect(startIngest({ KEEPSAKE_INGEST_LEASE_MS: 'soon' })).rejects.toThrow(
    /KEEPSAKE_DATABASE_URL[\s\S]*KEEPSAKE_INGEST_LEASE_MS/,
  )
})
