import { randomUUID } from 'node:crypto'
import { Module, type Type } from '@nestjs/common'
import { MediaAccepted, MediaIngested, MediaRated, PeopleChanged, publish } from '@keepsake/events'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService, Media } from '@keepsake/proto/ingest/v1'
import {
  createClient,
  generateIdentityKeys,
  identityEnv,
  KeepsakeError,
  RpcService,
  runService,
  ServiceIdentity,
  type Client,
  type MemberCaller,
  type RpcDefinition,
  type RunningService,
} from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAlbum } from './service.js'

const keys = generateIdentityKeys(['family', 'album', 'ingest', 'cluster', 'rating'])
const familyId = randomUUID()
const identityOf = (service: string) => ServiceIdentity.fromEnv(service, identityEnv(keys, service))
const open: RunningService[] = []
let database: TestDatabase
let album: Client<typeof AlbumServiceService>
let fromIngest: Client<typeof AlbumServiceService>
const ingested = new Map<string, Media>()
let plan = 'premium'
/** Items on which cluster knows nobody any more. */
const withoutFaces = new Set<string>()
let ingestIsAway = false

/** A real gRPC server that answers only what a test needs. */
async function stand(name: string, definition: RpcDefinition, answers: Record<string, (request: never) => unknown>) {
  class Answers {}
  for (const method of Object.keys(definition)) {
    const answer = async (request: never) => {
      const known = answers[method]
      if (known === undefined) throw new Error(`${method} is not part of this test`)
      return known(request)
    }
    Object.defineProperty(Answers.prototype, method, { value: answer, configurable: true, writable: true })
  }
  RpcService(definition)(Answers as Type<unknown>)
  class AnswersModule {}
  Module({ controllers: [Answers] })(AnswersModule)
  const service = await runService({ name, env: identityEnv(keys, name), module: AnswersModule, rpc: [definition] })
  open.push(service)
  return service.address
}

const person = randomUUID()
beforeAll(async () => {
  database = await testDatabase(['album', 'ingest', 'cluster', 'rating'])
  const ingest = await stand('ingest', IngestServiceService as RpcDefinition, {
    getMedia: ({ mediaIds }: { mediaIds: string[] }) => {
      if (ingestIsAway) throw new KeepsakeError({ code: 'UNAVAILABLE', reason: 'AWAY', message: 'Away.' })
      return { media: mediaIds.flatMap(id => ingested.get(id) ?? []) }
    },
  })
  const family = await stand('family', FamilyServiceService as RpcDefinition, {
    getFamily: () => ({
      family: {
        id: familyId,
        name: 'F',
        plan,
        timeZone: 'UTC',
        locale: 'en',
        role: '',
        version: 1,
        unknownFacesDays: 90,
      },
    }),
    listChildren: () => ({ children: [] }),
  })
  const cluster = await stand('cluster', ClusterServiceService as RpcDefinition, {
    listPeople: () => ({
      people: [
        {
          id: person,
          hidden: false,
          faceCount: 1,
          mediaCount: 1,
          coverFaceId: '',
          stage: '',
          childProbability: 0,
          version: 1,
        },
      ],
      nextCursor: '',
    }),
    getAssignments: ({ mediaIds }: { mediaIds: string[] }) => ({
      assignments: mediaIds
        .filter(mediaId => !withoutFaces.has(mediaId))
        .map(mediaId => ({
          faceId: randomUUID(),
          mediaId,
          personId: person,
          confidence: 1,
          confirmed: false,
        })),
      nextCursor: '',
      version: 8,
      people: [],
    }),
  })
  const service = await startAlbum({
    ...identityEnv(keys, 'album'),
    KEEPSAKE_DATABASE_URL: database.url('album'),
    KEEPSAKE_FAMILY_ADDRESS: family,
    KEEPSAKE_INGEST_ADDRESS: ingest,
    KEEPSAKE_CLUSTER_ADDRESS: cluster,
  })
  open.push(service)
  album = createClient(AlbumServiceService, service.address, identityOf('family'))
  fromIngest = createClient(AlbumServiceService, service.address, identityOf('ingest'))
})
afterAll(async () => {
  album.close()
  fromIngest.close()
  await Promise.all(open.map(service => service.close()))
  await database.close()
})

