import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Turns } from '@keepsake/db'
import { FamilyChanged, LAST_TRY, MediaChanged, MediaRemoved, publish, type EventContext } from '@keepsake/events'
import { writeSampleVideo } from '@keepsake/media/testing/sample-media'
import { sharedData, skipUnless, until } from '@keepsake/testing'
import { callAs, KeepsakeError, type Call } from '@keepsake/rpc'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DuplicateGroups, getMedia, getProgress, retryMedia } from './catalogue.js'
import { countStored, eraseFamily, eraseMedia } from './erase.js'
import { finishUpload } from './finish.js'
import { sweep } from './sweep.js'
import { beginPart, commitPart, createUpload, getUpload, terminateUpload } from './upload.js'
import { workOn } from './work.js'
import { openHarness, uploadRequest, writePart, type Harness } from './testing/harness.js'

/** A picture with detail; another seed, another picture. */
async function picture(
  seed: number,
  over: { exif?: Record<string, string>; size?: [number, number] } = {},
): Promise<Buffer> {
  const [width, height] = over.size ?? [640, 480]
  const cells = Array.from({ length: 144 }, (_, i) => createHash('md5').update(`${seed}/${i}`).digest())
  const data = Buffer.alloc(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = cells[Math.floor((x * 12) / width) + 12 * Math.floor((y * 12) / height)] ?? Buffer.alloc(3)
      cell.copy(data, (y * width + x) * 3, 0, 3)
    }
  }
  const image = sharp(data, { raw: { width, height, channels: 3 } })
  return (over.exif ? image.withExif({ IFD2: over.exif }) : image).jpeg({ quality: 92 }).toBuffer()
}

const octets = { contentType: 'application/octet-stream' }

let h: Harness
beforeAll(async () => {
  h = await openHarness()
}, 120_000)
afterAll(() => h.close())

