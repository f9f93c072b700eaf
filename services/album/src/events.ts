import { Controller } from '@nestjs/common'
import { Db, sql, type FamilyTx } from '@keepsake/db'
import {
  FamilyChanged,
  ErasureOverdue,
  MediaAccepted,
  MediaChanged,
  MediaFailed,
  MediaIngested,
  MediaRated,
  MediaRemoved,
  OnEvent,
  OnEventWork,
  PeopleChanged,
  publish,
  reportErasure,
  type EventContext,
  type Resync,
} from '@keepsake/events'
import type { Assignment, Person } from '@keepsake/proto/cluster/v1'
import { group, takeIngested } from './catalogue.js'
import { forgetMember } from './members.js'
import { Peers } from './peers.js'
import { forgetFamily, forgetPeople, takeFamily, takePeople, takeRatings } from './projections.js'
import { forgetMedia } from './trash.js'

type Effect = Promise<((tx: FamilyTx) => Promise<void>) | undefined>

/** What album hears of, and what it does about it. */
@Controller()
export class AlbumEvents {
  constructor(
    private readonly db: Db,
    private readonly peers: Peers,
  ) {}

  @OnEventWork(MediaAccepted, { concurrency: 8, deadlineMs: 60_000 })
  accepted(e: MediaAccepted, context: EventContext): Effect {
    return this.catalogue(e, context)
  }

  @OnEventWork(MediaIngested, { concurrency: 8, deadlineMs: 60_000 })
  ingested(e: MediaIngested, context: EventContext): Effect {
    return this.catalogue(e, context)
  }

  @OnEventWork(MediaFailed, { concurrency: 8, deadlineMs: 60_000 })
  failed(e: MediaFailed, context: EventContext): Effect {
    return this.catalogue(e, context)
  }

  @OnEvent(MediaRated)
  rated(e: MediaRated, tx: FamilyTx): Promise<void> {
    return takeRatings(tx, e)
  }

  @OnEventWork(PeopleChanged, { concurrency: 2 })
  async people(e: PeopleChanged, { familyId, signal }: EventContext): Effect {
    const options = { familyId, deadlineMs: 30_000, signal }
    const people: Person[] = []
    for (let cursor = ''; ;) {
      const page = await this.peers.cluster.listPeople({ includeHidden: true, cursor, limit: 500 }, options)
      people.push(...page.people)
      if ((cursor = page.nextCursor) === '') break
    }
    const assignments: Assignment[] = []
    // Events come in the order in which their transactions began, versions grow in the order in which they ended: what cluster answers now counts.
    let { version } = e
    const mediaIds = new Set(e.mediaIds)
    const ask = async (request: { mediaIds: string[]; personId?: string }) => {
      for (let cursor = ''; ;) {
        const page = await this.peers.cluster.getAssignments({ ...request, cursor }, options)
        assignments.push(...page.assignments)
        version = Math.max(version, page.version)
        if ((cursor = page.nextCursor) === '') break
      }
    }
    if (!e.all) {
      if (mediaIds.size > 0) await ask({ mediaIds: [...mediaIds] })
      return async tx => {
        const rows = await takePeople(tx, { version, mediaIds: [...mediaIds], assignments, people })
        // What was passed over is asked for again when it is overdue.
        if (rows !== undefined) await reportErasure(tx, e.erasureId, 'face', group, { rows })
      }
    }
    for (const person of people) await ask({ mediaIds: [], personId: person.id })
    return async tx => {
      const rows = await tx.many<{ mediaId: string }>(sql`
        select distinct media_id from album.media_people where family_id = ${tx.familyId}`)
      const all = new Set([...rows.map(row => row.mediaId), ...assignments.map(a => a.mediaId)])
      // Every earlier answer of cluster has been taken in: what is written from here on is newer than the withdrawal of consent.
      const forgotten = e.erasureId === undefined ? 0 : await forgetPeople(tx)
      await takePeople(tx, { version, mediaIds: [...all], assignments, people })
      await reportErasure(tx, e.erasureId, 'consent', group, { rows: forgotten })
    }
  }

