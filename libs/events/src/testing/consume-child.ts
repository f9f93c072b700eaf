import { Db, sql } from '@keepsake/db'
import { KafkaLog, MediaIngested, PostgresLog, takeIn } from '../index.js'

// A process of its own that takes events in until it is killed: `node consume-child.js URL [BROKERS PREFIX]`. Says `took KEY` after each effect.
const [url = '', brokers, prefix] = process.argv.slice(2)
const db = new Db(url, { name: 'contract', max: 4 })
const log =
  brokers === undefined
    ? new PostgresLog(db, { pollMs: 50, rebalanceMs: 100, keepPlaceMs: 10_000 })
    : new KafkaLog(
        db,
        { brokers: brokers.split(','), prefix },
        { pollMs: 50, keepPlaceMs: 10_000, sessionTimeoutMs: 6_000, heartbeatMs: 200, waitMs: 100 },
      )
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
