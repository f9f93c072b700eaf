import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, type Db } from '@keepsake/db'
import { eventConsumer, FamilyChanged, MediaIngested, PostgresLog, publish, type EventContext } from '@keepsake/events'
import { FilesystemObjectStore, mediaError, openMedia, type Media as MediaReader, type RgbImage } from '@keepsake/media'
import { Media } from '@keepsake/proto/ingest/v1'
import { callAs, KeepsakeError } from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cropsOf, sweepCrops } from './erase.js'
import { detectItem, type Effect } from './detect-item.js'
import type { FaceTools } from './events.js'
import { onErasureOverdue, onFamilyChanged, onMediaRemoved } from './forget.js'
import { observe, type ObservedFace } from './observe.js'
import { Pipelines, type Pipeline } from './pipelines.js'
import { facesResync } from './resync.js'
import { eraseFaces, onErasureStarted, turn } from './erase-faces.js'
import { FaceRpc } from './rpc.js'
import { startFace } from './service.js'
import { beginUpgrade, forgetFormer, itemsToPrepare, upgradeProgress } from './upgrade.js'
import { Upgrader, UploadsUnderWay } from './upgrader.js'
import { drawFaces, StubModels, type DrawnFace } from './testing/stub-models.js'

const FAMILY = '01934000-0000-7000-8000-00000000000a'
const OTHER = '01934000-0000-7000-8000-00000000000b'
const mediaId = (n: number) => `019340aa-bbcc-7123-8abc-${String(n).padStart(12, '0')}`
const TWO: DrawnFace[] = [
  { person: 'red', x: 200, y: 200, side: 120 },
  { person: 'blue', x: 500, y: 300, side: 80 },
]

let database: TestDatabase
let db: Db
let dir: string
let store: FilesystemObjectStore
let reader: MediaReader

beforeAll(async () => {
  reader = openMedia({ imageChildren: 1 })
})
afterAll(() => reader.close())
beforeEach(async () => {
  database = await testDatabase(['face'])
  db = database.db('face')
  dir = await mkdtemp(join(tmpdir(), 'keepsake-face-'))
  store = new FilesystemObjectStore({ root: dir })
})
afterEach(async () => {
  await database.close()
  await rm(dir, { recursive: true, force: true })
})

/** The service's work with other services and the networks replaced; the rest is real. */
function bench() {
  const models = new StubModels()
  const catalogue = new Map<string, Media>()
  const words = new Map<string, { given: boolean; version: number }>([[FAMILY, { given: true, version: 1 }]])
  let sweeps = 0
  const hooks: { beforeDecode?: () => Promise<void> } = {}
  const tools: FaceTools = {
    db,
    store,
    models,
    media: {
      decodeRgb: async (file, options) => {
        await hooks.beforeDecode?.()
        return reader.decodeRgb(file, options)
      },
      renderImage: (job, options) => reader.renderImage(job, options),
      frames: (file, options) => reader.frames(file, options),
      probeVideo: (file, options) => reader.probeVideo(file, options),
    },
    peers: {
      consent: async familyId => words.get(familyId),
      media: async (_, id) => catalogue.get(id),
    },
    sweep: () => void sweeps++,
    pipelines: new Pipelines([{ version: 1, observe }]),
    uploads: new UploadsUnderWay(),
  }
  let eventNumber = 0
  const context = (attempt = 1, familyId = FAMILY): EventContext => ({
    eventId: `01934000-0000-7000-8000-1${String(eventNumber++).padStart(11, '0')}`,
    familyId,
    attempt,
    signal: AbortSignal.timeout(30_000),
  })
  const commit = async (effect: Effect | undefined | void, familyId = FAMILY) => {
    if (effect) await db.family(familyId, effect)
  }
  return {
    tools,
    models,
    hooks,
    words,
    catalogue,
    commit,
    context,
    /** The work on an item, before its effect is committed. */
    work: (id: string, version = 1, attempt = 1) =>
      detectItem(tools, { mediaId: id, version, kind: 'photo' }, context(attempt)),
    sweeps: () => sweeps,
    /** Puts a photo into the store and the catalogue. */
    async photo(id: string, image: RgbImage, version = 1) {
      const previewKey = `families/${FAMILY}/media/${id}/renditions/preview`
      await store.put(previewKey, await webp(image), { contentType: 'image/webp' })
      catalogue.set(id, Media.fromPartial({ id, version, state: 'ready', kind: 'photo', previewKey }))
    },
    async ingested(id: string, version = 1, attempt = 1) {
      await commit(await detectItem(tools, { mediaId: id, version, kind: 'photo' }, context(attempt)))
    },
    async erased(...mediaIds: string[]) {
      await commit(onMediaRemoved(tools, { mediaIds, version: 1, how: 'erased' }))
    },
    async familyChanged(what: string, version: number) {
      await commit(await onFamilyChanged(tools, { what, version }, context()))
    },
  }
}

