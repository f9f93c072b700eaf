import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from '@keepsake/db'
import { testDatabase } from '@keepsake/testing'
import { partitionOf, PostgresLog } from './index.js'
import { contractSchema, eventLogContract } from './testing/index.js'

eventLogContract('Postgres', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-contract-'))
  await writeFile(join(dir, '0001_contract.sql'), contractSchema)
  const database = await testDatabase([{ name: 'contract', dir }])
  const db = database.db('contract')
  return {
    db,
    log: ({ disturb } = {}) =>
      new PostgresLog(db, {
        pollMs: 50,
        rebalanceMs: 100,
        ...(disturb === undefined ? {} : { disturb: { random: disturb, duplicate: 0.4, reorder: true } }),
      }),
    publishRaw: async (familyId, topic, key, payload) => {
      await db.family(familyId, tx =>
        tx.changed(sql`
          insert into events.outbox (topic, partition, key, family_id, headers, payload)
          values (${topic.name}, ${partitionOf(key, topic.partitions)}, ${key}, ${familyId}, ${sql.json({ schema: topic.schema })}, ${payload})`),
      )
    },
    close: () => database.close(),
  }
})
