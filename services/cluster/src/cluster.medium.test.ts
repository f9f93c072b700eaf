import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { sql, uuidv7 } from '@keepsake/db'
import { ErasureStarted, FacesDetected, FamilyChanged, MediaChanged, MediaRemoved, publish } from '@keepsake/events'
import { AlbumServiceService, DescribedMedia, Media } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { ErasureStarted as ErasureStartedMessage, PeopleChanged } from '@keepsake/proto/events/v1'
import { Face, FaceServiceService } from '@keepsake/proto/face/v1'
import { Child, Family, FamilyServiceService } from '@keepsake/proto/family/v1'
import {
  createClient,
  generateIdentityKeys,
  identityEnv,
  KeepsakeError,
  ServiceIdentity,
  type Client,
  type RunningService,
} from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expireUnknown } from './expiry.js'
import { startCluster } from './service.js'
import { load, save, touch } from './store.js'
import { direction, mix, seeded } from './synthetic.js'
import { stubService } from '@keepsake/rpc/testing/stub-service'

/** Threads that sort people, from the first one on. */
const threads: Worker[] = []
process.on('worker', worker => threads.push(worker))

const keys = generateIdentityKeys(['family', 'gateway', 'face', 'album', 'cluster', 'rating'])
const env = (name: string) => ({ ...identityEnv(keys, name), KEEPSAKE_LOG_LEVEL: 'silent' })
const deadlineMs = 20_000

/** A family as the stand-ins for face, album and family know it. */
interface World {
  id: string
  consent: boolean
  children: { id: string; birthDate: string }[]
  media: Map<string, { version: number; takenAt: Date; audience: string; faces: Face[]; trashed: boolean }>
  catalogue: number
  unknownFacesDays: number
  /** Version of the face pipeline that holds. */
  pipeline: number
  /** Face answers no sooner than this. */
  answersAfter?: Promise<void>
  asked: number
}
const worlds = new Map<string, World>()
const worldOf = (familyId: string): World => worlds.get(familyId)!

let database: TestDatabase
let services: RunningService[]
let cluster: Client<typeof ClusterServiceService>
let identity: ServiceIdentity

beforeAll(async () => {
  database = await testDatabase(['cluster'])
  const familyIdOf = (call: { caller: unknown }) => (call.caller as { familyId: string }).familyId
  const face = await stubService('face', env('face'), FaceServiceService, {
    getFaces: async (r, call) => {
      const world = worldOf(familyIdOf(call))
      const items = r.mediaIds.flatMap(mediaId => {
        const item = world.consent ? world.media.get(mediaId) : undefined
        return item
          ? [{ mediaId, version: item.version, state: 'done', pipeline: world.pipeline, faces: item.faces }]
          : []
      })
      world.asked++
      await world.answersAfter
      return { items }
    },
  })
  const album = await stubService('album', env('album'), AlbumServiceService, {
    describeMedia: (r, call) => {
      const world = worldOf(familyIdOf(call))
      const media = r.mediaIds.flatMap(id => {
        const item = world.media.get(id)
        if (!item) return []
        const audience = { kind: item.audience, ids: [] }
        return [
          DescribedMedia.fromPartial({
            media: Media.fromPartial({
              id,
              version: item.version,
              takenAt: item.takenAt,
              takenAtSource: 'exif',
              audience,
            }),
          }),
        ]
      })
      return Promise.resolve({ media, nextCursor: '', version: world.catalogue })
    },
  })
  const family = await stubService('family', env('family'), FamilyServiceService, {
    listChildren: (_, call) =>
      Promise.resolve({ children: worldOf(familyIdOf(call)).children.map(c => Child.fromPartial(c)) }),
    getFamily: (_, call) =>
      Promise.resolve({
        family: Family.fromPartial({
          id: familyIdOf(call),
          faceRecognition: { given: worldOf(familyIdOf(call)).consent },
          unknownFacesDays: worldOf(familyIdOf(call)).unknownFacesDays,
        }),
      }),
  })
  const running = await startCluster({
    ...env('cluster'),
    KEEPSAKE_DATABASE_URL: database.url('cluster'),
    KEEPSAKE_FACE_ADDRESS: face.address,
    KEEPSAKE_ALBUM_ADDRESS: album.address,
    KEEPSAKE_FAMILY_ADDRESS: family.address,
    KEEPSAKE_CLUSTER_QUIET_MS: '50',
    KEEPSAKE_CLUSTER_LONGEST_WAIT_MS: '300',
  })
  services = [running, face, album, family]
  identity = ServiceIdentity.fromEnv('family', identityEnv(keys, 'family'))
  cluster = createClient(
    ClusterServiceService,
    running.address,
    ServiceIdentity.fromEnv('rating', identityEnv(keys, 'rating')),
  )
})
afterAll(async () => {
  cluster.close()
  for (const service of services) await service.close()
  await database.close()
})

const random = seeded(91)
const [hana, yui, mio] = [direction(random), direction(random), direction(random)]

function newWorld(): World {
  const world: World = {
    id: uuidv7(),
    consent: true,
    children: [],
    media: new Map(),
    catalogue: 1,
    unknownFacesDays: 90,
    pipeline: 1,
    asked: 0,
  }
  worlds.set(world.id, world)
  return world
}