const webp = ({ data, width, height }: RgbImage) =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ lossless: true })
    .toBuffer()
const service = callAs({ kind: 'service', service: 'cluster', familyId: FAMILY }, { deadlineMs: 600_000 })
const facesOf = async (id: string, call = service) => {
  const { items } = await rpcOf().getFaces({ mediaIds: [id], faceIds: [], embeddings: true }, call)
  return items[0]
}
const rpcOf = () => new FaceRpc(db, store, bench().tools)
const stored = () => rpcOf().countStored({ mediaIds: [] }, service)
const detected = () => database.rows<{ key: string }>(`select key from events.outbox where topic = 'faces.detected'`)
const cropKeys = async (id: string) => {
  const keys: string[] = []
  for await (const { key } of store.list(cropsOf(FAMILY, id))) keys.push(key)
  return keys
}

describe('an item that is ingested', () => {
  test('its faces are stored largest first, with crops, and said once', async () => {
    const { photo, ingested } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const item = await facesOf(mediaId(1))
    expect(item).toMatchObject({ state: 'done', version: 1 })
    const [red, blue] = item?.faces ?? []
    expect(red?.box?.x).toBeCloseTo(140 / 800, 2)
    expect(red?.box?.h).toBeCloseTo(120 / 600, 2)
    expect(red).toMatchObject({ expression: 'happy', eyesOpen: expect.any(Number) as number, ranges: [] })
    expect(blue?.embedding.length).toBe(512)
    expect(await cropKeys(mediaId(1))).toEqual([red?.cropKey, blue?.cropKey].sort())
    const portrait = await store.withFile(red?.cropKey ?? '', file => sharp(file).metadata())
    expect(portrait).toMatchObject({ format: 'webp', width: 256, height: 256 })
    expect(await detected()).toHaveLength(1)
  })

  test('the same event again changes nothing and looks at nothing', async () => {
    const { photo, ingested, models } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const before = await facesOf(mediaId(1))
    await ingested(mediaId(1))
    expect(await facesOf(mediaId(1))).toEqual(before)
    expect(models.runs.get('ssd_mobilenetv1')).toBe(1)
    expect(await detected()).toHaveLength(1)
  })

  test('work that was done twice because of a crash stores the same faces under the same ids', async () => {
    const { photo, work, commit } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await work(mediaId(1)) // killed before it was committed
    const crops = await cropKeys(mediaId(1))
    await commit(await work(mediaId(1)))
    expect(await cropKeys(mediaId(1))).toEqual(crops)
    expect((await facesOf(mediaId(1)))?.faces.map(face => face.cropKey).sort()).toEqual(crops)
  })

  test('turned by a person: faces move, keep their ids, and the crop of one that is gone goes', async () => {
    const { photo, ingested } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const before = await facesOf(mediaId(1))
    await photo(mediaId(1), drawFaces(600, 800, [{ person: 'blue', x: 300, y: 500, side: 80 }]), 2)
    await ingested(mediaId(1), 2)
    const after = await facesOf(mediaId(1))
    expect(after?.version).toBe(2)
    expect(after?.faces.map(face => face.id)).toEqual([before?.faces[1]?.id])
    expect(after?.faces[0]?.box?.y).toBeCloseTo(460 / 800, 2)
    await sweepCrops(db, store)
    expect(await cropKeys(mediaId(1))).toEqual([after?.faces[0]?.cropKey])
  })

  test('an older event after a newer one changes nothing', async () => {
    const { photo, ingested, models } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO), 5)
    await ingested(mediaId(1), 5)
    await ingested(mediaId(1), 4)
    expect(models.runs.get('ssd_mobilenetv1')).toBe(1)
    expect((await facesOf(mediaId(1)))?.version).toBe(5)
  })

  test('a broken file fails with its code, a fault of ours is tried again and then fails too', async () => {
    const { photo, ingested, hooks } = bench()
    await photo(mediaId(1), drawFaces(80, 60, []))
    hooks.beforeDecode = () => Promise.reject(mediaError('TRUNCATED'))
    await ingested(mediaId(1))
    expect(await facesOf(mediaId(1))).toMatchObject({ state: 'failed', failureCode: 'TRUNCATED', faces: [] })

    await photo(mediaId(2), drawFaces(80, 60, []))
    hooks.beforeDecode = () =>
      Promise.reject(new KeepsakeError({ code: 'UNAVAILABLE', reason: 'INFERENCE_STOPPED', message: 'Not now.' }))
    await expect(ingested(mediaId(2))).rejects.toMatchObject({ reason: 'INFERENCE_STOPPED' })
    expect(await facesOf(mediaId(2))).toBeUndefined()
    // What is away may be away for longer than some tries take.
    await expect(ingested(mediaId(2), 1, 7)).rejects.toMatchObject({ reason: 'INFERENCE_STOPPED' })
    await ingested(mediaId(2), 1, 8)
    expect(await facesOf(mediaId(2))).toMatchObject({ state: 'failed', failureCode: 'FACE_GAVE_UP' })
    const progress = await rpcOf().getProgress({}, service)
    expect(progress).toEqual({ done: 0, failed: 2, faces: 0, consent: true })
  })
})