const member = (role: 'parent' | 'relative'): MemberCaller => ({
  kind: 'member',
  accountId: randomUUID(),
  familyId,
  memberId: randomUUID(),
  role,
  groupIds: [],
})
const as = async (caller: MemberCaller, more: { idempotencyKey?: string } = {}) => ({
  identity: await identityOf('family').forPerson(caller),
  deadlineMs: 10_000,
  ...more,
})
const upload = (id = randomUUID(), more: Partial<Media> = {}) => {
  ingested.set(
    id,
    Media.fromPartial({
      id,
      version: 1,
      state: 'pending',
      kind: 'photo',
      fileName: 'a.jpg',
      taken: { at: new Date('2024-01-01T00:00:00Z'), offsetMinutes: 0, precision: 'second', source: 'exif' },
      ...more,
    }),
  )
  return id
}

test('an item comes in by its events, gets its people and its rating, and is read through gRPC', async () => {
  const parent = member('parent')
  const id = upload()
  const say = database.db('ingest')
  ingestIsAway = true // what cannot be asked now is asked again
  await say.family(familyId, tx => publish(tx, MediaAccepted, { mediaId: id, version: 1 }))
  ingestIsAway = false
  await until(async () => (await album.getMedia({ mediaId: id }, await as(parent))).media?.state === 'pending')
  upload(id, { version: 2, state: 'ready' })
  await say.family(familyId, tx => publish(tx, MediaIngested, { mediaId: id, version: 2, kind: 'photo' }))
  await database
    .db('cluster')
    .family(familyId, tx => publish(tx, PeopleChanged, { version: 7, mediaIds: [id], all: false }))
  await database
    .db('rating')
    .family(familyId, tx => publish(tx, MediaRated, { rated: [{ mediaId: id, value: 72.5 }], version: 4 }))
  const media = await until(async () => {
    const answer = await album.getMedia({ mediaId: id }, await as(parent))
    return (
      answer.media?.state === 'ready' &&
      answer.media.rating !== undefined &&
      answer.media.personIds.length > 0 &&
      answer.media
    )
  })
  expect(media).toMatchObject({ id, fileName: 'a.jpg', rating: 72.5, personIds: [person] })
})

test('what cluster said in one order and others hear in another is taken in all the same', async () => {
  const parent = member('parent')
  const [first, second] = [upload(), upload()]
  for (const mediaId of [first, second]) await fromIngest.registerMedia({ mediaId }, { familyId, deadlineMs: 10_000 })
  const erasureId = randomUUID()
  const tell = (version: number, mediaIds: string[], erasure = {}) =>
    database
      .db('cluster')
      .family(familyId, tx => publish(tx, PeopleChanged, { version, mediaIds, all: false, ...erasure }))
  const peopleOn = async (mediaId: string) =>
    (await album.getMedia({ mediaId }, await as(parent))).media?.personIds ?? []
  const reports = () =>
    database.rows(`select 1 from events.outbox where topic = 'erasure.reported' and family_id = $1`, [familyId])
  await tell(8, [second])
  await until(async () => (await peopleOn(second)).length === 1)
  await tell(6, [first])
  await until(async () => (await peopleOn(first)).length === 1)
  withoutFaces.add(first)
  await tell(7, [first], { erasureId })
  await until(async () => (await reports()).length === 1)
  expect(await peopleOn(first)).toEqual([])
  expect(await peopleOn(second)).toEqual([person])
})