/** A picture with these people on it, seen by face and known to the album; not yet told to anybody. */
function picture(
  world: World,
  who: Float64Array[],
  options: { age?: number; takenAt?: Date; audience?: string } = {},
): string {
  const mediaId = uuidv7()
  const faces = who.map((own, i) =>
    Face.fromPartial({
      id: uuidv7(),
      mediaId,
      box: { x: 0.3 * i, y: 0.2, w: 0.2, h: 0.3 },
      embedding: Buffer.from(
        Float32Array.from(mix([Math.sqrt(0.95), own], [Math.sqrt(0.05), direction(random)])).buffer,
      ),
      age: options.age ?? 35,
      ageSpread: 4,
      quality: 0.8,
    }),
  )
  const takenAt = options.takenAt ?? new Date('2024-05-01T10:00:00Z')
  world.media.set(mediaId, { version: 1, takenAt, audience: options.audience ?? 'everyone', faces, trashed: false })
  return mediaId
}

const tell = <T>(world: World, topic: Parameters<typeof publish<T>>[1], message: T) =>
  database.db('cluster').family(world.id, tx => publish(tx, topic, message))
const seen = (world: World, mediaId: string, version = 1) => tell(world, FacesDetected, { mediaId, version, faces: 1 })
const asService = (world: World) => ({ familyId: world.id, deadlineMs })
async function as(world: World, role: 'parent' | 'relative') {
  const caller = {
    kind: 'member' as const,
    accountId: uuidv7(),
    familyId: world.id,
    memberId: uuidv7(),
    role,
    groupIds: [],
  }
  return { identity: await identity.forPerson(caller), deadlineMs }
}
const assignments = async (world: World, mediaIds: string[]) =>
  (await cluster.getAssignments({ mediaIds, cursor: '' }, asService(world))).assignments
const personOn = async (world: World, mediaId: string) => (await assignments(world, [mediaId]))[0]?.personId
const settled = (world: World, items: number) =>
  until(async () => {
    const { done, pending } = await cluster.getProgress({}, asService(world))
    return done === items && pending === 0
  })
const changes = async (world: World) => {
  const rows = await database.rows<{ payload: Buffer }>(
    `select payload from events.outbox where topic = 'people.changed' and family_id = $1 order by position`,
    [world.id],
  )
  return rows.map(row => PeopleChanged.decode(row.payload))
}

async function twoPeople(options: { age?: number } = {}) {
  const world = newWorld()
  const hanas = [1, 2, 3, 4].map(() => picture(world, [hana!], options))
  const yuis = [1, 2, 3].map(() => picture(world, [yui!], options))
  for (const id of [...hanas, ...yuis]) await seen(world, id)
  await settled(world, 7)
  return { world, hanas, yuis, hana: (await personOn(world, hanas[0]!))!, yui: (await personOn(world, yuis[0]!))! }
}

