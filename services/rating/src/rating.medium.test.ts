import { uuidv7 } from '@keepsake/db'
import { FacesDetected, MediaChanged, MediaReacted, MediaRemoved, PeopleChanged, publish } from '@keepsake/events'
import { AlbumServiceService, DescribedMedia } from '@keepsake/proto/album/v1'
import { Assignment, ClusterServiceService, Person } from '@keepsake/proto/cluster/v1'
import { MediaRated } from '@keepsake/proto/events/v1'
import { Face, FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService, Member } from '@keepsake/proto/family/v1'
import { IngestServiceService, Media as IngestMedia } from '@keepsake/proto/ingest/v1'
import { RatingServiceService, type SelectRequest } from '@keepsake/proto/rating/v1'
import {
  createClient,
  generateIdentityKeys,
  identityEnv,
  ServiceIdentity,
  type Client,
  type RunningService,
} from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRating } from './service.js'
import { stubService } from '@keepsake/rpc/testing/stub-service'

const keys = generateIdentityKeys(['family', 'album', 'ingest', 'face', 'cluster', 'rating', 'render'])
const env = (name: string) => ({ ...identityEnv(keys, name), KEEPSAKE_LOG_LEVEL: 'silent' })
const deadlineMs = 20_000

interface Item {
  id: string
  takenAt: Date
  audience: string
  audienceIds: string[]
  source: string
  favourites: string[]
  comments: number
  blocked: string
  mundane: string
  trashed: boolean
  sharpness: number
  face?: { id: string; personId?: string; childId?: string; name?: string }
}
interface World {
  id: string
  items: Map<string, Item>
  groups: { id: string; kind: string; mediaIds: string[] }[]
  members: { id: string; role: string; groupIds: string[] }[]
  version: number
}
const worlds = new Map<string, World>()
const worldOf = (call: { caller: unknown }): World => worlds.get((call.caller as { familyId: string }).familyId)!
const some = (world: World, ids: string[]) => ids.flatMap(id => world.items.get(id) ?? [])

let database: TestDatabase
let services: RunningService[]
let rating: Client<typeof RatingServiceService>
let identity: ServiceIdentity