describe('uploads', () => {
  test('go on where they broke off, for one writer at a time', async () => {
    const bytes = await picture(1)
    const call = h.call()
    const { id, state } = await createUpload(h.context, uploadRequest(bytes.length), call)
    expect(state).toBe('open')
    await writePart(h, id, bytes.subarray(0, 1000))
    const first = await beginPart(h.context, id, 1000, call)
    await expect(beginPart(h.context, id, 1000, call)).rejects.toMatchObject({ reason: 'UPLOAD_BUSY', retryable: true })
    // the connection broke: a short part is kept
    await h.objects.put(first.key, bytes.subarray(1000, 1500), { contentType: 'application/octet-stream' })
    expect((await commitPart(h.context, id, { lease: first.lease, size: 500 }, call)).offset).toBe(1500)
    await expect(beginPart(h.context, id, 1000, call)).rejects.toMatchObject({
      reason: 'UPLOAD_OFFSET_MISMATCH',
      details: { offset: '1500' },
    })
    await expect(finishUpload(h.context, id, call)).rejects.toMatchObject({ reason: 'UPLOAD_INCOMPLETE' })
    await writePart(h, id, bytes.subarray(1500))
    const done = await finishUpload(h.context, id, call)
    expect(done).toEqual({ mediaId: id, duplicate: false, joined: false })
    expect(await finishUpload(h.context, id, call)).toEqual(done)
    const item = await h.item(id)
    expect(item.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(h.registered).toContain(id)
    expect(await h.objects.list(`families/${h.familyId}/uploads/${id}/`)[Symbol.asyncIterator]().next()).toMatchObject({
      done: true,
    })
  })

  test('a lease that ran out may be taken over, and then its late writer is refused', async () => {
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(10), call)
    const slow = await beginPart(h.context, id, 0, call)
    await h.database.rows("update ingest.uploads set lease_until = now() - interval '1 second' where id = $1", [id])
    const next = await beginPart(h.context, id, 0, call)
    expect(next.key).not.toBe(slow.key)
    await expect(commitPart(h.context, id, { lease: slow.lease, size: 5 }, call)).rejects.toMatchObject({
      reason: 'UPLOAD_LEASE_LOST',
    })
    await expect(commitPart(h.context, id, { lease: next.lease, size: 11 }, call)).rejects.toMatchObject({
      reason: 'PART_TOO_LARGE',
    })
    expect((await commitPart(h.context, id, { lease: next.lease, size: 10 }, call)).offset).toBe(10)
    expect((await commitPart(h.context, id, { lease: next.lease, size: 10 }, call)).offset).toBe(10) // its answer was lost
  })

  test('belong to the member who began them', async () => {
    const { id } = await createUpload(h.context, uploadRequest(10), h.call())
    await expect(getUpload(h.context, id, h.call(randomUUID()))).rejects.toMatchObject({ reason: 'UPLOAD_NOT_FOUND' })
    await expect(getUpload(h.context, 'nonsense', h.call())).rejects.toMatchObject({ reason: 'UPLOAD_NOT_FOUND' })
  })

  test('are refused when too large or without a usable name', async () => {
    const create = (size: number, fileName: string, audience = '') =>
      createUpload(h.context, uploadRequest(size, { fileName, audience }), h.call())
    await expect(create(2e9, 'a.jpg')).rejects.toMatchObject({ reason: 'UPLOAD_TOO_LARGE' })
    await expect(create(-1, 'a.jpg')).rejects.toMatchObject({ reason: 'UPLOAD_SIZE_INVALID' })
    for (const name of ['', '..', 'a\0.jpg', '/', '\u202e'])
      await expect(create(1, name)).rejects.toMatchObject({ reason: 'FILE_NAME_INVALID' })
    await expect(create(1, 'a.jpg', '{"kind":"world"}')).rejects.toMatchObject({ reason: 'AUDIENCE_INVALID' })
    expect((await create(1, '../../etc/gpj\u202e.exe\u0007.jpg')).fileName).toBe('gpj.exe.jpg')
  })

  test('can be given up; expired ones are swept with their bytes', async () => {
    const call = h.call()
    const given = await createUpload(h.context, uploadRequest(10), call)
    await writePart(h, given.id, Buffer.alloc(5))
    await terminateUpload(h.context, given.id, call)
    await expect(beginPart(h.context, given.id, 5, call)).rejects.toMatchObject({ reason: 'UPLOAD_TERMINATED' })
    const old = await createUpload(h.context, uploadRequest(10), call)
    await writePart(h, old.id, Buffer.alloc(5))
    await h.database.rows("update ingest.uploads set expires_at = now() - interval '1 second' where id = $1", [old.id])
    await expect(getUpload(h.context, old.id, call)).rejects.toMatchObject({ reason: 'UPLOAD_EXPIRED' })
    await sweep(h.context)
    for (const { id } of [given, old]) {
      for await (const entry of h.objects.list(`families/${h.familyId}/uploads/${id}/`))
        throw new Error(`left behind: ${entry.key}`)
    }
  })

  test('of the same bytes are one item, also when they finish at once, and it can be said before a byte is sent', async () => {
    const bytes = await picture(2)
    const all = await Promise.all([1, 2, 3, 4].map(() => h.upload(bytes)))
    expect(new Set(all.map(a => a.mediaId)).size).toBe(1)
    expect(all.filter(a => a.duplicate)).toHaveLength(3)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    // A digest alone tells a relative nothing of what others uploaded; of her own it does.
    const guessed = await createUpload(
      h.context,
      uploadRequest(bytes.length, { sha256 }),
      h.call(randomUUID(), 'relative'),
    )
    expect(guessed).toMatchObject({ state: 'open', mediaId: undefined, duplicate: false })
    const own = await createUpload(h.context, uploadRequest(bytes.length, { sha256 }), h.call(h.memberId, 'relative'))
    expect(own).toMatchObject({ state: 'finished', duplicate: true })
    const known = await createUpload(h.context, uploadRequest(bytes.length, { sha256 }), h.call())
    expect(known).toMatchObject({ state: 'finished', duplicate: true, mediaId: all[0]?.mediaId })
    const rows = await h.database.rows("select 1 from events.outbox where topic = 'media.accepted' and key = $1", [
      all[0]?.mediaId,
    ])
    expect(rows).toHaveLength(1)
    const objects = (await countStored(h.context, h.familyId, all.map(a => a.mediaId).slice(0, 1))).objects
    expect(objects).toBe(1)
  })
})