describe('people', () => {
  test('come together from faces, new pictures join them within seconds, and others hear of it', async () => {
    const { world, hanas, hana: person } = await twoPeople()
    const parent = await as(world, 'parent')
    const { people } = await cluster.listPeople({ includeHidden: false, cursor: '', limit: 10 }, parent)
    expect(people.map(p => p.faceCount)).toEqual([4, 3])
    expect(people[0]).toMatchObject({
      id: person,
      mediaCount: 4,
      stage: 'adult',
      firstSeen: new Date('2024-05-01T10:00:00Z'),
    })
    const late = picture(world, [hana!])
    await seen(world, late)
    await until(async () => (await personOn(world, late)) === person)
    const told = await changes(world)
    expect(told.at(-1)!.mediaIds).toEqual([late])
    expect(told.map(t => t.version)).toEqual(told.map((_, i) => i + 1))
    expect(told.flatMap(t => t.mediaIds)).toEqual(expect.arrayContaining(hanas))
  })

  test('an older observation changes nothing, a newer one replaces the faces', async () => {
    const { world, hanas, yui: yuiId } = await twoPeople()
    const item = world.media.get(hanas[0]!)!
    const fresh = world.media.get(picture(world, [yui!]))!.faces.map(f => ({ ...f, id: uuidv7(), mediaId: hanas[0]! }))
    world.media.set(hanas[0]!, { ...item, version: 2, faces: fresh })
    await seen(world, hanas[0]!, 2)
    await until(async () => (await personOn(world, hanas[0]!)) === yuiId)
    world.media.set(hanas[0]!, item)
    await seen(world, hanas[0]!, 1)
    const marker = picture(world, [mio!])
    await seen(world, marker)
    await until(async () => (await personOn(world, marker)) !== undefined)
    expect(await personOn(world, hanas[0]!)).toBe(yuiId)
  })

  test('a face whose embedding is no number is refused, and the others of its picture are taken', async () => {
    const { world, hana: person } = await twoPeople()
    const mediaId = picture(world, [hana!, mio!])
    const item = world.media.get(mediaId)!
    const [sound, broken] = item.faces
    const bytes = Buffer.from(broken!.embedding)
    bytes.writeFloatLE(NaN, 40)
    world.media.set(mediaId, { ...item, faces: [sound!, { ...broken!, embedding: bytes }] })
    await seen(world, mediaId)
    await until(async () => (await personOn(world, mediaId)) === person)
    const stored = await database
      .db('cluster')
      .family(world.id, tx =>
        tx.many<{ faceId: string }>(sql`select face_id from cluster.faces where media_id = ${mediaId}`),
      )
    expect(stored.map(row => row.faceId)).toEqual([sound!.id])
  })

  test('a relative sees people only by items she may see; nobody sees another family', async () => {
    const world = newWorld()
    const open = [1, 2, 3].map(() => picture(world, [hana!]))
    const closed = [1, 2].map(() => picture(world, [yui!], { audience: 'parents' }))
    const mixed = picture(world, [hana!], { audience: 'parents' })
    for (const id of [...open, ...closed, mixed]) await seen(world, id)
    await settled(world, 6)
    const relative = await as(world, 'relative')
    const list = await cluster.listPeople({ includeHidden: true, cursor: '', limit: 10 }, relative)
    expect(list.people.map(p => p.faceCount)).toEqual([3])
    const hidden = (await personOn(world, closed[0]!))!
    await expect(cluster.getPerson({ personId: hidden }, relative)).rejects.toMatchObject({
      reason: 'PERSON_NOT_FOUND',
    })
    const answer = await cluster.getAssignments({ mediaIds: [...open, ...closed, mixed], cursor: '' }, relative)
    expect(answer.assignments.map(a => a.mediaId).sort()).toEqual([...open].sort())
    await expect(cluster.updatePerson({ personId: list.people[0]!.id, name: 'x' }, relative)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    const stranger = await as(newWorld(), 'parent')
    await expect(cluster.getPerson({ personId: hidden }, stranger)).rejects.toMatchObject({
      reason: 'PERSON_NOT_FOUND',
    })
  })
})

describe('corrections', () => {
  test('a name, a merge and a split take effect before they answer, last through later runs and can be undone', async () => {
    const { world, hanas, yuis, hana: one, yui: two } = await twoPeople()
    const parent = await as(world, 'parent')
    const named = await cluster.updatePerson({ personId: one, name: ' Hana ' }, parent)
    expect(named.person?.name).toBe('Hana')
    const merged = await cluster.mergePeople({ personId: two, intoPersonId: one }, parent)
    expect(merged.person).toMatchObject({ id: one, name: 'Hana', faceCount: 7 })
    const late = [picture(world, [yui!]), picture(world, [hana!])]
    for (const id of late) await seen(world, id)
    await until(async () => (await assignments(world, late)).filter(a => a.personId === one).length === 2)
    await cluster.undoCorrection({ correctionId: merged.correctionId }, parent)
    expect(await personOn(world, yuis[0]!)).toBe(two)
    expect((await cluster.getPerson({ personId: one }, parent)).person).toMatchObject({ name: 'Hana', faceCount: 5 })
    const [first] = await assignments(world, [hanas[0]!])
    const split = await cluster.splitPerson({ personId: one, faceIds: [first!.faceId] }, parent)
    expect(split.person?.faceCount).toBe(1)
    expect(await personOn(world, hanas[0]!)).toBe(split.person!.id)
    await cluster.undoCorrection({ correctionId: split.correctionId }, parent)
    expect(await personOn(world, hanas[0]!)).toBe(one)
    const { corrections } = await cluster.listCorrections({ cursor: '', limit: 10, overruled: false }, parent)
    expect(corrections.map(c => [c.kind, c.undone])).toEqual([
      ['split', true],
      ['merge', true],
      ['name', false],
    ])
  })

  test('confirm and reject hold, a face of nobody is on nobody', async () => {
    const { world, hanas, yuis, hana: one, yui: two } = await twoPeople()
    const parent = await as(world, 'parent')
    const [face] = await assignments(world, [hanas[0]!])
    await cluster.confirmFace({ faceId: face!.faceId, personId: two }, parent)
    expect((await assignments(world, [hanas[0]!]))[0]).toMatchObject({ personId: two, confirmed: true, confidence: 1 })
    await cluster.rejectFace({ faceId: face!.faceId, personId: two }, parent)
    expect(await personOn(world, hanas[0]!)).not.toBe(two)
    const [other] = await assignments(world, [yuis[0]!])
    await cluster.rejectFace({ faceId: other!.faceId, personId: '' }, parent)
    expect(await personOn(world, yuis[0]!)).toBeUndefined()
    expect(await personOn(world, hanas[1]!)).toBe(one)
  })

  test('a repeated call with its key says nothing twice', async () => {
    const { world, hanas, hana: one } = await twoPeople()
    const parent = { ...(await as(world, 'parent')), idempotencyKey: uuidv7() }
    const [face] = await assignments(world, [hanas[0]!])
    const first = await cluster.splitPerson({ personId: one, faceIds: [face!.faceId] }, parent)
    const again = await cluster.splitPerson({ personId: one, faceIds: [face!.faceId] }, parent)
    expect(again).toEqual(first)
  })

  test('what is wrong is said', async () => {
    const { world, hana: one } = await twoPeople()
    const parent = await as(world, 'parent')
    await expect(cluster.mergePeople({ personId: one, intoPersonId: one }, parent)).rejects.toMatchObject({
      reason: 'MERGE_WITH_ITSELF',
    })
    await expect(cluster.updatePerson({ personId: uuidv7(), name: 'x' }, parent)).rejects.toMatchObject({
      reason: 'PERSON_NOT_FOUND',
    })
    await expect(cluster.updatePerson({ personId: 'x', name: 'x' }, parent)).rejects.toMatchObject({
      reason: 'PERSON_NOT_FOUND',
    })
    await expect(cluster.updatePerson({ personId: one, childId: uuidv7() }, parent)).rejects.toMatchObject({
      reason: 'CHILD_NOT_FOUND',
    })
    await expect(cluster.splitPerson({ personId: one, faceIds: [] }, parent)).rejects.toMatchObject({
      reason: 'SPLIT_INVALID',
    })
    await expect(cluster.confirmFace({ faceId: uuidv7(), personId: one }, parent)).rejects.toMatchObject({
      reason: 'FACE_NOT_FOUND',
    })
    await expect(cluster.undoCorrection({ correctionId: uuidv7() }, parent)).rejects.toMatchObject({
      reason: 'CORRECTION_NOT_FOUND',
    })
    await expect(cluster.answerQuestion({ questionId: uuidv7(), answer: 'neither' }, parent)).rejects.toMatchObject({
      reason: 'QUESTION_NOT_FOUND',
    })
    await expect(cluster.listPeople({ includeHidden: false, cursor: '!', limit: 1 }, parent)).rejects.toMatchObject({
      reason: 'CURSOR_INVALID',
    })
  })
})

test('a run that read before another one was stored writes nothing', async () => {
  const { world } = await twoPeople()
  const db = database.db('cluster')
  const nothing = { faces: [], people: [], gonePeople: [], questions: [], proposals: [], birthDoubts: [] }
  // The service's own runs are kept away: what is sorted here is not due.
  const [first, second] = await db.family(world.id, async tx => {
    await touch(tx)
    await tx.changed(sql`update cluster.families set waiting_since = null`)
    const stored = await load(tx)
    await touch(tx)
    await tx.changed(sql`update cluster.families set waiting_since = null`)
    return [stored, await load(tx)]
  })
  const done = async () =>
    (
      await database.rows<{ done: string }>(
        'select done_generation as done from cluster.families where family_id = $1',
        [world.id],
      )
    )[0]?.done
  expect(await db.family(world.id, tx => save(tx, first, nothing))).toBe(true)
  const after = await done()
  expect(await db.family(world.id, tx => save(tx, second, nothing))).toBe(false)
  expect(await done()).toBe(after)
})

describe('children', () => {
  test('are proposed by age, linked by a parent, and not there before birth', async () => {
    const world = newWorld()
    world.children = [{ id: uuidv7(), birthDate: '2022-05-01' }]
    const child = world.children[0]!.id
    const pictures = [1, 2, 3, 4, 5, 6].map(i =>
      picture(world, [hana!], { age: 2, takenAt: new Date(`2024-05-0${i}T10:00:00Z`) }),
    )
    for (const id of pictures) await seen(world, id)
    await settled(world, 6)
    const parent = await as(world, 'parent')
    const { proposals } = await cluster.listChildProposals({}, parent)
    const personId = (await personOn(world, pictures[0]!))!
    expect(proposals).toMatchObject([{ personId, childId: child }])
    const linked = await cluster.updatePerson({ personId, childId: child }, parent)
    expect(linked.person).toMatchObject({ childId: child, stage: 'child' })
    expect((await cluster.listChildProposals({}, parent)).proposals).toEqual([])
    world.children = [{ id: child, birthDate: '2024-05-04' }]
    await tell(world, FamilyChanged, { version: 2, what: 'children' })
    await until(async () => (await cluster.getPerson({ personId }, parent)).person?.faceCount === 4)
    await expect(cluster.listBirthDoubts({}, await as(world, 'relative'))).rejects.toMatchObject({
      reason: 'PARENT_REQUIRED',
    })
  })

  test('whose birth date every picture speaks against keep them, and parents are told', async () => {
    const world = newWorld()
    const child = uuidv7()
    world.children = [{ id: child, birthDate: '2022-05-01' }]
    const pictures = [1, 2, 3, 4].map(i =>
      picture(world, [hana!], { age: 2, takenAt: new Date(`2024-05-0${i}T10:00:00Z`) }),
    )
    for (const id of pictures) await seen(world, id)
    await settled(world, 4)
    const parent = await as(world, 'parent')
    const personId = (await personOn(world, pictures[0]!))!
    await cluster.updatePerson({ personId, childId: child }, parent)
    expect(await cluster.listBirthDoubts({}, parent)).toEqual({ doubts: [] })
    world.children = [{ id: child, birthDate: '2032-05-01' }]
    await tell(world, FamilyChanged, { version: 2, what: 'children' })
    await until(async () => (await cluster.listBirthDoubts({}, parent)).doubts.length === 1)
    expect((await cluster.listBirthDoubts({}, parent)).doubts).toEqual([
      {
        childId: child,
        personId,
        kind: 'before_birth',
        mediaCount: 4,
        earliest: new Date('2024-05-01T10:00:00Z'),
        years: undefined,
        followed: false,
      },
    ])
    expect((await cluster.getPerson({ personId }, parent)).person?.faceCount).toBe(4)
  })
})

describe('removal', () => {
  test('the trash hides and gives back, with what parents said; events may come in any order', async () => {
    const { world, hanas, hana: one } = await twoPeople()
    const parent = await as(world, 'parent')
    const [face] = await assignments(world, [hanas[0]!])
    await cluster.confirmFace({ faceId: face!.faceId, personId: one }, parent)
    await tell(world, MediaRemoved, { mediaIds: [hanas[0]!], version: 10, how: 'trashed' })
    await until(async () => (await cluster.getPerson({ personId: one }, parent)).person?.faceCount === 3)
    expect(await assignments(world, [hanas[0]!])).toEqual([])
    await tell(world, MediaChanged, { mediaIds: [hanas[0]!], version: 9, what: ['restored'] })
    await tell(world, MediaChanged, { mediaIds: [hanas[0]!], version: 11, what: ['restored'] })
    await until(async () => (await assignments(world, [hanas[0]!]))[0]?.personId === one)
    expect((await assignments(world, [hanas[0]!]))[0]?.confirmed).toBe(true)
  })

  test('erasing leaves nothing, and a late observation brings nothing back', async () => {
    const { world, hanas, hana: one } = await twoPeople()
    const parent = await as(world, 'parent')
    await cluster.updatePerson({ personId: one, name: 'Hana' }, parent)
    await tell(world, MediaRemoved, { mediaIds: hanas, version: 10, how: 'erased' })
    await until(async () => (await cluster.countStored({ mediaIds: hanas }, asService(world))).rows === 0)
    await seen(world, hanas[0]!, 5)
    const marker = picture(world, [mio!])
    await seen(world, marker)
    await until(async () => (await personOn(world, marker)) !== undefined)
    expect((await cluster.countStored({ mediaIds: hanas }, asService(world))).rows).toBe(0)
    await expect(cluster.getPerson({ personId: one }, parent)).rejects.toMatchObject({ reason: 'PERSON_NOT_FOUND' })
    const [kept] = await database.rows<{ entry: { person: { anchors: string[] } } }>(
      'select entry from cluster.corrections where family_id = $1',
      [world.id],
    )
    expect(kept!.entry.person.anchors).toEqual([])
  })

  test('items whose only face was erased, or is not seen any more, are told of', async () => {
    const { world, hanas } = await twoPeople()
    const [erased = '', unseen = ''] = hanas
    const ids = world.media.get(erased)!.faces.map(face => face.id)
    const erasureId = uuidv7()
    await tell(world, ErasureStarted, { erasureId, kind: 'face', ids, mediaIds: [erased], byMemberId: '' })
    await until(async () => (await changes(world)).some(change => change.erasureId === erasureId))
    expect((await changes(world)).find(change => change.erasureId === erasureId)).toMatchObject({
      all: false,
      mediaIds: [erased],
    })
    expect(await assignments(world, [erased])).toEqual([])

    const before = (await changes(world)).length
    world.media.set(unseen, { ...world.media.get(unseen)!, version: 2, faces: [] })
    await seen(world, unseen, 2)
    await until(async () => (await changes(world)).slice(before).some(change => change.mediaIds.includes(unseen)))
    expect(await assignments(world, [unseen])).toEqual([])
  })

  test('withdrawn consent erases the family', async () => {
    const { world, hanas, yuis, hana: personId } = await twoPeople()
    const name = `Hana ${world.id}`
    await cluster.updatePerson({ personId, name }, await as(world, 'parent'))
    const bytes = facesOn(world, [...hanas, ...yuis]).map(face => face.embedding)
    expect(await rowsWith([...bytes, name])).not.toEqual([])
    world.consent = false
    await tell(world, FamilyChanged, { version: 3, what: 'consent' })
    await until(async () => (await cluster.countStored({ mediaIds: [] }, asService(world))).rows === 0)
    expect(await rowsWith([...bytes, name])).toEqual([])
    expect(await assignments(world, hanas)).toEqual([])
    expect((await changes(world)).at(-1)!.all).toBe(true)
  })

  test('consent that is given again does not bring back what is in the trash', async () => {
    const { world, hanas } = await twoPeople()
    const [hidden, ...others] = hanas
    await tell(world, MediaRemoved, { mediaIds: [hidden!], version: 10, how: 'trashed' })
    await until(async () => (await assignments(world, [hidden!])).length === 0)
    world.consent = false
    await tell(world, FamilyChanged, { version: 3, what: 'consent' })
    await until(async () => (await cluster.countStored({ mediaIds: [] }, asService(world))).rows === 0)
    world.consent = true
    await tell(world, FamilyChanged, { version: 4, what: 'consent' })
    for (const id of hanas) await seen(world, id)
    await until(
      async () => (await assignments(world, others)).every(a => a.personId) && (await personOn(world, others[2]!)),
    )
    expect(await assignments(world, [hidden!])).toEqual([])
    await tell(world, MediaChanged, { mediaIds: [hidden!], version: 11, what: ['restored'] })
    await until(async () => (await personOn(world, hidden!)) === (await personOn(world, others[0]!)))
  })
})

/** Makes the faces of items as old as if they had been taken in so many days ago. */
const age = async (world: World, mediaIds: string[], days: number) => {
  await database.rows(
    `update cluster.faces set taken_in_at = now() - $3 * interval '1 day' where family_id = $1 and media_id = any($2)`,
    [world.id, mediaIds, days],
  )
  await database.rows(`update cluster.families set expiry_at = now() where family_id = $1`, [world.id])
}
/** One look at whose time is over, with the family's setting. */
const look = () =>
  expireUnknown(database.db('cluster'), async id => worldOf(id).unknownFacesDays, AbortSignal.timeout(deadlineMs))
/** Rows of any table of the service that hold these bytes, or these ids. */
async function rowsWith(needles: (string | Buffer)[]): Promise<string[]> {
  const tables = await database.rows<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_tables where schemaname = 'cluster'`,
  )
  const found: string[] = []
  for (const { name } of tables)
    for (const { row } of await database.rows<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`))
      if (needles.some(needle => row.includes(typeof needle === 'string' ? needle : needle.toString('hex'))))
        found.push(name)
  return found
}
const facesOn = (world: World, mediaIds: string[]) => mediaIds.flatMap(id => world.media.get(id)!.faces)
const erasuresOf = async (world: World) => {
  const rows = await database.rows<{ payload: Buffer }>(
    `select payload from events.outbox where topic = 'erasure.started' and family_id = $1 order by position`,
    [world.id],
  )
  return rows.map(row => ErasureStartedMessage.decode(row.payload))
}