test('ingest registers an item at once, and nobody else may', async () => {
  const parent = member('parent')
  const id = upload()
  await fromIngest.registerMedia({ mediaId: id }, { familyId, deadlineMs: 10_000 })
  expect((await album.getMedia({ mediaId: id }, await as(parent))).media?.state).toBe('pending')
  await expect(album.registerMedia({ mediaId: id }, await as(parent))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  })
  await expect(album.describeMedia({ mediaIds: [id], all: false, cursor: '' }, await as(parent))).rejects.toMatchObject(
    {
      code: 'PERMISSION_DENIED',
    },
  )
  await expect(album.getMedia({ mediaId: id }, { deadlineMs: 10_000, identity: '' })).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
  })
})

test('a call repeated under its Idempotency-Key is done once; another one under the same key is refused', async () => {
  const parent = member('parent')
  const id = upload()
  await fromIngest.registerMedia({ mediaId: id }, { familyId, deadlineMs: 10_000 })
  const options = await as(parent, { idempotencyKey: 'abc' })
  const [one, two] = await Promise.all([
    album.createComment({ mediaId: id, text: 'Hello' }, options),
    album.createComment({ mediaId: id, text: 'Hello' }, options),
  ])
  expect(one).toEqual(two)
  expect((await album.listComments({ mediaId: id, cursor: '', limit: 10 }, options)).comments).toHaveLength(1)
  await expect(album.createComment({ mediaId: id, text: 'Other' }, options)).rejects.toMatchObject({
    reason: 'IDEMPOTENCY_KEY_REUSED',
  })
})

test('facts and audience of one request change together or not at all', async () => {
  const parent = member('parent')
  const id = upload()
  await fromIngest.registerMedia({ mediaId: id }, { familyId, deadlineMs: 10_000 })
  const shown = async () => (await album.getMedia({ mediaId: id }, await as(parent))).media
  const audience = { kind: 'parents', ids: [] }
  const edit = async (changes: { clear: []; description?: string; takenAt?: string } | undefined) =>
    album.editMedia({ mediaIds: [id], changes, audience }, await as(parent))
  await expect(edit({ clear: [], takenAt: 'no date' })).rejects.toMatchObject({ reason: 'FACTS_INVALID' })
  expect(await shown()).toMatchObject({ audience: { kind: 'everyone' } })
  expect((await edit({ clear: [], description: 'First snow' })).editId).not.toBe('')
  expect(await shown()).toMatchObject({ audience, description: 'First snow' })
  expect((await edit(undefined)).editId).toBe('')
})

test('an erased item leaves no answer behind that quotes a comment on it', async () => {
  const parent = member('parent')
  const id = upload()
  await fromIngest.registerMedia({ mediaId: id }, { familyId, deadlineMs: 10_000 })
  const kept = async () =>
    (await database.rows<{ key: string }>('select key from album.idempotency order by key')).map(row => row.key)
  const { comment } = await album.createComment(
    { mediaId: id, text: 'Our secret' },
    await as(parent, { idempotencyKey: 'said-1' }),
  )
  await album.createComment({ mediaId: id, text: 'Another one' }, await as(parent, { idempotencyKey: 'said-2' }))
  expect(await kept()).toEqual(expect.arrayContaining(['said-1', 'said-2']))
  await album.deleteComment({ mediaId: id, commentId: comment?.id ?? '' }, await as(parent))
  expect(await kept()).not.toContain('said-1')
  await album.deleteMedia({ mediaIds: [id], now: true }, await as(parent))
  expect(await kept()).not.toContain('said-2')
})

test('personal pages need Premium, as family says now', async () => {
  const relative = member('relative')
  plan = 'free'
  await expect(album.listPages({}, await as(relative))).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'PREMIUM_REQUIRED',
  })
  plan = 'premium'
  expect((await album.listPages({}, await as(relative))).pages.map(page => page.id)).toContain('whole-family')
  await expect(album.listBlocks({}, await as(relative))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})