  @OnEventWork(FamilyChanged)
  async family(e: FamilyChanged, { familyId, signal }: EventContext): Effect {
    if (e.what === 'removed')
      return async tx => reportErasure(tx, e.erasureId, 'family', group, { rows: await forgetFamily(tx) })
    const options = { familyId, deadlineMs: 15_000, signal }
    const [{ family }, { children }] = await Promise.all([
      this.peers.family.getFamily({}, options),
      this.peers.family.listChildren({}, options),
    ])
    return async tx => {
      if (family !== undefined) await takeFamily(tx, family, children)
      if (e.what !== 'members' || e.memberId === undefined) return
      await reportErasure(tx, e.erasureId, 'member', group, { rows: await forgetMember(tx, e.memberId) })
    }
  }

  @OnEvent(ErasureOverdue)
  async overdue(e: ErasureOverdue, tx: FamilyTx): Promise<void> {
    if (!e.owners.includes(group)) return
    if (e.kind === 'item')
      await reportErasure(tx, e.erasureId, 'item', group, { rows: (await forgetMedia(tx, e.ids)).rows })
    else if (e.kind === 'member')
      await reportErasure(tx, e.erasureId, 'member', group, { rows: await forgetMember(tx, e.ids[0] ?? '') })
    else if (e.kind === 'family')
      await reportErasure(tx, e.erasureId, 'family', group, { rows: await forgetFamily(tx) })
    // Of people cluster tells once more.
  }

  private async catalogue(
    { mediaId, version }: { mediaId: string; version: number },
    { familyId, signal }: EventContext,
  ): Effect {
    // Of an accepted item ingest has told in the upload's answer already: no need to ask it, nor to wait for the family's turn.
    const [known] = await this.db.familyRows<{ version: number }>(
      familyId,
      id => sql`select ingest_version as version from album.media where family_id = ${id} and id = ${mediaId}`,
      { signal },
    )
    if (known !== undefined && known.version >= version) return undefined
    const media = await this.peers.ingest.load(familyId, mediaId)
    return media === undefined ? undefined : tx => takeIngested(tx, media)
  }
}

const families: Resync['families'] = async tx =>
  (await tx.many<{ familyId: string }>(sql`select family_id from album.families order by family_id`)).map(
    row => row.familyId,
  )

const perEvent = 500

async function inChunks(ids: readonly string[], say: (chunk: string[]) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < ids.length; i += perEvent) await say(ids.slice(i, i + perEvent))
}

/** The present state of the catalogue, published again for whoever lost it. */
export const albumResync: readonly Resync[] = [
  {
    topic: MediaChanged,
    families,
    publish: async tx => {
      const rows = await tx.many<{ id: string }>(sql`
        select id from album.media where family_id = ${tx.familyId} and state = 'ready' and trashed_at is null order by id`)
      const version = await versionOf(tx)
      await inChunks(
        rows.map(row => row.id),
        mediaIds => publish(tx, MediaChanged, { mediaIds, version, what: ['created'] }),
      )
    },
  },
  {
    topic: MediaRemoved,
    families,
    publish: async tx => {
      const version = await versionOf(tx)
      const trashed = await tx.many<{ id: string }>(sql`
        select id from album.media where family_id = ${tx.familyId} and trashed_at is not null order by id`)
      await inChunks(
        trashed.map(row => row.id),
        mediaIds => publish(tx, MediaRemoved, { mediaIds, version, how: 'trashed' }),
      )
      const erased = await tx.many<{ id: string }>(sql`
        select id from events.tombstones where grp = 'album' and family_id = ${tx.familyId} and kind = 'media' order by id`)
      await inChunks(
        erased.map(row => row.id),
        mediaIds => publish(tx, MediaRemoved, { mediaIds, version, how: 'erased' }),
      )
    },
  },
]

const versionOf = async (tx: FamilyTx): Promise<number> =>
  (await tx.one<{ version: number }>(sql`select version from album.families where family_id = ${tx.familyId}`)).version