describe('people who are none of the family’s', () => {
  test('expire: vectors are gone from every table, face is told, the named, linked and confirmed stay', async () => {
    const { world, hanas, yuis, hana: named } = await twoPeople()
    const child = uuidv7()
    world.children = [{ id: child, birthDate: '1980-01-01' }]
    const linked = [picture(world, [mio!]), picture(world, [mio!])]
    const other = direction(random)
    const confirmed = [picture(world, [other]), picture(world, [other])]
    for (const id of [...linked, ...confirmed]) await seen(world, id)
    await settled(world, 11)
    const parent = await as(world, 'parent')
    await cluster.updatePerson({ personId: named, name: 'Hana' }, parent)
    await cluster.updatePerson({ personId: (await personOn(world, linked[0]!))!, childId: child }, parent)
    const face = facesOn(world, confirmed)[0]!.id
    await cluster.confirmFace({ faceId: face, personId: (await personOn(world, confirmed[0]!))! }, parent)
    await age(world, [...hanas, ...yuis, ...linked, ...confirmed], 89)
    expect(await look()).toBe(0)
    // Split off is not confirmed.
    const splitOff = facesOn(world, hanas)[0]!
    await cluster.splitPerson({ personId: named, faceIds: [splitOff.id] }, parent)
    // Nobody has spoken about anybody for as long.
    await database.rows(`update cluster.corrections set at = now() - interval '91 days' where family_id = $1`, [
      world.id,
    ])
    await age(world, [...hanas, ...yuis, ...linked, ...confirmed], 91)
    await look()
    await until(async () => (await erasuresOf(world)).length > 0)
    const strangers = [...facesOn(world, yuis), splitOff]
    expect(await rowsWith(strangers.map(f => f.embedding))).toEqual([])
    await until(async () => (await rowsWith(strangers.map(f => f.id))).length === 0)
    expect((await rowsWith(facesOn(world, hanas).map(f => f.embedding))).length).toBe(3)
    const [erasure] = await erasuresOf(world)
    expect(erasure).toMatchObject({ kind: 'face', byMemberId: '', mediaIds: strangers.map(f => f.mediaId).sort() })
    expect(erasure!.ids.sort()).toEqual(strangers.map(f => f.id).sort())
    expect(await assignments(world, [...hanas, ...linked, ...confirmed])).toHaveLength(7)
    // Told late, the faces do not come back; a new picture of the same stranger starts anew.
    await seen(world, yuis[0]!)
    const again = picture(world, [yui!])
    await seen(world, again)
    await until(async () => (await personOn(world, again)) !== undefined)
    expect(await assignments(world, yuis)).toEqual([])
  })

  test('are kept while somebody speaks about them, by the family’s own time, and in the trash', async () => {
    const { world, hanas, yuis, yui: spoken } = await twoPeople()
    const parent = await as(world, 'parent')
    await cluster.updatePerson({ personId: spoken, hidden: true }, parent)
    world.unknownFacesDays = 30
    await tell(world, MediaRemoved, { mediaIds: [hanas[0]!], version: 2, how: 'trashed' })
    await until(async () => (await assignments(world, [hanas[0]!])).length === 0)
    await age(world, [...hanas, ...yuis], 31)
    await tell(world, FamilyChanged, { version: 2, what: 'settings' })
    await until(async () => {
      await age(world, [], 0)
      await look()
      return (await assignments(world, hanas)).length === 0
    })
    expect(await assignments(world, yuis)).toHaveLength(3)
    expect(await rowsWith([facesOn(world, [hanas[0]!])[0]!.embedding])).toEqual(['cluster.faces'])
    await database.rows(`update cluster.corrections set at = now() - interval '31 days' where family_id = $1`, [
      world.id,
    ])
    await until(async () => {
      await age(world, yuis, 31)
      await look()
      return (await assignments(world, yuis)).length === 0
    })
  })

  test('are no strangers where they may be somebody with a name', async () => {
    const { world, yuis, hana: named } = await twoPeople()
    await cluster.updatePerson({ personId: named, name: 'Hana' }, await as(world, 'parent'))
    // One person is in a picture once: the other face of her is somebody else, or the picture of a picture.
    const doubled = picture(world, [hana!, hana!])
    await seen(world, doubled)
    await settled(world, 8)
    expect(new Set((await assignments(world, [doubled])).map(a => a.personId)).size).toBe(2)
    await age(world, [...yuis, doubled], 91)
    await look()
    await until(async () => (await assignments(world, yuis)).length === 0)
    expect(await assignments(world, [doubled])).toHaveLength(2)
  })

  test('are kept where a word about them was taken back lately', async () => {
    const { world, hanas, yuis, hana: named } = await twoPeople()
    const parent = await as(world, 'parent')
    const { correctionIds } = await cluster.updatePerson({ personId: named, name: 'Hana' }, parent)
    await database.rows(`update cluster.corrections set at = now() - interval '91 days' where family_id = $1`, [
      world.id,
    ])
    await cluster.undoCorrection({ correctionId: correctionIds[0]! }, parent)
    await age(world, [...hanas, ...yuis], 91)
    await look()
    await until(async () => (await assignments(world, yuis)).length === 0)
    expect(await assignments(world, hanas)).toHaveLength(4)
  })

  test('“not ours” is refused for somebody to whom a name was given that no run has answered', async () => {
    const { world, hana: named } = await twoPeople()
    const parent = await as(world, 'parent')
    await database.rows('update cluster.families set arriving = true where family_id = $1', [world.id])
    // The word is kept, its answer does not come in time.
    await expect(
      cluster.updatePerson({ personId: named, name: 'Hana' }, { ...parent, deadlineMs: 1000 }),
    ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await expect(cluster.eraseStranger({ personId: named }, parent)).rejects.toMatchObject({ reason: 'PERSON_IS_OURS' })
    await database.rows('update cluster.families set arriving = false where family_id = $1', [world.id])
    await until(async () => (await cluster.getPerson({ personId: named }, parent)).person?.name === 'Hana')
  })

  test('“not ours” erases every face of one person at once; a person of the family is refused', async () => {
    const { world, hanas, yuis, hana: stranger, yui: ours } = await twoPeople()
    const parent = await as(world, 'parent')
    await expect(cluster.eraseStranger({ personId: stranger }, await as(world, 'relative'))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    await cluster.updatePerson({ personId: ours, name: 'Yui' }, parent)
    await expect(cluster.eraseStranger({ personId: ours }, parent)).rejects.toMatchObject({ reason: 'PERSON_IS_OURS' })
    const { erasureIds } = await cluster.eraseStranger({ personId: stranger }, parent)
    expect((await erasuresOf(world)).map(e => e.erasureId)).toEqual(erasureIds)
    expect(await rowsWith(facesOn(world, hanas).flatMap(f => [f.id, f.embedding]))).toEqual([])
    await expect(cluster.getPerson({ personId: stranger }, parent)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await assignments(world, yuis)).toHaveLength(3)
    for (const id of hanas) await seen(world, id)
    await settled(world, 7)
    expect(await assignments(world, hanas)).toEqual([])
    // A stranger among the faces of one of the family: split off, and gone.
    const [among] = facesOn(world, yuis)
    const split = await cluster.splitPerson({ personId: ours, faceIds: [among!.id] }, parent)
    await cluster.eraseStranger({ personId: split.person!.id }, parent)
    expect(await rowsWith([among!.embedding])).toEqual([])
    expect(await assignments(world, yuis)).toHaveLength(2)
  })
})

describe('parents who disagree', () => {
  test('at the same moment: both words are kept, one holds, its parent is told whom it overruled, and undoing brings the other back', async () => {
    const { world, hana: hanaId, yui: yuiId } = await twoPeople()
    const [mother, father] = [await as(world, 'parent'), await as(world, 'parent')]
    const item = picture(world, [direction(random)])
    await seen(world, item)
    await until(async () => (await personOn(world, item)) !== undefined)
    const faceId = facesOn(world, [item])[0]!.id
    const said = await Promise.all([
      cluster.confirmFace({ faceId, personId: hanaId }, mother),
      cluster.confirmFace({ faceId, personId: yuiId }, father),
    ])
    const all = await cluster.listCorrections({ cursor: '', limit: 10, overruled: false }, mother)
    expect(all.corrections).toHaveLength(2)
    const [later, earlier] = all.corrections
    expect(earlier).toMatchObject({
      undone: false,
      overruledBy: { correctionId: later!.id, byMemberId: later!.byMemberId, about: 'face', faceIds: [faceId] },
    })
    expect(later!.overruledBy).toBeUndefined()
    const told = said.find(one => one.correctionId === later!.id)!
    expect(told.overruled.map(word => word.id)).toEqual([earlier!.id])
    expect(await personOn(world, item)).toBe(later!.personId)
    expect(
      (await cluster.listCorrections({ cursor: '', limit: 10, overruled: true }, father)).corrections.map(c => c.id),
    ).toEqual([earlier!.id])
    await cluster.undoCorrection({ correctionId: later!.id }, mother)
    expect(await personOn(world, item)).toBe(earlier!.personId)
    expect((await cluster.listCorrections({ cursor: '', limit: 10, overruled: true }, father)).corrections).toEqual([])
  })

  test('about a name: the first one reads who changed it', async () => {
    const { world, hana: personId } = await twoPeople()
    const [mother, father] = [await as(world, 'parent'), await as(world, 'parent')]
    const first = await cluster.updatePerson({ personId, name: 'Hana' }, mother)
    expect(first.overruled).toEqual([])
    const { overruled, person } = await cluster.updatePerson({ personId, name: 'Hanna' }, father)
    expect(person!.name).toBe('Hanna')
    expect(overruled).toMatchObject([{ id: first.correctionIds[0], value: 'Hana', overruledBy: { about: 'name' } }])
  })
})

test('a person’s export says on which items, since when, what was said, and counts vectors without giving them out', async () => {
  const { world, hanas, hana: personId } = await twoPeople()
  const parent = await as(world, 'parent')
  await expect(cluster.exportPerson({ personId, cursor: '' }, await as(world, 'relative'))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  })
  await cluster.updatePerson({ personId, name: 'Hana' }, parent)
  const known = await cluster.exportPerson({ personId, cursor: '' }, parent)
  expect(known).toMatchObject({ person: { name: 'Hana' }, vectors: 4, nextCursor: '' })
  expect(known.corrections).toMatchObject([{ kind: 'name', value: 'Hana' }])
  expect(known.faces.map(face => face.mediaId).sort()).toEqual([...hanas].sort())
  expect(known.faces.every(face => Math.abs(face.knownSince!.getTime() - Date.now()) < 600_000)).toBe(true)
  const answer = JSON.stringify(known)
  for (const { embedding } of facesOn(world, hanas)) {
    expect(answer).not.toContain(embedding.toString('base64').slice(0, 40))
    expect(answer).not.toContain(embedding.toString('hex').slice(0, 40))
  }
})

describe('vectors of another version', () => {
  test('take the place of the old ones at once: while they arrive people stay, and a correction is kept and answered when all are there', async () => {
    const { world, hanas, yuis, hana: hanaId, yui: yuiId } = await twoPeople()
    const parent = await as(world, 'parent')
    await cluster.updatePerson({ personId: hanaId, name: 'Hana' }, parent)
    const before = await assignments(world, [...hanas, ...yuis])
    // In the new version Yui's vectors are where Hana's were, and the other way round: mixed, they would be sorted wrongly.
    const swap = (mediaId: string, own: Float64Array) => {
      const item = world.media.get(mediaId)!
      const [fresh] = facesOn(world, [picture(world, [own])])
      world.media.set(mediaId, { ...item, faces: item.faces.map(face => ({ ...face, embedding: fresh!.embedding })) })
    }
    for (const id of hanas) swap(id, yui!)
    for (const id of yuis) swap(id, hana!)
    world.pipeline = 2
    const all = [...hanas, ...yuis]
    for (const id of all.slice(0, 5)) await seen(world, id)
    await until(async () => (await cluster.getProgress({}, asService(world))).pending === 5)
    const correction = cluster.updatePerson({ personId: yuiId, name: 'Yui' }, { ...parent, deadlineMs: 60_000 })
    let answered = false
    void correction.then(() => (answered = true))
    const all10 = { cursor: '', limit: 10, overruled: false }
    await until(async () => (await cluster.listCorrections(all10, parent)).corrections.length === 2)
    expect(await assignments(world, all)).toEqual(before)
    expect(answered).toBe(false)
    for (const id of all.slice(5)) await seen(world, id)
    expect((await correction).person?.name).toBe('Yui')
    for (const id of hanas) expect(await personOn(world, id)).toBe(hanaId)
    for (const id of yuis) expect(await personOn(world, id)).toBe(yuiId)
    const { people } = await cluster.listPeople({ includeHidden: false, cursor: '', limit: 10 }, parent)
    expect(people.map(p => [p.name, p.faceCount])).toEqual([
      ['Hana', 4],
      ['Yui', 3],
    ])
  })

  test('do not hold a family up when the last old ones are erased', async () => {
    const { world, hanas, yuis } = await twoPeople()
    world.pipeline = 2
    for (const id of hanas) await seen(world, id)
    await until(async () => (await cluster.getProgress({}, asService(world))).pending === 4)
    await tell(world, MediaRemoved, { mediaIds: yuis, version: 2, how: 'erased' })
    await settled(world, 4)
  })
})

test('faces that were on their way while consent was withdrawn do not stay', async () => {
  const { world } = await twoPeople()
  const late = picture(world, [mio!])
  const asked = world.asked
  let answer = (): void => undefined
  world.answersAfter = new Promise(resolve => (answer = resolve))
  await seen(world, late)
  await until(() => world.asked > asked)
  // Face has answered with faces; the withdrawal overtakes them.
  world.consent = false
  await tell(world, FamilyChanged, { version: 3, what: 'consent' })
  await until(async () => (await cluster.countStored({ mediaIds: [] }, asService(world))).rows === 0)
  answer()
  await until(async () => (await cluster.countStored({ mediaIds: [] }, asService(world))).rows > 0)
  // Face says of every item that had faces that it has none now, after what it said before.
  await tell(world, FacesDetected, { mediaId: late, version: 1, faces: 0 })
  await until(async () => (await cluster.countStored({ mediaIds: [] }, asService(world))).rows === 0)
})

test('no table is open to another family', async () => {
  const { unprotectedTables } = await import('@keepsake/db')
  expect(await unprotectedTables(database.ownerUrl)).toEqual([])
})

test('whoever is killed while people are sorted, the same people come out, and no word is lost', async () => {
  const faces = [hana!, yui!, mio!, hana!, yui!, hana!, mio!, hana!].map(who => [who])
  const outcome = async (kill: (afterMs: number) => Promise<unknown>) => {
    const world = newWorld()
    const parent = await as(world, 'parent')
    const pictures = faces.map(who => picture(world, who))
    for (const [step, id] of pictures.entries()) {
      await seen(world, id)
      if (step === 1) await kill(0)
      if (step === 4) await kill(20)
      if (step !== 5) continue
      // A word is said until it is answered, as a client does; the key makes it one word.
      await settled(world, 6)
      const personId = (await personOn(world, pictures[0]!))!
      const word = { ...parent, idempotencyKey: uuidv7() }
      const said = until(() =>
        cluster.updatePerson({ personId, name: 'Hana' }, word).catch(error => {
          if (!(error instanceof KeepsakeError) || error.code !== 'INTERNAL') throw error
          return undefined
        }),
      )
      await kill(5)
      await said
    }
    await settled(world, pictures.length)
    const on = await Promise.all(pictures.map(id => personOn(world, id)))
    const { people } = await cluster.listPeople({ includeHidden: false, cursor: '', limit: 10 }, parent)
    const { corrections } = await cluster.listCorrections({ cursor: '', limit: 10, overruled: false }, parent)
    return {
      alike: on.map(person => on.indexOf(person)),
      named: people.map(person => [person.name, person.faceCount]),
      words: corrections.map(correction => correction.kind),
    }
  }
  const undisturbed = await outcome(() => Promise.resolve())
  expect(undisturbed).toEqual({
    alike: [0, 1, 2, 0, 1, 0, 2, 0],
    named: [
      ['Hana', 4],
      [undefined, 2],
      [undefined, 2],
    ],
    words: ['name'],
  })
  let kills = 0
  const killed = await outcome(async afterMs => {
    // The one before was killed: whoever sorts what came since begins another.
    const thread = await until(() => threads.find(each => each.threadId !== -1), { deadlineMs: 60_000 })
    await sleep(afterMs)
    kills += thread.threadId === -1 ? 0 : 1
    await thread.terminate()
  })
  expect(killed).toEqual(undisturbed)
  expect(kills).toBe(3)
}, 180_000)