describe('consent', () => {
  test('without it nothing is decoded and nothing is stored', async () => {
    const { photo, ingested, words, hooks, models } = bench()
    words.set(FAMILY, { given: false, version: 1 })
    let decoded = 0
    hooks.beforeDecode = async () => void decoded++
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    expect(decoded).toBe(0)
    expect(models.runs.size).toBe(0)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
    expect(await detected()).toHaveLength(0)
  })

  test('given later: every item is asked for again', async () => {
    const { familyChanged } = bench()
    await familyChanged('consent', 2)
    const requests = await database.rows(`select topic, family_id from events.resync_requests`)
    expect(requests).toEqual([{ topic: MediaIngested.name, family_id: FAMILY }])
  })

  test('withdrawn: rows and crops are gone, and every item that had faces is said to have none', async () => {
    const { photo, ingested, words, familyChanged } = bench()
    for (const n of [1, 2]) {
      await photo(mediaId(n), drawFaces(800, 600, TWO))
      await ingested(mediaId(n))
    }
    expect((await stored()).objects).toBe(4)
    // A process that was killed left the crop of a face that nobody knows.
    await photo(mediaId(3), drawFaces(800, 600, []))
    await ingested(mediaId(3))
    await store.put(`${cropsOf(FAMILY, mediaId(3))}left`, Buffer.of(1), { contentType: 'image/webp' })
    words.set(FAMILY, { given: false, version: 2 })
    await familyChanged('consent', 2)
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
    expect(await cropKeys(mediaId(3))).toEqual([])
    for (const table of ['items', 'faces', 'garbage'])
      expect(await database.rows(`select * from face.${table}`)).toEqual([])
    expect(await detected()).toHaveLength(5)
    expect((await rpcOf().getProgress({}, service)).consent).toBe(false)
  })

  test('withdrawn while an item is being looked at: its faces are not stored, its crops go', async () => {
    const { photo, work, commit, words, familyChanged } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    const effect = await work(mediaId(1))
    expect(await cropKeys(mediaId(1))).toHaveLength(2)
    words.set(FAMILY, { given: false, version: 2 })
    await familyChanged('consent', 2)
    await commit(effect)
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
  })

  test('withdrawn after a crash left crops behind: the event that comes again removes them', async () => {
    const { photo, work, ingested, words } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await work(mediaId(1)) // killed here
    words.set(FAMILY, { given: false, version: 2 })
    await ingested(mediaId(1))
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
  })

  test('a late word from before does not bring it back', async () => {
    const { photo, ingested, words, familyChanged } = bench()
    words.set(FAMILY, { given: false, version: 7 })
    await familyChanged('consent', 7)
    words.set(FAMILY, { given: true, version: 6 })
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
  })
})