describe('the same bytes', () => {
  test('as an item that album has erased, while ingest has not heard of it, are a new item that stays', async () => {
    const bytes = await picture(60)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const old = await h.upload(bytes)
    h.erased.add(old.mediaId)
    const begun = await createUpload(h.context, uploadRequest(bytes.length, { sha256 }), h.call())
    expect(begun).toMatchObject({ state: 'open', duplicate: false })
    const again = await h.upload(bytes)
    expect(again).toMatchObject({ duplicate: false })
    expect(again.mediaId).not.toBe(old.mediaId)
    await eraseMedia(h.context, h.familyId, [old.mediaId])
    expect((await countStored(h.context, h.familyId, [old.mediaId])).objects).toBe(0)
    expect(await h.item(again.mediaId)).toMatchObject({ id: again.mediaId })
    expect(await read(h, (await h.item(again.mediaId)).originalKey)).toEqual(bytes)
    expect(await h.upload(bytes)).toMatchObject({ mediaId: again.mediaId, duplicate: true })
  })

  test('as an item that a relative may not see are an item of her own; she and the others hear nothing odd', async () => {
    const bytes = await picture(61)
    const hidden = await h.upload(bytes)
    h.seenBy.set(hidden.mediaId, h.memberId)
    const aunt = h.call(randomUUID(), 'relative')
    const own = await h.upload(bytes, {}, aunt)
    expect(own).toMatchObject({ duplicate: false, joined: false })
    expect(own.mediaId).not.toBe(hidden.mediaId)
    expect(await h.upload(bytes, {}, aunt)).toMatchObject({ mediaId: own.mediaId, duplicate: true })
    expect(await h.upload(bytes)).toMatchObject({ mediaId: hidden.mediaId, duplicate: true })
  })

  test('while album is away are not told anything that may be wrong', async () => {
    const bytes = await picture(62)
    const { mediaId } = await h.upload(bytes)
    const away = Object.assign(Object.create(h.context) as typeof h.context, {
      settings: () => Promise.resolve(h.settings),
      seen: (_: unknown, ids: string[]) =>
        ids.length > 0 ? Promise.reject(new Error('album is away')) : Promise.resolve(new Set()),
    })
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    await writePart(h, id, bytes)
    await expect(finishUpload(away, id, call)).rejects.toThrow('album is away')
    expect(await finishUpload(h.context, id, call)).toMatchObject({ mediaId, duplicate: true })
  })
})

test("a family's uploads are decided so many at a time, and another family's does not wait for them", async () => {
  const asked: string[] = []
  const answers: (() => void)[] = []
  const slow = Object.assign(Object.create(h.context) as typeof h.context, {
    finishing: new Turns(Infinity, 2),
    settings: () => Promise.resolve(h.settings),
    register: () => Promise.resolve(),
    seen: () => {
      asked.push('album')
      return new Promise<Set<string>>(resolve => answers.push(() => resolve(new Set())))
    },
  })
  const complete = async (seed: number, call: Call) => {
    const bytes = await picture(seed)
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    await writePart(h, id, bytes, call)
    return id
  }
  const many = h.call()
  const finishing: Promise<unknown>[] = []
  for (const seed of [71, 72, 73]) finishing.push(finishUpload(slow, await complete(seed, many), many))
  await until(() => asked.length === 2)
  const memberId = randomUUID()
  const other = callAs(
    { kind: 'member', accountId: randomUUID(), familyId: randomUUID(), memberId, role: 'parent', groupIds: [] },
    { deadlineMs: 60_000 },
  )
  const single = await complete(74, other)
  slow.seen = () => Promise.resolve(new Set<string>())
  expect(await finishUpload(slow, single, other)).toMatchObject({ mediaId: single })
  expect(asked.length).toBe(2)
  answers[0]?.()
  await finishing[0]
  for (const answer of answers) answer()
  await Promise.all(finishing)
})

