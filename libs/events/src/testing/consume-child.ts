import { Db, sql } from '@keepsake/db'
import { MediaIngested, PostgresLog, takeIn } from '../index.js'

// A process of its own that takes events in until it is killed: `node consume-child.js URL`. Says `took KEY` after each effect.
const db = new Db(process.argv[2] ?? '', { name: 'contract', max: 4 })
const log = new PostgresLog(db, { pollMs: 50, rebalanceMs: 100, keepPlaceMs: 10_000 })
await log.subscribe({
  group: 'contract',
  subscriptions: [
    {
      topic: MediaIngested,
      handle: async (event, attempt, signal) => {
        await takeIn(
          db,
          'contract',
          MediaIngested,
          {
            mode: 'effect',
            deadlineMs: 10_000,
            handler: async (message, tx) => {
              await tx.changed(sql`
                insert into contract.effects (family_id, key, version) values (${tx.familyId}, ${message.mediaId}, ${message.version})`)
            },
          },
          event,
          attempt,
          signal,
        )
        process.stdout.write(`took ${event.key}\n`)
      },
    },
  ],
})