beforeAll(async () => {
  database = await testDatabase(['rating'])
  const album = await stubService('album', env('album'), AlbumServiceService, {
    describeMedia: (r, call) => {
      const world = worldOf(call)
      const media = some(world, r.mediaIds).map(i =>
        DescribedMedia.fromPartial({
          media: {
            id: i.id,
            kind: 'photo',
            state: 'ready',
            takenAt: i.takenAt,
            takenAtPrecision: 'second',
            takenAtSource: i.source,
            mundane: i.mundane,
            audience: { kind: i.audience, ids: i.audienceIds },
            favouriteCount: i.favourites.length,
            commentCount: i.comments,
            ...(i.trashed ? { trashedAt: new Date() } : {}),
          },
          favouriteMemberIds: i.favourites,
          blocked: i.blocked,
        }),
      )
      return Promise.resolve({ media, nextCursor: '', version: world.version })
    },
  })
  const ingest = await stubService('ingest', env('ingest'), IngestServiceService, {
    getMedia: (r, call) =>
      Promise.resolve({
        media: some(worldOf(call), r.mediaIds).map(i =>
          IngestMedia.fromPartial({
            id: i.id,
            quality: { sharpness: i.sharpness, exposure: 0.7, resolution: 1, overall: 0.7 },
          }),
        ),
      }),
    listDuplicateGroups: (r, call) =>
      Promise.resolve({ groups: worldOf(call).groups.filter(g => g.mediaIds.some(id => r.mediaIds.includes(id))) }),
  })
  const face = await stubService('face', env('face'), FaceServiceService, {
    getFaces: (r, call) =>
      Promise.resolve({
        items: some(worldOf(call), r.mediaIds).map(i => ({
          mediaId: i.id,
          version: 1,
          pipeline: 1,
          state: 'done',
          faces: i.face
            ? [
                Face.fromPartial({
                  id: i.face.id,
                  mediaId: i.id,
                  box: { x: 0, y: 0, w: 0.3, h: 0.3 },
                  smile: 0.9,
                  eyesOpen: 1,
                  sharpness: 0.8,
                  age: 4,
                  quality: 0.8,
                }),
              ]
            : [],
        })),
      }),
  })
  const cluster = await stubService('cluster', env('cluster'), ClusterServiceService, {
    getAssignments: (r, call) => {
      const faces = some(worldOf(call), r.mediaIds).filter(i => i.face?.personId)
      return Promise.resolve({
        assignments: faces.map(i =>
          Assignment.fromPartial({ faceId: i.face!.id, mediaId: i.id, personId: i.face!.personId!, confidence: 0.9 }),
        ),
        people: faces.map(i =>
          Person.fromPartial({
            id: i.face!.personId!,
            childProbability: 0.9,
            ...(i.face!.name ? { name: i.face!.name } : {}),
            ...(i.face!.childId ? { childId: i.face!.childId } : {}),
          }),
        ),
        nextCursor: '',
        version: 1,
      })
    },
  })
  const family = await stubService('family', env('family'), FamilyServiceService, {
    listMembers: (_, call) => Promise.resolve({ members: worldOf(call).members.map(m => Member.fromPartial(m)) }),
  })
  const running = await startRating({
    ...env('rating'),
    KEEPSAKE_DATABASE_URL: database.url('rating'),
    KEEPSAKE_ALBUM_ADDRESS: album.address,
    KEEPSAKE_INGEST_ADDRESS: ingest.address,
    KEEPSAKE_FACE_ADDRESS: face.address,
    KEEPSAKE_CLUSTER_ADDRESS: cluster.address,
    KEEPSAKE_FAMILY_ADDRESS: family.address,
    KEEPSAKE_RATING_QUIET_MS: '20',
  })
  services = [running, album, ingest, face, cluster, family]
  identity = ServiceIdentity.fromEnv('family', identityEnv(keys, 'family'))
  rating = createClient(
    RatingServiceService,
    running.address,
    ServiceIdentity.fromEnv('render', identityEnv(keys, 'render')),
  )
})
afterAll(async () => {
  rating.close()
  for (const service of services) await service.close()
  await database.close()
})

function newWorld(): World {
  const world: World = { id: uuidv7(), items: new Map(), groups: [], members: [], version: 0 }
  worlds.set(world.id, world)
  return world
}
let minutes = 0
function add(world: World, more: Partial<Item> = {}): Item {
  const item: Item = {
    id: uuidv7(),
    takenAt: new Date(Date.UTC(2024, 4, 1) + 180 * 60_000 * minutes++),
    audience: 'everyone',
    audienceIds: [],
    source: 'exif',
    favourites: [],
    comments: 0,
    blocked: '',
    mundane: '',
    trashed: false,
    sharpness: 0.8,
    ...more,
  }
  world.items.set(item.id, item)
  return item
}
const tell = <T>(world: World, topic: Parameters<typeof publish<T>>[1], message: T) =>
  database.db('rating').family(world.id, tx => publish(tx, topic, message))
const changed = (world: World, what: string[], ...items: Item[]) =>
  tell(world, MediaChanged, { mediaIds: items.map(i => i.id), version: ++world.version, what })
const asService = (world: World) => ({ familyId: world.id, deadlineMs })
async function as(world: World, role: 'parent' | 'relative', memberId = uuidv7()) {
  const caller = { kind: 'member' as const, accountId: uuidv7(), familyId: world.id, memberId, role, groupIds: [] }
  return { identity: await identity.forPerson(caller), deadlineMs }
}
const ratingOf = async (world: World, item: Item) =>
  (await rating.getRatings({ mediaIds: [item.id] }, asService(world))).ratings[0]