describe('a hash that the writer took as the bytes passed', () => {
  test('saves reading them, and a part may be longer than what was written of it', async () => {
    const bytes = await picture(63)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    const first = await beginPart(h.context, id, 0, call)
    await h.objects.put(first.key, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(50)]), octets)
    await commitPart(h.context, id, { lease: first.lease, size: 100, sha256: 'f'.repeat(64) }, call)
    const last = await beginPart(h.context, id, 100, call)
    await h.objects.put(last.key, bytes.subarray(100), octets)
    await commitPart(h.context, id, { lease: last.lease, size: bytes.length - 100, sha256 }, call)
    const { mediaId } = await finishUpload(h.context, id, call)
    expect((await h.item(mediaId)).sha256).toBe(sha256)
    expect(await read(h, (await h.item(mediaId)).originalKey)).toEqual(bytes)
    expect(await h.upload(bytes)).toMatchObject({ mediaId, duplicate: true })
  })

  test('or not: an upload whose parts the store has lost begins again', async () => {
    const bytes = await picture(67)
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    await writePart(h, id, bytes)
    await h.objects.removePrefix(`families/${h.familyId}/uploads/${id}/`)
    await expect(finishUpload(h.context, id, call)).rejects.toMatchObject({
      reason: 'UPLOAD_OFFSET_MISMATCH',
      details: { offset: '0' },
    })
    expect(await getUpload(h.context, id, call)).toMatchObject({ state: 'open', offset: 0 })
    await writePart(h, id, bytes)
    expect(await finishUpload(h.context, id, call)).toMatchObject({ mediaId: id, duplicate: false })
  })

  test('is forgotten when a later writer did not see all', async () => {
    const bytes = await picture(64)
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    const first = await beginPart(h.context, id, 0, call)
    await h.objects.put(first.key, bytes.subarray(0, 100), octets)
    await commitPart(h.context, id, { lease: first.lease, size: 100, sha256: 'f'.repeat(64) }, call)
    await writePart(h, id, bytes.subarray(100))
    const { mediaId } = await finishUpload(h.context, id, call)
    expect((await h.item(mediaId)).sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  })
})

describe('an import', () => {
  test("is its member's own: who knows its name cannot lay a sidecar beside another's items", async () => {
    const at = { relativePath: 'album/a.jpg', importId: 'phone', fileName: 'a.jpg' }
    const { mediaId } = await h.upload(await picture(65), at)
    const sidecar = Buffer.from(
      JSON.stringify({
        title: 'a.jpg',
        description: 'not yours',
        photoTakenTime: { timestamp: '1000000000' },
        geoData: { latitude: 0, longitude: 0, altitude: 0 },
      }),
    )
    const beside = { relativePath: 'album/a.jpg.json', importId: 'phone', fileName: 'a.jpg.json' }
    const aunt = h.call(randomUUID(), 'relative')
    expect(await h.upload(sidecar, beside, aunt)).toMatchObject({ mediaId: '' })
    // Nor by uploading the same picture into an import of her own: it stays the item of who uploaded it.
    expect(await h.upload(await picture(65), at, aunt)).toMatchObject({ mediaId, duplicate: true })
    expect(await h.upload(sidecar, beside, aunt)).toMatchObject({ mediaId: '' })
    expect(await h.upload(sidecar, beside)).toMatchObject({ mediaId, joined: true })
  })
})