describe('a face alone', () => {
  const parent = () =>
    callAs(
      { kind: 'member', accountId: 'a', familyId: FAMILY, memberId: mediaId(900), role: 'parent', groupIds: [] },
      { deadlineMs: 600_000 },
    )
  const published = async (topic: string) =>
    (await database.rows<{ n: number }>(`select count(*)::int as n from events.outbox where topic = $1`, [topic]))[0]?.n

  test('is erased with its crop, is not found again, and is reported when the crop is gone', async () => {
    const { photo, ingested, tools, catalogue } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const [gone, stays] = (await facesOf(mediaId(1)))?.faces ?? []
    const before = await published('erasure.reported')
    await eraseFaces(db, tools.peers, parent(), [gone?.id ?? ''])
    expect(await published('erasure.reported')).toBe(before)
    await sweepCrops(db, store)
    expect(await published('erasure.reported')).toBe((before ?? 0) + 1)
    expect((await facesOf(mediaId(1)))?.faces.map(face => face.id)).toEqual([stays?.id])
    expect((await cropKeys(mediaId(1))).length).toBe(1)
    // The item is looked at anew.
    catalogue.set(mediaId(1), { ...(catalogue.get(mediaId(1)) as Media), version: 2 })
    await ingested(mediaId(1), 2)
    await sweepCrops(db, store)
    const now = (await facesOf(mediaId(1)))?.faces ?? []
    expect(now.map(face => face.id)).toEqual([stays?.id])
    expect((await cropKeys(mediaId(1))).length).toBe(1)
  })

  test.each(['told', 'overdue'])(
    'that cluster erases as none of the family’s goes too, bytes and all, and is not found again: %s',
    async heard => {
      const { photo, ingested, tools, catalogue, commit, context } = bench()
      await photo(mediaId(1), drawFaces(800, 600, TWO))
      await ingested(mediaId(1))
      const [stranger, stays] = (await facesOf(mediaId(1)))?.faces ?? []
      const erasureId = '01934000-0000-7000-8000-0000000000e1'
      const before = (await published('erasure.reported')) ?? 0
      const event = { erasureId, kind: 'face', ids: [stranger?.id ?? ''], mediaIds: [mediaId(1)], byMemberId: '' }
      const erase = () =>
        heard === 'told'
          ? onErasureStarted(tools, event, context())
          : onErasureOverdue(tools, { ...event, owners: ['face'] }, context())
      for (let times = 0; times < 2; times++) await commit(await erase())
      await sweepCrops(db, store)
      expect((await published('erasure.reported')) ?? 0).toBeGreaterThan(before)
      expect(await cropKeys(mediaId(1))).toEqual([stays?.cropKey])
      const bytes = Buffer.from(stranger?.embedding ?? []).toString('hex')
      const tables = await database.rows<{ name: string }>(
        `select schemaname || '.' || tablename as name from pg_tables where schemaname in ('face', 'events')`,
      )
      for (const { name } of tables)
        expect(await database.rows(`select 1 from ${name} t where to_jsonb(t)::text like '%${bytes}%'`), name).toEqual(
          [],
        )
      catalogue.set(mediaId(1), { ...(catalogue.get(mediaId(1)) as Media), version: 2 })
      await ingested(mediaId(1), 2)
      expect((await facesOf(mediaId(1)))?.faces.map(face => face.id)).toEqual([stays?.id])
    },
  )

  test('is unknown to relatives and to other families', async () => {
    const { tools } = bench()
    await expect(eraseFaces(db, tools.peers, parent(), [mediaId(5)])).rejects.toMatchObject({
      reason: 'FACE_NOT_FOUND',
    })
    await expect(eraseFaces(db, tools.peers, service, [mediaId(5)])).rejects.toThrow()
  })

  test('turns with its picture', () => {
    const box = [0.1, 0.2, 0.3, 0.4] as const
    const full = [90, 90, 90, 90].reduce<readonly [number, number, number, number]>(
      (b, degrees) => turn(b, degrees),
      box,
    )
    for (const [i, value] of box.entries()) expect(full[i]).toBeCloseTo(value, 9)
    expect(turn(box, 180)).toEqual(turn(turn(box, 90), 90).map(value => expect.closeTo(value, 9) as number))
    expect(turn([0, 0, 0.2, 0.1], 90)).toEqual([0.9, 0, 0.1, 0.2]) // the left upper corner comes to the right
  })
})

