import { randomUUID } from 'node:crypto'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { topics } from '@keepsake/events'
import { Media as IngestMedia } from '@keepsake/proto/ingest/v1'
import type { MemberCaller } from '@keepsake/rpc'
import { testDatabase, type TestDatabase } from '@keepsake/testing'
import { takeIngested } from '../catalogue.js'
import { viewerOf, type Viewer } from '../viewer.js'

/** A family with an album on a database of its own. */
export interface AlbumWorld {
  readonly database: TestDatabase
  readonly db: Db
  readonly familyId: string
  readonly group: string
  /** Administers. */
  readonly parent: MemberCaller
  /** In no group. */
  readonly uncle: MemberCaller
  /** In `group`. */
  readonly grandma: MemberCaller
  run<T>(fn: (tx: FamilyTx) => Promise<T>): Promise<T>
  /** Takes an item in as ingest would tell of it; returns its id. */
  add(item?: Partial<IngestMedia> & { takenAt?: string }): Promise<string>
  /** Everything published so far about a topic, oldest first. */
  published(topic: string): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

/** The viewer behind a member. */
export const eyes = (caller: MemberCaller): Viewer => viewerOf({ caller })

/** Makes a database with one family in it. */
export async function albumWorld(): Promise<AlbumWorld> {
  const database = await testDatabase(['album'])
  const db = database.db('album')
  const familyId = randomUUID()
  const group = randomUUID()
  const member = (role: 'parent' | 'relative', groupIds: string[] = []): MemberCaller => ({
    kind: 'member',
    accountId: randomUUID(),
    memberId: randomUUID(),
    familyId,
    role,
    groupIds,
  })
  const run = <T>(fn: (tx: FamilyTx) => Promise<T>) => db.family(familyId, fn)
  return {
    database,
    db,
    familyId,
    group,
    parent: member('parent'),
    uncle: member('relative'),
    grandma: member('relative', [group]),
    run,
    add: async ({ takenAt = '2024-05-06T10:00:00Z', ...item } = {}) => {
      const media = IngestMedia.fromPartial({
        id: randomUUID(),
        version: 1,
        state: 'ready',
        kind: 'photo',
        fileName: 'IMG_0001.jpg',
        contentType: 'image/jpeg',
        size: 1000,
        width: 4000,
        height: 3000,
        taken: {
          at: new Date(takenAt),
          offsetMinutes: 540,
          precision: 'second',
          source: 'exif',
          timeZone: 'Asia/Tokyo',
        },
        uploadedAt: new Date('2024-06-01T00:00:00Z'),
        ...item,
      })
      await run(tx => takeIngested(tx, media))
      return media.id
    },
    published: async name => {
      const topic = topics.find(each => each.name === name)
      if (topic === undefined) throw new Error(`no topic ${name}`)
      const rows = await run(tx =>
        tx.many<{ payload: Buffer }>(sql`
          select payload from events.outbox where topic = ${name} and family_id = ${familyId} order by txid, position`),
      )
      return rows.map(row => topic.codec.decode(row.payload) as unknown as Record<string, unknown>)
    },
    close: () => database.close(),
  }
}