describe('an item that cannot be worked on', () => {
  const failing = async (attempt: number, error: Error) => {
    const { mediaId } = await h.upload(await picture(66))
    const { version } = await h.item(mediaId)
    const away = vi.spyOn(h.objects, 'get').mockImplementation(() => {
      throw error
    })
    const context = { familyId: h.familyId, attempt, signal: new AbortController().signal } as EventContext
    try {
      const effect = await workOn(h.context, h.context.turns, { mediaId, version }, context)
      if (effect) await h.db.family(h.familyId, effect)
    } finally {
      away.mockRestore()
    }
    const { state, failureCode } = await h.item(mediaId)
    return [state, failureCode]
  }
  const storeAway = new KeepsakeError({ code: 'UNAVAILABLE', reason: 'STORAGE_FAILED', message: 'Not now.' })
  const storeFull = new KeepsakeError({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'STORAGE_FULL',
    message: 'No room.',
    retryable: true,
  })

  test('because the store is away is tried for as long as the event log tries, a full disk is told after minutes', async () => {
    await expect(failing(LAST_TRY - 1, storeAway)).rejects.toBe(storeAway)
    await expect(failing(5, storeFull)).rejects.toBe(storeFull)
    await expect(failing(5, new Error('odd'))).rejects.toThrow('odd')
    expect(await failing(6, storeFull)).toEqual(['failed', 'STORAGE_FULL'])
  })
})

describe('a family that is erased', () => {
  test('while an upload finishes keeps no byte, also when the process dies before it can take them back', async () => {
    const own = await openHarness()
    try {
      const bytes = await picture(66)
      const call = own.call()
      const { id } = await createUpload(own.context, uploadRequest(bytes.length), call)
      await writePart(own, id, bytes)
      // The erasure comes between composing and remembering.
      const erasing = Object.assign(Object.create(own.context) as typeof own.context, {
        settings: async () => {
          await eraseFamily(own.context, own.familyId)
          return own.settings
        },
      })
      await expect(finishUpload(erasing, id, call)).rejects.toMatchObject({ reason: 'UPLOAD_NOT_FOUND' })
      expect(await countStored(own.context, own.familyId, [])).toEqual({ rows: 0, objects: 0 })
      await expect(createUpload(own.context, uploadRequest(1), call)).rejects.toMatchObject({
        reason: 'FAMILY_REMOVED',
      })

      // What a dead process wrote after the erasure.
      await own.objects.put(`families/${own.familyId}/media/${id}/original`, bytes, octets)
      await own.objects.put(`families/${own.familyId}/uploads/${id}/0-x`, bytes, octets)
      await sweep(own.context)
      expect(await countStored(own.context, own.familyId, [])).toEqual({ rows: 0, objects: 0 })
    } finally {
      await own.close()
    }
  })
})

describe('a crash', () => {
  test('in the middle of the work costs time and nothing else', async () => {
    const own = await openHarness()
    try {
      const ids = await Promise.all([30, 31, 32, 33].map(async seed => (await own.upload(await picture(seed))).mediaId))
      // The process dies while it works: nothing of its work is committed, the events come again.
      for (let round = 0; round < 3; round++) {
        await own.startWork()
        await until(() => own.media.children().some(child => child.busy), { deadlineMs: 20_000 })
        await own.crash()
      }
      await own.startWork()
      await own.settled()
      for (const id of ids) {
        expect(await own.item(id)).toMatchObject({ state: 'ready', version: 2 })
        const said = await own.database.rows(
          "select 1 from events.outbox where topic = 'media.ingested' and key = $1",
          [id],
        )
        expect(said).toHaveLength(1)
      }
    } finally {
      await own.close()
    }
  }, 120_000)

  test('between composing and remembering leaves an upload that is finished again', async () => {
    const bytes = await picture(34)
    const call = h.call()
    const { id } = await createUpload(h.context, uploadRequest(bytes.length), call)
    await writePart(h, id, bytes)
    const dead = Object.assign(Object.create(h.context) as typeof h.context, {
      settings: () => Promise.reject(new Error('killed')),
    })
    await expect(finishUpload(dead, id, call)).rejects.toThrow('killed')
    expect(await finishUpload(h.context, id, call)).toEqual({ mediaId: id, duplicate: false, joined: false })
  })
})