/** Waits until everything told so far is answered. */
const settled = (world: World) =>
  until(async () => {
    const { pending, albumVersion } = await rating.getProgress({}, asService(world))
    return pending === 0 && albumVersion >= world.version
  })
const wish = (more: Partial<SelectRequest> = {}): SelectRequest => ({
  purpose: 'selection',
  count: 5,
  from: undefined,
  to: undefined,
  lock: [],
  ban: [],
  audienceKind: '',
  audienceIds: [],
  ...more,
})

describe('ratings', () => {
  test('are made from what all services know, are told, and move when any of it moves', async () => {
    const world = newWorld()
    const item = add(world)
    await changed(world, ['created'], item)
    await settled(world)
    const value = async () => (await ratingOf(world, item))!.value
    let last = await value()
    const moves: [string, () => Promise<unknown>, number][] = [
      [
        'a favourite',
        () => (
          item.favourites.push(uuidv7()),
          tell(world, MediaReacted, { mediaId: item.id, version: ++world.version })
        ),
        1,
      ],
      [
        'a comment',
        () => (item.comments++, tell(world, MediaReacted, { mediaId: item.id, version: ++world.version })),
        1,
      ],
      [
        'a face',
        () => ((item.face = { id: uuidv7() }), tell(world, FacesDetected, { mediaId: item.id, version: 1, faces: 1 })),
        1,
      ],
      [
        'a name',
        () => (
          (item.face = { ...item.face!, personId: uuidv7(), name: 'Hana' }),
          tell(world, PeopleChanged, { version: 1, mediaIds: [item.id], all: false })
        ),
        1,
      ],
      [
        'a child',
        () => (
          (item.face = { ...item.face!, childId: uuidv7() }),
          tell(world, PeopleChanged, { version: 2, mediaIds: [], all: true })
        ),
        1,
      ],
      ['an audience', () => ((item.audience = 'parents'), changed(world, ['audience'], item)), -1],
      ['a block', () => ((item.blocked = 'less'), changed(world, ['blocks'], item)), -1],
    ]
    for (const [what, move, direction] of moves) {
      await move()
      const before = last
      last = await until(async () => ((await value()) === before ? undefined : value()), { what })
      expect(Math.sign(last - before), what).toBe(direction)
    }
    const parts = (await ratingOf(world, item))!.parts
    expect(parts.map(p => p.name)).toEqual(
      expect.arrayContaining([
        'children',
        'smiles',
        'eyes',
        'face-size',
        'face-sharpness',
        'named-people',
        'favourites',
        'comments',
        'quality',
        'block',
      ]),
    )
    expect(parts.every(p => p.reason.endsWith('.'))).toBe(true)
    const told = await database.rows<{ payload: Buffer }>(
      `select payload from events.outbox where topic = 'media.rated' and family_id = $1 order by position`,
      [world.id],
    )
    expect(MediaRated.decode(told.at(-1)!.payload).rated[0]!.value).toBeCloseTo(last, 3)
    expect(await rating.getProgress({}, asService(world))).toMatchObject({
      done: 1,
      pending: 0,
      peopleVersion: 2,
      albumVersion: world.version,
    })
  })

  test('only the best of near duplicates keeps its rating; when it goes, the next one is the best', async () => {
    const world = newWorld()
    const good = add(world, { sharpness: 0.9 })
    const worse = add(world, { sharpness: 0.5 })
    await changed(world, ['created'], worse)
    await settled(world)
    const alone = (await ratingOf(world, worse))!.value
    world.groups = [{ id: uuidv7(), kind: 'near-duplicate', mediaIds: [good.id, worse.id] }]
    // Nobody says anything about the one that is there already.
    await changed(world, ['created'], good)
    await until(async () => (await ratingOf(world, worse))!.value < alone)
    expect((await ratingOf(world, good))!.parts.some(p => p.name === 'duplicate')).toBe(false)
    await tell(world, MediaRemoved, { mediaIds: [good.id], version: ++world.version, how: 'erased' })
    await until(async () => (await ratingOf(world, worse))!.value === alone)
    expect((await rating.countStored({ mediaIds: [good.id] }, asService(world))).rows).toBe(0)
    await tell(world, FacesDetected, { mediaId: good.id, version: 9, faces: 0 })
    const marker = add(world)
    await changed(world, ['created'], marker)
    await until(() => ratingOf(world, marker))
    expect(await ratingOf(world, good)).toBeUndefined()
  })

  test('near duplicates are the same whatever came first, also where a third one makes two groups one', async () => {
    const orders = [
      [0, 1, 2, 3, 4],
      [4, 3, 2, 1, 0],
      [2, 0, 4, 1, 3],
    ]
    const outcomes = []
    for (const order of orders) {
      const world = newWorld()
      const items = [0.5, 0.9, 0.7, 0.8, 0.6].map(sharpness => add(world, { sharpness }))
      const there: Item[] = []
      for (const at of order) {
        there.push(items[at]!)
        // 0 and 1 are alike, 3 and 4 are; 2 is like all of them.
        const alike = (which: number[]) => items.filter((item, i) => which.includes(i) && there.includes(item))
        const groups = there.includes(items[2]!) ? [alike([0, 1, 2, 3, 4])] : [alike([0, 1]), alike([3, 4])]
        world.groups = groups
          .filter(group => group.length > 1)
          .map(group => ({ id: group[0]!.id, kind: 'near-duplicate', mediaIds: group.map(item => item.id) }))
        await changed(world, ['created'], items[at]!)
        await settled(world)
      }
      const parts = await Promise.all(items.map(async item => (await ratingOf(world, item))!.parts))
      outcomes.push(parts.map(of => of.some(part => part.name === 'duplicate')))
      // The third one turns out to be another picture: there are two groups again, and nobody speaks of the rest.
      world.groups = [items.slice(0, 2), items.slice(3)].map(group => ({
        id: group[0]!.id,
        kind: 'near-duplicate',
        mediaIds: group.map(item => item.id),
      }))
      await changed(world, ['facts'], items[2]!)
      const isDuplicate = async (item: Item) => (await ratingOf(world, item))!.parts.some(p => p.name === 'duplicate')
      await until(async () => !(await isDuplicate(items[3]!)) && !(await isDuplicate(items[2]!)))
      expect(await Promise.all(items.map(isDuplicate))).toEqual([true, false, false, false, true])
    }
    const bestOfAll = [true, false, true, true, true]
    expect(outcomes).toEqual([bestOfAll, bestOfAll, bestOfAll])
  })

  test('an item in the trash has no rating until it is back', async () => {
    const world = newWorld()
    const item = add(world)
    await changed(world, ['created'], item)
    await until(() => ratingOf(world, item))
    item.trashed = true
    await tell(world, MediaRemoved, { mediaIds: [item.id], version: ++world.version, how: 'trashed' })
    await until(async () => (await ratingOf(world, item)) === undefined)
    item.trashed = false
    await changed(world, ['restored'], item)
    await until(() => ratingOf(world, item))
  })

  test('a relative is told only of items she may see, a stranger of none', async () => {
    const world = newWorld()
    const open = add(world)
    const closed = add(world, { audience: 'parents' })
    await changed(world, ['created'], open, closed)
    await settled(world)
    const mediaIds = [open.id, closed.id]
    expect((await rating.getRatings({ mediaIds }, await as(world, 'relative'))).ratings.map(r => r.mediaId)).toEqual([
      open.id,
    ])
    expect((await rating.getRatings({ mediaIds }, await as(world, 'parent'))).ratings).toHaveLength(2)
    expect((await rating.getRatings({ mediaIds }, await as(newWorld(), 'parent'))).ratings).toEqual([])
  })
})

