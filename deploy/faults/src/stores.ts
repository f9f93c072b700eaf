import { createHash } from 'node:crypto'
import { sql, type Sql } from '@keepsake/db'
import { readTopics } from '@keepsake/events/testing/read-topics'
import type { Fleet } from './world.js'

/** Where something belongs. */
interface InFamily {
  familyId: string
}

/** Everything that the stores hold after a run, read past every service. */
export interface Evidence {
  /** ingest */
  uploads: (InFamily & { id: string; state: string; swept: boolean; mediaId: string | null })[]
  /** ingest: `keys` of what an item is made of. */
  media: (InFamily & { id: string; state: string; sha256: string; keys: string[] })[]
  /** album */
  catalogue: (InFamily & {
    id: string
    state: string
    fileName: string
    takenAt: Date
    description: string
    favouriteCount: number
    commentCount: number
    rating: number | null
  })[]
  comments: (InFamily & { mediaId: string; text: string })[]
  favourites: (InFamily & { mediaId: string; memberId: string })[]
  faceItems: (InFamily & { mediaId: string; state: string })[]
  faces: (InFamily & { id: string; mediaId: string; box: number[]; cropKey: string })[]
  clusterFaces: (InFamily & { faceId: string; mediaId: string; personId: string | null })[]
  ratings: (InFamily & { mediaId: string; value: number })[]
  films: (InFamily & {
    id: string
    title: string | null
    status: string
    statusCode: string | null
    film: number | null
  })[]
  segments: (InFamily & { hash: string })[]
  outbox: (InFamily & { eventId: string; topic: string })[]
  /** Events that a group has neither taken in nor given up. */
  unread: { grp: string; eventId: string; topic: string }[]
  parked: { grp: string; eventId: string; topic: string }[]
  dead: { grp: string; eventId: string; topic: string }[]
  /** Who takes in which topic. */
  groups: { grp: string; topic: string }[]
  objects: { key: string; size: number }[]
  /** By key of an original. */
  digests: Map<string, string>
  /** By event topic: ids of the events that are on Kafka. */
  published: Map<string, Set<string>>
  /** By group: ids of the events on its dead-letter topic. */
  deadOnKafka: Map<string, Set<string>>
}

/** Events that a group has neither taken in nor given up, by its books. */
const unread = sql`
  select g.grp, o.event_id, o.topic from events.outbox o
  join (select distinct grp, topic from events.cursors where grp not like '%.relay') g on g.topic = o.topic
  where not exists (select 1 from events.inbox i where i.grp = g.grp and i.event_id = o.event_id)
    and not exists (select 1 from events.dead_letters d where d.grp = g.grp and d.event_id = o.event_id)`

/** Reads every store. */
export async function readStores(fleet: Fleet): Promise<Evidence> {
  const all = <R>(query: Sql) => fleet.db.system('audit of a fault run', tx => tx.many<R>(query))
  const media = await all<Evidence['media'][number]>(sql`
    select family_id, id, state, sha256,
      array_remove(array[original_key, clip_key, thumbnail_key, preview_key, poster_key, playback_key], null) as keys
    from ingest.media`)
  const objects: Evidence['objects'] = []
  for await (const { key, size } of fleet.store.list('')) objects.push({ key, size })
  const digests = new Map<string, string>()
  const there = new Set(objects.map(object => object.key))
  for (const key of media.flatMap(item => item.keys.slice(0, 1)).filter(key => there.has(key)))
    digests.set(key, await digestOf(fleet, key))
  const outbox = await all<Evidence['outbox'][number]>(sql`select family_id, event_id, topic from events.outbox`)
  const topics = [...new Set(outbox.map(event => event.topic))]
  const groups = await all<Evidence['groups'][number]>(
    sql`select distinct grp, topic from events.cursors where grp not like '%.relay'`,
  )
  const names = [...new Set(groups.map(each => each.grp))]
  const { events, dead } = await readTopics(fleet.kafkaEnv, { topics, groups: names })
  return {
    media,
    objects,
    digests,
    outbox,
    groups,
    published: events,
    deadOnKafka: dead,
    uploads: await all(sql`select family_id, id, state, swept, media_id from ingest.uploads`),
    catalogue: await all(sql`
      select family_id, id, state, file_name, taken_at, description, favourite_count, comment_count, rating from album.media
      where trashed_at is null`),
    comments: await all(sql`select family_id, media_id, text from album.comments`),
    favourites: await all(sql`select family_id, media_id, member_id from album.favourites`),
    faceItems: await all(sql`select family_id, media_id, state from face.items`),
    faces: await all(sql`select family_id, id, media_id, box, crop_key from face.faces`),
    clusterFaces: await all(sql`select family_id, face_id, media_id, person_id from cluster.faces`),
    ratings: await all(sql`select family_id, media_id, value from rating.items`),
    films: await all(sql`select family_id, id, title, status, status_code, film from render.movies`),
    segments: await all(sql`select family_id, hash from render.segments`),
    unread: await all(unread),
    parked: await all(sql`select grp, event_id, topic from events.parked`),
    dead: await all(sql`select grp, event_id, topic from events.dead_letters`),
  }
}

/** What is still under way, as the books say, and a sign that changes while anything moves. */
export async function underWay(fleet: Fleet): Promise<{ open: Record<string, number>; sign: string }> {
  const [row = {}] = await fleet.db.system('progress of a fault run', tx =>
    tx.many<Record<string, number>>(sql`
      select (select count(*) from (${unread}) u) as unread,
             (select count(*) from events.parked) as parked,
             (select count(*) from ingest.media where state = 'pending') as pending,
             (select count(*) from rating.stale) as stale,
             (select count(*) from cluster.families where generation > done_generation) as people,
             (select count(*) from render.movies where status in ('queued', 'rendering')) as films,
             (select coalesce(sum(progress), 0)::float8 from render.movies) as progress,
             (select count(*) from ingest.uploads where state = 'finished' and not swept) as unswept`),
  )
  const { progress: _progress, ...open } = row
  return { open, sign: JSON.stringify(row) }
}

/** What an operator does when a fault is over: parked events are tried now, not minutes later. */
export async function hurry(fleet: Fleet): Promise<void> {
  await fleet.db.system('a fault is over', tx =>
    tx.changed(sql`update events.parked set next_at = now() where next_at <> 'infinity' and next_at > now()`),
  )
}

/** Puts an event into the outbox that nobody can read, and answers its id. */
export async function plantPoison(fleet: Fleet, topic: string, familyId: string): Promise<string> {
  const schema = `keepsake.events.v1.${topic.replace(/(^|\.)(.)/g, (_, __, letter: string) => letter.toUpperCase())}`
  const { eventId } = await fleet.db.system('plant a poison event', tx =>
    tx.one<{ eventId: string }>(sql`
      insert into events.outbox (topic, partition, key, family_id, headers, payload)
      values (${topic}, 0, ${crypto.randomUUID()}, ${familyId}, ${sql.json({ schema })}, ${Buffer.from([0xff, 0xff, 0xff])})
      returning event_id`),
  )
  return eventId
}

async function digestOf(fleet: Fleet, key: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of fleet.store.get(key)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