describe('work', () => {
  beforeAll(() => h.startWork())
  afterAll(() => h.stopWork())

  test('makes an item ready: time, size, renditions, quality', async () => {
    const bytes = await picture(3, { exif: { DateTimeOriginal: '2019:03:21 11:04:22', SubSecTimeOriginal: '348' } })
    const { mediaId } = await h.upload(bytes, {
      fileName: 'IMG_3.jpg',
      collections: ['Crete'],
      audience: '{"kind":"parents"}',
    })
    await h.settled()
    const item = await h.item(mediaId)
    expect(item).toMatchObject({
      state: 'ready',
      kind: 'photo',
      width: 640,
      height: 480,
      contentType: 'image/jpeg',
      collections: ['Crete'],
      audience: '{"kind":"parents"}',
    })
    expect(item.taken).toMatchObject({
      at: new Date('2019-03-21T02:04:22.348Z'),
      offsetMinutes: 540,
      precision: 'exact',
      source: 'exif',
      offsetSource: 'family',
      timeZone: 'Asia/Tokyo',
    })
    expect(item.blurHash).not.toBe('')
    expect(item.perceptualHash).toMatch(/^[0-9a-f]{16}$/)
    expect(item.quality?.overall).toBeGreaterThan(0)
    for (const key of [item.thumbnailKey, item.previewKey, item.originalKey])
      expect(await h.objects.stat(key)).toBeDefined()
    const preview = await sharp(await read(h, item.previewKey)).metadata()
    expect([preview.format, preview.width, preview.exif]).toEqual(['webp', 640, undefined])
    expect(
      await h.database.rows("select 1 from events.outbox where topic = 'media.ingested' and key = $1", [mediaId]),
    ).toHaveLength(1)
  })

  test('tells which seconds of a video move, for whoever chooses one of them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keepsake-motion-'))
    const file = join(folder, 'half-still.mp4')
    await writeSampleVideo(file, { frames: 100, still: 50 })
    const { mediaId } = await h.uploadFile(file)
    await rm(folder, { recursive: true })
    await h.settled()
    const { state, motion } = await h.item(mediaId)
    expect([state, motion.length]).toEqual(['ready', 4])
    for (const still of motion.slice(0, 2)) expect(still).toBeLessThan(0.02)
    for (const moving of motion.slice(2)) expect(moving).toBeGreaterThan(0.2)
  })

  test('broken files end in a clear state, their neighbours are ready, and they can be retried', async () => {
    const whole = await picture(4)
    const broken: Record<string, [Buffer, string]> = {
      empty: [Buffer.alloc(0), 'EMPTY_FILE'],
      text: [Buffer.from('just some words, no picture'), 'NOT_MEDIA'],
      zip: [Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(200, 7)]), 'NOT_MEDIA'],
      truncated: [whole.subarray(0, 150), 'TRUNCATED'],
    }
    const ids = new Map<string, string>()
    for (const [name, [bytes]] of Object.entries(broken))
      ids.set(name, (await h.upload(bytes, { fileName: `${name}.jpg` })).mediaId)
    const neighbour = await h.upload(whole)
    await h.settled()
    for (const [name, [, code]] of Object.entries(broken)) {
      const item = await h.item(ids.get(name) ?? '')
      expect([name, item.state, item.failureCode]).toEqual([name, 'failed', code])
      expect(item.failureMessage).toMatch(/^[A-Z].*\.$/)
      expect(await h.objects.stat(item.originalKey)).toBeDefined()
    }
    expect((await h.item(neighbour.mediaId)).state).toBe('ready')
    const again = ids.get('text') ?? ''
    await retryMedia(h.context, again, h.call())
    await h.settled()
    expect(await h.item(again)).toMatchObject({ state: 'failed', version: 4 })
    await expect(retryMedia(h.context, neighbour.mediaId, h.call())).rejects.toMatchObject({
      reason: 'MEDIA_NOT_FAILED',
    })
  })

  test.each(['before', 'after'])('a sidecar that comes %s its item says the same', async order => {
    const importId = `sidecars ${order}`
    const at = (name: string) => ({ fileName: name, relativePath: `Crete/${name}`, importId })
    const xmp = Buffer.from(
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmp:Rating="4" photoshop:DateCreated="1985-07-02T10:00:00+03:00" exif:GPSLatitude="35,20.4N" exif:GPSLongitude="25,8.04E"/></rdf:RDF></x:xmpmeta>',
    )
    const bytes = await picture(order === 'before' ? 5 : 6)
    if (order === 'before')
      expect(await h.upload(xmp, at('scan.xmp'))).toEqual({ mediaId: '', duplicate: false, joined: true })
    const { mediaId } = await h.upload(bytes, at('scan.jpg'))
    if (order === 'after') {
      await h.settled()
      expect((await h.item(mediaId)).taken?.source).toBe('file-date')
      expect(await h.upload(xmp, at('scan.xmp'))).toEqual({ mediaId, duplicate: false, joined: true })
    }
    await h.settled()
    const item = await h.item(mediaId)
    expect(item.taken).toMatchObject({ at: new Date('1985-07-02T07:00:00Z'), offsetMinutes: 180, source: 'sidecar' })
    expect(item.stars).toBe(4)
    expect(item.place).toMatchObject({ city: 'Irákleion', countryCode: 'GR' })
  })

  test('JSON that is no sidecar is no item either', async () => {
    expect(await h.upload(Buffer.from('{"a":1}'), { fileName: 'a.jpg.json' })).toEqual({
      mediaId: '',
      duplicate: false,
      joined: true,
    })
  })

  test('a corrected rotation turns the renditions, once', async () => {
    const { mediaId } = await h.upload(await picture(7, { size: [600, 400] }))
    await h.settled()
    h.rotations.set(mediaId, 90)
    await h.db.family(h.familyId, tx =>
      publish(tx, MediaChanged, { mediaIds: [mediaId], version: 1, what: ['rotation'] }),
    )
    await until(async () => (await h.item(mediaId)).rotation === 90, { deadlineMs: 30_000 })
    const item = await h.item(mediaId)
    expect(item).toMatchObject({ state: 'ready', width: 400, height: 600, version: 3 })
    const thumbnail = await sharp(await read(h, item.thumbnailKey)).metadata()
    expect(thumbnail.height).toBeGreaterThan(thumbnail.width)
  })

  test('a new time zone of the family moves what was dated by a guess', async () => {
    const own = await openHarness({ timeZone: 'Europe/Berlin', locale: 'en' })
    try {
      const running = await own.startWork()
      expect(running.name).toBe('ingest')
      const guessed = await own.upload(await picture(20, { exif: { DateTimeOriginal: '2019:07:21 11:04:22' } }))
      const sure = await own.upload(
        await picture(21, { exif: { DateTimeOriginal: '2019:07:21 11:04:22', OffsetTimeOriginal: '+02:00' } }),
      )
      await own.settled()
      own.settings.timeZone = 'Asia/Tokyo'
      await own.db.family(own.familyId, tx => publish(tx, FamilyChanged, { version: 2, what: 'settings' }))
      await until(async () => (await own.item(guessed.mediaId)).taken?.offsetMinutes === 540, { deadlineMs: 30_000 })
      expect((await own.item(guessed.mediaId)).taken?.at).toEqual(new Date('2019-07-21T02:04:22Z'))
      expect(await own.item(sure.mediaId)).toMatchObject({ version: 2, taken: { offsetMinutes: 120 } })
    } finally {
      await own.close()
    }
  })

  test('bursts and near duplicates are groups', async () => {
    const at = (time: string) => ({ DateTimeOriginal: `2020:05:05 10:00:${time}` })
    const one = await h.upload(await picture(8, { exif: at('01') }))
    const two = await h.upload(await picture(8, { exif: at('02') }))
    const copy = await h.upload(await picture(8, { size: [320, 240] }))
    await h.settled()
    const groups = await new DuplicateGroups(h.context).list([one.mediaId], h.call())
    expect(groups).toHaveLength(1)
    expect(groups[0]?.kind).toBe('burst')
    expect([...(groups[0]?.mediaIds ?? [])].sort()).toEqual([one.mediaId, two.mediaId, copy.mediaId].sort())
  })

  test('erasing removes every byte and every row, and a late event brings nothing back', async () => {
    const bytes = await picture(9)
    const { mediaId } = await h.upload(bytes, { relativePath: 'e/x.jpg', importId: 'e', fileName: 'x.jpg' })
    await h.settled()
    expect((await countStored(h.context, h.familyId, [mediaId])).objects).toBe(3)
    await h.db.family(h.familyId, tx => publish(tx, MediaRemoved, { mediaIds: [mediaId], version: 1, how: 'erased' }))
    await until(async () => (await getMedia(h.context, [mediaId], h.call())).length === 0, { deadlineMs: 30_000 })
    await until(async () => (await countStored(h.context, h.familyId, [mediaId])).objects === 0, { deadlineMs: 30_000 })
    expect(await countStored(h.context, h.familyId, [mediaId])).toEqual({ rows: 0, objects: 0 })
    const again = await h.upload(bytes)
    expect(again).toMatchObject({ duplicate: false })
    expect(again.mediaId).not.toBe(mediaId)
    await h.settled()
  })
})