describe('selection', () => {
  test('honours audience, blocks, locks and bans, and says why', async () => {
    const world = newWorld()
    const relative = uuidv7()
    world.members = [{ id: relative, role: 'relative', groupIds: [] }]
    const items = Array.from({ length: 12 }, () => add(world))
    const [closed, blocked, screen, mine, banned] = [
      add(world, { audience: 'parents' }),
      add(world, { blocked: 'never' }),
      add(world, { mundane: 'screenshot' }),
      add(world, { audience: 'members', audienceIds: [relative] }),
      items[0]!,
    ]
    await changed(world, ['created'], ...world.items.values())
    await settled(world)
    const all = await rating.select(
      wish({ count: 30, ban: [banned.id], lock: [closed.id, screen.id] }),
      asService(world),
    )
    const ids = all.items.map(p => p.mediaId)
    expect(ids.sort()).toEqual([...items.slice(1).map(i => i.id), screen.id].sort())
    const why = new Map(all.rejected.map(p => [p.mediaId, p.reasonKey]))
    expect([why.get(closed.id), why.get(banned.id)]).toEqual(['not-audience', 'not-banned'])
    expect(ids).not.toContain(blocked.id)
    const parents = await rating.select(wish({ count: 30, audienceKind: 'parents' }), asService(world))
    expect(parents.items.map(p => p.mediaId)).toEqual(expect.arrayContaining([closed.id, mine.id]))
    const hers = await rating.select(wish({ count: 30, viewerMemberId: relative }), asService(world))
    expect(hers.items.map(p => p.mediaId)).toContain(mine.id)
    expect(hers.items.map(p => p.mediaId)).not.toContain(closed.id)
    const asked = await rating.select(wish({ count: 30, audienceKind: 'parents' }), await as(world, 'relative'))
    expect(asked.items.map(p => p.mediaId)).not.toContain(closed.id)
    const guessed = await rating.select(wish({ lock: [closed.id, uuidv7()] }), await as(world, 'relative'))
    expect(guessed.rejected.slice(0, 2).map(p => [p.reasonKey, p.rating])).toEqual([
      ['not-known', 0],
      ['not-known', 0],
    ])
    expect(await rating.select(wish({ count: 5 }), asService(world))).toEqual(
      await rating.select(wish({ count: 5 }), asService(world)),
    )
  })

  test('what is wrong is said', async () => {
    const world = newWorld()
    await expect(rating.select(wish({ count: 0 }), asService(world))).rejects.toMatchObject({ reason: 'COUNT_INVALID' })
    await expect(rating.select(wish({ from: new Date(2), to: new Date(1) }), asService(world))).rejects.toMatchObject({
      reason: 'PERIOD_INVALID',
    })
    await expect(rating.select(wish({ audienceKind: 'all' }), asService(world))).rejects.toMatchObject({
      reason: 'AUDIENCE_INVALID',
    })
    expect(await rating.select(wish(), asService(world))).toMatchObject({ items: [], eligible: 0 })
  })
})

test('moments follow the times of items; one dated only by its file is in none', async () => {
  const world = newWorld()
  const at = (minute: number) => new Date(Date.UTC(2024, 6, 1, 10, minute))
  const items = [
    add(world, { takenAt: at(0) }),
    add(world, { takenAt: at(20) }),
    add(world, { takenAt: at(30), source: 'file-date' }),
  ]
  await changed(world, ['created'], ...items)
  const period = { from: undefined, to: undefined }
  await until(async () => (await rating.listMoments(period, asService(world))).moments.length === 1)
  expect((await rating.listMoments(period, asService(world))).moments[0]!.mediaIds).toEqual([
    items[0]!.id,
    items[1]!.id,
  ])
  items[1]!.takenAt = at(500)
  await changed(world, ['facts'], items[1]!)
  await until(async () => (await rating.listMoments(period, asService(world))).moments.length === 2)
})

test('no table is open to another family', async () => {
  const { unprotectedTables } = await import('@keepsake/db')
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
})