describe('removal', () => {
  test('an erased item loses rows and crops, its neighbour keeps them', async () => {
    const { photo, ingested, erased } = bench()
    for (const n of [1, 2]) {
      await photo(mediaId(n), drawFaces(800, 600, TWO))
      await ingested(mediaId(n))
    }
    await erased(mediaId(1))
    await sweepCrops(db, store)
    expect(await rpcOf().countStored({ mediaIds: [mediaId(1)] }, service)).toEqual({
      rows: 0,
      objects: 0,
    })
    expect((await facesOf(mediaId(2)))?.faces).toHaveLength(2)
    expect(await cropKeys(mediaId(2))).toHaveLength(2)
  })

  test('an item in the trash keeps its faces for a restore', async () => {
    const { photo, ingested, tools } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    expect(onMediaRemoved(tools, { mediaIds: [mediaId(1)], version: 2, how: 'trashed' })).toBeUndefined()
    expect((await facesOf(mediaId(1)))?.faces).toHaveLength(2)
  })

  test('erased while it is being looked at, or before it is heard of: nothing is stored', async () => {
    const { photo, work, commit, erased, ingested } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    const effect = await work(mediaId(1))
    await erased(mediaId(1))
    await commit(effect)
    await ingested(mediaId(1), 2)
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
  })

  test('a family that is gone takes everything with it', async () => {
    const { photo, ingested, familyChanged } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    await familyChanged('removed', 3)
    await ingested(mediaId(1), 2) // late
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
  })
})