const pigallery = sharedData('pigallery2')
skipUnless(pigallery, '../shared/data/pigallery2 is missing').describe('live photos', () => {
  const still = join(pigallery ?? '', 'test_assets/live_photo/IMG_7943.HEIC')
  const clip = join(pigallery ?? '', 'test_assets/live_photo/IMG_7943_HEVC.MOV')
  test.each([
    ['the still', 'its clip', [still, clip]],
    ['the clip', 'its still', [clip, still]],
  ])(
    '%s first, then %s: one item',
    async (_, __, files) => {
      const own = await openHarness({ timeZone: 'Europe/Prague', locale: 'en' })
      try {
        await own.startWork()
        const first = await own.uploadFile(files[0] ?? '')
        await own.settled()
        const second = await own.uploadFile(files[1] ?? '')
        expect(second).toEqual({ mediaId: first.mediaId, duplicate: false, joined: true })
        await own.settled()
        const item = await own.item(first.mediaId)
        expect(item).toMatchObject({
          state: 'ready',
          kind: 'live',
          fileName: 'IMG_7943.HEIC',
          contentType: 'image/heic',
        })
        expect(item.duration).toBeCloseTo(1.93, 1)
        expect(item.taken).toMatchObject({ at: new Date('2026-03-23T14:57:20.001Z'), source: 'exif' })
        for (const key of [item.originalKey, item.clipKey, item.playbackKey, item.previewKey])
          expect(await own.objects.stat(key)).toBeDefined()
        expect((await own.objects.stat(item.originalKey))?.size).toBe(item.size)
        expect(await getProgress(own.context, own.call())).toMatchObject({ total: 1, ready: 1 })
        // either half once more is the same item
        for (const file of files)
          expect(await own.uploadFile(file)).toEqual({ mediaId: first.mediaId, duplicate: true, joined: false })
      } finally {
        await own.close()
      }
    },
    120_000,
  )

  test('both halves at once: one item', async () => {
    const own = await openHarness()
    try {
      const done = await Promise.all([own.uploadFile(still), own.uploadFile(clip)])
      expect(new Set(done.map(d => d.mediaId)).size).toBe(1)
      await own.startWork()
      await own.settled()
      expect(await own.item(done[0]?.mediaId ?? '')).toMatchObject({ state: 'ready', kind: 'live' })
    } finally {
      await own.close()
    }
  }, 120_000)
})

async function read(harness: Harness, key: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of harness.objects.get(key)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
