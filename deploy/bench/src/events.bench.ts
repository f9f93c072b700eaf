import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Db, sql } from '@keepsake/db'
import { barePool } from '@keepsake/db/testing/bare-pool'
import { MediaIngested, publish, takeIn, type Subscription } from '@keepsake/events'
import { bareFlow, bareTables } from '@keepsake/events/testing/bare-flow'
import { kafkaCorner } from '@keepsake/events/testing/kafka-harness'
import { missingFor, cacheFolder, startStack } from '@keepsake/stack'
import { until } from '@keepsake/testing'
import { median, quantile } from './figures.js'

/** What this bench is called on the command line. */
export const name = 'events'

const rounds = 4
const eventsPerRound = 2_000
const writers = 8
const atOnce = 8
const perSecond = 500
const seconds = 10

/** One way of carrying events: says one and calls back when its effect is committed. */
interface Way {
  say(key: string, version: number): Promise<void>
}

/**
 * Outbox insert to handler committed over one Kafka broker, ours against kafkajs and pg by hand (same tables, same parallelism), in one
 * process: events a second of alternating rounds (target: at least half), then the time of each at 500 a second (target: p99 under 250 ms).
 */
export async function run(): Promise<boolean> {
  const given = process.env['KEEPSAKE_TEST_KAFKA']
  const missing = given === undefined ? missingFor('kafka', cacheFolder()) : []
  if (missing.length > 0) {
    console.log(`   skipped: no Kafka, ${missing.join(', ')}`)
    return true
  }
  const home = mkdtempSync(path.join(tmpdir(), 'keepsake-bench-events-'))
  const stack = given === undefined ? await startStack({ home, parts: ['kafka'] }) : undefined
  const brokers = (given ?? stack?.state().kafka ?? '').split(',')
  // As in production, not as in tests: no tuning.
  const corner = await kafkaCorner(brokers, [MediaIngested], {})
  const pool = barePool(corner.database.ownerUrl, 16)
  try {
    const owner = await pool.connect()
    await owner.query(bareTables)
    owner.release()

    let committed: (key: string, version: number) => void = () => undefined
    // As many connections as the other side has.
    const db = new Db(corner.database.url('contract'), { max: 16 })
    const familyId = '018f0000-0000-7000-8000-00000000be7c'
    const handling: Subscription = {
      topic: MediaIngested,
      handle: async (event, attempt, signal) => {
        let done: [string, number] | undefined
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
              done = [message.mediaId, message.version]
            },
          },
          event,
          attempt,
          signal,
        )
        if (done !== undefined) committed(...done)
      },
    }
    const relay = await corner.log().carry('contract', [MediaIngested])
    const consumer = await corner.log().subscribe({ group: 'contract', subscriptions: [handling], concurrency: atOnce })
    const bare = await bareFlow({
      brokers,
      topic: await corner.extraTopic('bare', 8),
      groupId: `${corner.address.prefix ?? ''}bare`,
      pool,
      decode: payload => {
        const { mediaId, version } = MediaIngested.codec.decode(payload)
        return { key: mediaId, version }
      },
      done: (key, version) => committed(key, version),
    })
    const ways: Record<'ours' | 'bare', Way> = {
      ours: {
        say: async (mediaId, version) => {
          await db.family(familyId, tx => publish(tx, MediaIngested, { mediaId, version, kind: 'photo' }))
        },
      },
      bare: {
        say: (mediaId, version) =>
          bare.publish(
            mediaId,
            version,
            Buffer.from(MediaIngested.codec.encode({ mediaId, version, kind: 'photo' }).finish()),
          ),
      },
    }

    let version = 0
    const flood = async (way: Way): Promise<number> => {
      let done = 0
      committed = () => done++
      const began = performance.now()
      let next = 0
      await Promise.all(
        Array.from({ length: writers }, async () => {
          while (next < eventsPerRound) await way.say(`item-${next++ % 500}`, ++version)
        }),
      )
      await until(() => done >= eventsPerRound, { deadlineMs: 60_000, everyMs: 2 })
      return (eventsPerRound / (performance.now() - began)) * 1000
    }
    const figures = { ours: [] as number[], bare: [] as number[] }
    for (let round = -1; round < rounds; round++)
      for (const each of ['ours', 'bare'] as const) {
        const speed = await flood(ways[each])
        if (round >= 0) figures[each].push(speed)
      }
    const ratio = median(figures.ours.map((mine, round) => mine / (figures.bare[round] ?? NaN)))
    console.log(
      `   outbox insert to handler committed: ours ${median(figures.ours).toFixed(0)}/s, kafkajs and pg by hand ${median(figures.bare).toFixed(0)}/s, ratio ${ratio.toFixed(2)} (at least 0.50)`,
    )

    const steady = async (way: Way): Promise<number[]> => {
      const began = new Map<string, number>()
      const times: number[] = []
      committed = (key, at) => {
        const start = began.get(`${key}/${at}`)
        if (start !== undefined) times.push(performance.now() - start)
      }
      const start = performance.now()
      const said: Promise<void>[] = []
      for (let i = 0; i < perSecond * seconds; i++) {
        const due = start + (i * 1000) / perSecond
        if (due > performance.now()) await sleep(due - performance.now())
        const key = `item-${i % 500}`
        began.set(`${key}/${++version}`, due)
        said.push(way.say(key, version))
      }
      await Promise.all(said)
      await until(() => times.length >= said.length, { deadlineMs: 60_000 })
      return times
    }
    const times = { ours: await steady(ways.ours), bare: await steady(ways.bare) }
    for (const each of ['ours', 'bare'] as const)
      console.log(
        `   at ${perSecond}/s for ${seconds} s, ${each}: p50 ${quantile(times[each], 0.5).toFixed(1)} ms, p99 ${quantile(times[each], 0.99).toFixed(1)} ms`,
      )
    await Promise.all([consumer.close(), bare.close()])
    await relay.close()
    await db.close()
    return ratio >= 0.5 && quantile(times.ours, 0.99) < 250
  } finally {
    await pool.end()
    await corner.close()
    await stack?.close('kill')
    rmSync(home, { recursive: true, force: true })
  }
}