describe('reading', () => {
  test('embeddings are for services only', async () => {
    const member = callAs({
      kind: 'member',
      accountId: OTHER,
      familyId: FAMILY,
      memberId: OTHER,
      role: 'parent',
      groupIds: [],
    })
    const rpc = rpcOf()
    const ask = (embeddings: boolean) => rpc.getFaces({ mediaIds: [mediaId(1)], faceIds: [], embeddings }, member)
    await expect(ask(true)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    const { photo, ingested } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    expect((await ask(false)).items[0]?.faces.map(face => face.embedding.length)).toEqual([0, 0])
  })

  test('by face, and never of another family', async () => {
    const { photo, ingested } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const [face] = (await facesOf(mediaId(1)))?.faces ?? []
    const rpc = rpcOf()
    const byFace = (call = service) =>
      rpc.getFaces({ mediaIds: [], faceIds: [face?.id ?? ''], embeddings: false }, call)
    expect((await byFace()).items.map(item => item.faces.map(f => f.id))).toEqual([[face?.id]])
    expect((await byFace(callAs({ kind: 'service', service: 'cluster', familyId: OTHER }))).items).toEqual([])
  })
})

describe('another version of the pipeline', () => {
  /** Sees the same faces, with vectors that have nothing to do with those of version 1: every value one place further. */
  const planted = (hooks: { before?: (id: string) => void; leaveOut?: boolean } = {}): Pipeline => ({
    version: 2,
    observe: async (family, media, tools, options) => {
      hooks.before?.(media.id)
      const seen = await observe(family, media, tools, options)
      const moved = seen.map((one): ObservedFace => ({
        ...one,
        face: {
          ...one.face,
          embedding: Float32Array.from(one.face.embedding, (_, i) => one.face.embedding[(i + 127) % 128]!),
        },
      }))
      return hooks.leaveOut ? moved.slice(0, 1) : moved
    },
  })
  const versions = (hooks?: Parameters<typeof planted>[0]) => new Pipelines([{ version: 1, observe }, planted(hooks)])
  const start = (to: number) => db.family(FAMILY, tx => beginUpgrade(tx, to))
  const holdingNow = async () => (await facesOf(mediaId(1)))?.pipeline
  const vectorsOf = async (...ids: string[]) => {
    const items = await Promise.all(ids.map(id => facesOf(id)))
    return items.flatMap(item => item?.faces ?? []).map(face => Buffer.from(face.embedding).toString('hex'))
  }
  const idsOf = async (...ids: string[]) =>
    (await Promise.all(ids.map(id => facesOf(id)))).flatMap(item => item?.faces ?? []).map(face => face.id)
  /** Turns until nothing is left to look at, and the switch with it. */
  const move = async (tools: FaceTools) => {
    const upgrader = new Upgrader(tools)
    while ((await upgrader.turn()) > 0);
    await upgrader.turn()
  }

  test('is prepared beside the one that holds, then holds at once; faces keep their ids, and one can go back', async () => {
    const { photo, ingested, tools, catalogue } = bench()
    tools.pipelines = new Pipelines([{ version: 1, observe }])
    const items = [mediaId(1), mediaId(2), mediaId(3)]
    for (const id of items) {
      await photo(id, drawFaces(800, 600, TWO))
      await ingested(id)
    }
    const [ids, old] = [await idsOf(...items), await vectorsOf(...items)]
    const told = (await detected()).length
    tools.pipelines = versions()
    expect(await start(2)).toBe(true)
    const upgrader = new Upgrader(tools)
    expect(await upgrader.turn()).toBe(1)
    // Half way: nobody sees anything of it, and a new upload is looked at by the version that holds.
    expect(await vectorsOf(...items)).toEqual(old)
    await photo(mediaId(4), drawFaces(800, 600, TWO))
    await ingested(mediaId(4))
    expect((await facesOf(mediaId(4)))?.pipeline).toBe(1)
    expect(await db.family(FAMILY, upgradeProgress)).toEqual({ items: 4, prepared: 1, newlyFailed: 0 })
    expect((await detected()).length).toBe(told + 1)
    await move(tools)
    expect(await holdingNow()).toBe(2)
    expect(await idsOf(...items)).toEqual(ids)
    const now = await vectorsOf(...items)
    expect(now.filter(vector => old.includes(vector))).toEqual([])
    expect(await database.rows(`select topic, family_id from events.resync_requests`)).toMatchObject([
      { topic: 'faces.detected', family_id: FAMILY },
    ])
    // Uploads go on in the new version; going back looks at those only that the old one has not seen.
    await photo(mediaId(5), drawFaces(800, 600, TWO))
    await ingested(mediaId(5))
    expect((await facesOf(mediaId(5)))?.pipeline).toBe(2)
    await start(1)
    expect(await db.family(FAMILY, tx => itemsToPrepare(tx, 10))).toEqual([mediaId(5)])
    await move(tools)
    expect(await holdingNow()).toBe(1)
    expect(await vectorsOf(...items)).toEqual(old)
    expect(catalogue.size).toBe(5)
  })

  test('goes on where a process was killed, and looks at no item twice', async () => {
    const { photo, ingested, tools } = bench()
    const items = [1, 2, 3, 4].map(mediaId)
    for (const id of items) {
      await photo(id, drawFaces(800, 600, TWO))
      await ingested(id)
    }
    const looked: string[] = []
    let alive = true
    const pipelines = versions({
      before: id => {
        if (!alive) throw new Error('killed')
        looked.push(id)
      },
    })
    await start(2)
    const first = { ...tools, pipelines }
    await new Upgrader(first).turn()
    await new Upgrader(first).turn()
    alive = false
    await new Upgrader(first).turn()
    alive = true
    await move(first)
    expect(looked.sort()).toEqual(items)
    expect(await holdingNow()).toBe(2)
  })

  test('does not hold by itself where it fails at what the old one could do', async () => {
    const { photo, ingested, tools } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const before = await idsOf(mediaId(1))
    tools.pipelines = versions({
      before: () => {
        throw mediaError('CORRUPT')
      },
    })
    await start(2)
    await move(tools)
    expect(await db.family(FAMILY, upgradeProgress)).toEqual({ items: 1, prepared: 1, newlyFailed: 1 })
    expect(await idsOf(mediaId(1))).toEqual(before)
    // An operator who repaired it begins again, and only what failed is tried again.
    tools.pipelines = versions()
    await start(2)
    await move(tools)
    expect(await holdingNow()).toBe(2)
    expect(await idsOf(mediaId(1))).toEqual(before)
  })

  test('leaves nothing of the former one when its time is over: vectors, and crops of faces that only it saw', async () => {
    const { photo, ingested, tools } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    const old = await vectorsOf(mediaId(1))
    tools.pipelines = versions({ leaveOut: true })
    await start(2)
    await move(tools)
    const [stays] = await idsOf(mediaId(1))
    expect(await cropKeys(mediaId(1))).toHaveLength(2)
    expect(await db.family(FAMILY, tx => forgetFormer(tx))).toBe(0)
    await database.rows(`update face.families set switched_at = now() - interval '15 days'`)
    await move(tools)
    await sweepCrops(db, store)
    const rows = await database.rows<{ row: string }>(`select to_jsonb(f)::text as row from face.faces f`)
    expect(rows).toHaveLength(1)
    for (const vector of old) expect(rows.some(({ row }) => row.includes(vector))).toBe(false)
    expect(await cropKeys(mediaId(1))).toEqual([cropsOf(FAMILY, mediaId(1)) + stays])
  })

  test('is not held up by families that wait for a version which no release ships yet', async () => {
    const { photo, ingested, tools } = bench()
    await photo(mediaId(1), drawFaces(800, 600, TWO))
    await ingested(mediaId(1))
    await db.system('families that wait for a release', tx =>
      tx.changed(sql`
        insert into face.families (family_id, consent, version, pipeline, next_pipeline, upgrade_at)
        select gen_random_uuid(), true, 1, 1, 99, now() - interval '1 day' from generate_series(1, 60)`),
    )
    tools.pipelines = versions()
    await start(2)
    await move(tools)
    expect(await holdingNow()).toBe(2)
    await db.system('they are for this test alone', tx =>
      tx.changed(sql`delete from face.families where next_pipeline = 99`),
    )
  })

  test('goes with everything else when consent is withdrawn, a face is erased or an item goes, in every version', async () => {
    const { photo, ingested, erased, familyChanged, words, tools } = bench()
    for (const id of [mediaId(1), mediaId(2)]) {
      await photo(id, drawFaces(800, 600, TWO))
      await ingested(id)
    }
    tools.pipelines = versions()
    await start(2)
    const upgrader = new Upgrader(tools)
    await upgrader.turn()
    await upgrader.turn()
    const both = await database.rows(`select 1 from face.faces`)
    expect(both).toHaveLength(8)
    const [gone] = await idsOf(mediaId(1))
    const call = callAs(
      { kind: 'member', familyId: FAMILY, accountId: OTHER, memberId: OTHER, role: 'parent', groupIds: [] },
      { deadlineMs: 600_000 },
    )
    await eraseFaces(db, tools.peers, call, [gone!])
    expect(await database.rows(`select 1 from face.faces`)).toHaveLength(6)
    await erased(mediaId(2))
    expect(await database.rows(`select 1 from face.faces`)).toHaveLength(2)
    words.set(FAMILY, { given: false, version: 2 })
    await familyChanged('consent', 2)
    await sweepCrops(db, store)
    expect(await stored()).toEqual({ rows: 0, objects: 0 })
    expect(await database.rows(`select next_pipeline from face.families`)).toEqual([{ next_pipeline: null }])
  })
})

test('the service does not start without its models, and says which file is missing', async () => {
  const env = {
    KEEPSAKE_DATABASE_URL: database.url('face'),
    KEEPSAKE_INGEST_ADDRESS: '127.0.0.1:1',
    KEEPSAKE_FAMILY_ADDRESS: '127.0.0.1:1',
    KEEPSAKE_MODELS_DIR: dir,
  }
  await expect(startFace(env)).rejects.toMatchObject({
    reason: 'MODEL_MISSING',
    message: 'The model file ssd_mobilenetv1.onnx is missing; prepare the models again to make it.',
  })
})

test('through the real event log: an event becomes faces, resync says them again', async () => {
  const { photo, tools } = bench()
  await photo(mediaId(1), drawFaces(800, 600, TWO))
  const { NestFactory } = await import('@nestjs/core')
  const { FaceModule } = await import('./face.module.js')
  const strategy = eventConsumer({ group: 'face', log: new PostgresLog(db), db, resync: [facesResync] })
  const app = await NestFactory.createMicroservice(FaceModule.with(tools), {
    strategy,
    logger: false,
    abortOnError: false,
  })
  await app.listen()
  try {
    await db.family(FAMILY, async tx => {
      await publish(tx, FamilyChanged, { version: 1, what: 'created' })
      await publish(tx, MediaIngested, { mediaId: mediaId(1), version: 1, kind: 'photo' })
    })
    await until(async () => (await facesOf(mediaId(1)))?.faces.length === 2, { deadlineMs: 20_000 })
    await db.family(FAMILY, tx => facesResync.publish(tx))
    expect(await detected()).toHaveLength(2)
    expect(await db.system('families with faces', tx => facesResync.families(tx))).toEqual([FAMILY])
    expect(await db.family(FAMILY, tx => tx.maybe(sql`select 1 from face.garbage`))).toBeUndefined()
  } finally {
    await app.close()
  }
})
