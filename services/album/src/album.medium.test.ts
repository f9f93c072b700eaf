import { randomUUID } from 'node:crypto'
import { sql, unprotectedTables } from '@keepsake/db'
import type { Audience, FactChanges, ListMediaRequest, MediaFilter } from '@keepsake/proto/album/v1'
import { Media as IngestMedia } from '@keepsake/proto/ingest/v1'
import type { MemberCaller } from '@keepsake/rpc'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setAudience } from './audience.js'
import { createBlock, deleteBlock } from './blocks.js'
import { takeIngested } from './catalogue.js'
import { listChanges } from './changes.js'
import { createCollection, deleteCollection, listCollections, updateCollection } from './collections.js'
import { createComment, deleteComment, listComments } from './comments.js'
import { describeMedia, getProgress } from './describe.js'
import { editMedia, undoEdit } from './edit.js'
import { setFavourite } from './favourite.js'
import { listMedia, listMonths } from './list-media.js'
import { getMedia } from './media.js'
import { listPageMedia, listPages } from './pages.js'
import { forgetFamily, takeFamily, takePeople, takeRatings } from './projections.js'
import { albumWorld, eyes, type AlbumWorld } from './testing/album-world.js'
import { deleteMedia, emptyTrash, restoreMedia } from './trash.js'
import { lockFamily } from './version.js'

let world: AlbumWorld
beforeAll(async () => {
  world = await albumWorld()
})
afterAll(() => world.close())

const filter = (f: Partial<MediaFilter>): MediaFilter => ({ kinds: [], states: [], trash: false, ...f })
const list = (who: MemberCaller, f: Partial<MediaFilter> = {}, more: Partial<ListMediaRequest> = {}) =>
  world.run(tx => listMedia(tx, eyes(who), { filter: filter(f), cursor: '', limit: 500, order: '', ...more }))
const ids = async (who: MemberCaller, f: Partial<MediaFilter> = {}) => (await list(who, f)).media.map(m => m.id)
const get = (who: MemberCaller, id: string) => world.run(tx => getMedia(tx, eyes(who), id))
const edit = (who: MemberCaller, mediaIds: string[], changes: Partial<FactChanges>) =>
  world.run(tx => editMedia(tx, who, mediaIds, { clear: [], ...changes }))
const feed = async (who: MemberCaller, cursor = '') => world.run(tx => listChanges(tx, eyes(who), cursor, 0))
const notFound = { code: 'NOT_FOUND', reason: 'MEDIA_NOT_FOUND' }
const place = (p: object) => ({ city: '', region: '', country: '', countryCode: '', ...p })

test('every table with a family is protected', async () => {
  expect(await unprotectedTables(world.database.ownerUrl)).toEqual([])
})

describe('audience', () => {
  test('the matrix: who sees what, in lists, by id, by months, in the change feed and on pages', async () => {
    const { parent, uncle, grandma, group } = world
    const from = new Date('1990-01-01T00:00:00Z')
    const to = new Date('1991-01-01T00:00:00Z')
    const add = async (audience: Audience, extra = {}) => {
      const id = await world.add({ takenAt: '1990-05-01T00:00:00Z', audience: JSON.stringify(audience), ...extra })
      return id
    }
    const items = {
      everyone: await add({ kind: 'everyone', ids: [] }),
      parents: await add({ kind: 'parents', ids: [] }),
      group: await add({ kind: 'groups', ids: [group] }),
      otherGroup: await add({ kind: 'groups', ids: [randomUUID()] }),
      uncle: await add({ kind: 'members', ids: [uncle.memberId] }),
      broken: await add({ kind: 'nonsense', ids: [] }),
      uploadedByUncle: await add({ kind: 'parents', ids: [] }, { uploadedByMemberId: uncle.memberId }),
    }
    const expected: [MemberCaller, (keyof typeof items)[]][] = [
      [parent, ['everyone', 'parents', 'group', 'otherGroup', 'uncle', 'broken', 'uploadedByUncle']],
      [uncle, ['everyone', 'uncle', 'uploadedByUncle']],
      [grandma, ['everyone', 'group']],
    ]
    for (const [who, names] of expected) {
      const seen = new Set(names.map(name => items[name]))
      expect(new Set(await ids(who, { from, to }))).toEqual(seen)
      const months = await world.run(tx => listMonths(tx, eyes(who), filter({ from, to })))
      expect(months.months).toEqual([{ month: '1990-05', count: seen.size }])
      const changes = new Set((await feed(who)).changes.map(c => c.id))
      for (const id of Object.values(items)) {
        expect(changes.has(id)).toBe(seen.has(id))
        if (seen.has(id)) expect((await get(who, id)).id).toBe(id)
        else {
          await expect(get(who, id)).rejects.toMatchObject(notFound)
          await expect(world.run(tx => setFavourite(tx, who, id, true))).rejects.toMatchObject(notFound)
          await expect(world.run(tx => createComment(tx, who, id, 'hello'))).rejects.toMatchObject(notFound)
          await expect(world.run(tx => deleteMedia(tx, eyes(who), [id], false))).rejects.toMatchObject(notFound)
          await expect(world.run(tx => deleteMedia(tx, eyes(who), [id], true))).rejects.toMatchObject(notFound)
          await expect(edit(who, [id], { rotation: 90 })).rejects.toMatchObject(notFound)
        }
      }
      const page = await world.run(tx =>
        listPageMedia(tx, eyes(who), { pageId: 'whole-family', month: '1990-05', cursor: '', limit: 100 }),
      )
      expect(new Set(page.items.map(item => item.media?.id))).toEqual(seen)
    }
  })

  test('another family sees nothing at all', async () => {
    const id = await world.add()
    const stranger = randomUUID()
    const seen = await world.db.family(stranger, tx =>
      listMedia(tx, eyes(world.parent), { filter: filter({}), cursor: '', limit: 500, order: '' }),
    )
    expect(seen.media).toEqual([])
    await expect(world.db.family(stranger, tx => getMedia(tx, eyes(world.parent), id))).rejects.toMatchObject(notFound)
  })

  test('narrowing it tells those who lose the item that it is gone, and only them', async () => {
    const { parent, uncle, grandma } = world
    const id = await world.add()
    const [before, grandmas] = [(await feed(uncle)).nextCursor, (await feed(grandma)).nextCursor]
    await world.run(tx => setAudience(tx, eyes(parent), [id], { kind: 'members', ids: [uncle.memberId] }))
    expect((await feed(uncle, before)).changes).toMatchObject([{ id, op: 'put' }])
    expect((await feed(grandma, grandmas)).changes).toMatchObject([{ id, op: 'delete' }])
    const secret = await world.add({ audience: '{"kind":"parents"}' })
    const later = (await feed(grandma)).nextCursor
    await world.run(tx => deleteMedia(tx, eyes(parent), [secret], true))
    expect((await feed(grandma, later)).changes).toEqual([])
  })

  test('who leaves a group is told what is gone for her, who joins one what is there, each on all devices', async () => {
    const { group, parent, uncle } = world
    const aunt: MemberCaller = { ...uncle, memberId: randomUUID(), groupIds: [group] }
    const id = await world.add({ audience: JSON.stringify({ kind: 'groups', ids: [group] }) })
    const own = await world.add({
      audience: JSON.stringify({ kind: 'groups', ids: [group] }),
      uploadedByMemberId: aunt.memberId,
    })
    const [aunts, uncles] = [(await feed(aunt)).nextCursor, (await feed(uncle)).nextCursor]
    const gone: MemberCaller = { ...aunt, groupIds: [] }
    const told = (await feed(gone, aunts)).changes
    expect(told).toContainEqual(expect.objectContaining({ kind: 'media', id, op: 'delete' }))
    expect(told.filter(c => c.id === own)).toEqual([]) // what she uploaded she sees all the same
    expect((await feed(gone, aunts)).changes).toEqual(told) // her second device
    expect((await feed(uncle, uncles)).changes).toEqual([])
    const later = (await feed(gone, aunts)).nextCursor
    expect((await feed(gone, later)).changes).toEqual([])
    expect((await feed(aunt, later)).changes).toContainEqual(expect.objectContaining({ id, op: 'put' }))
    expect((await feed(parent, uncles)).changes.filter(c => c.id === id && c.op === 'delete')).toEqual([])
  })

  test('only a parent or the uploader changes it, and nonsense is refused', async () => {
    const { uncle, grandma, parent } = world
    const id = await world.add({ uploadedByMemberId: uncle.memberId })
    const set = (who: MemberCaller, audience: Audience) => world.run(tx => setAudience(tx, eyes(who), [id], audience))
    await expect(set(grandma, { kind: 'parents', ids: [] })).rejects.toMatchObject({ reason: 'NOT_YOURS' })
    await expect(set(parent, { kind: 'groups', ids: [] })).rejects.toMatchObject({ reason: 'AUDIENCE_INVALID' })
    await expect(set(parent, { kind: 'everyone', ids: [uncle.memberId] })).rejects.toMatchObject({
      reason: 'AUDIENCE_INVALID',
    })
    await set(uncle, { kind: 'parents', ids: [] })
    expect(await get(uncle, id)).toMatchObject({ audience: { kind: 'parents' } })
    await expect(get(grandma, id)).rejects.toMatchObject(notFound)
  })
})

describe('catalogue', () => {
  test('an item goes from pending to ready; an older word of ingest, and one about an erased item, change nothing', async () => {
    const id = randomUUID()
    await world.add({ id, version: 1, state: 'pending' })
    expect(await get(world.parent, id)).toMatchObject({ state: 'pending' })
    expect((await world.published('media.changed')).some(e => (e['mediaIds'] as string[]).includes(id))).toBe(false)
    await world.add({ id, version: 2, fileName: 'ready.jpg', collections: ['Summer', 'Summer', ' '] })
    await world.add({ id, version: 1, state: 'pending', fileName: 'late.jpg' })
    const media = await get(world.parent, id)
    expect(media).toMatchObject({ state: 'ready', fileName: 'ready.jpg' })
    expect((await world.published('media.changed')).at(-1)).toMatchObject({ mediaIds: [id], what: ['created'] })
    await world.run(tx => deleteMedia(tx, eyes(world.parent), [id], true))
    await world.add({ id, version: 3 })
    await expect(get(world.parent, id)).rejects.toMatchObject(notFound)
  })

  test('collections named at upload are made once and hold the item', async () => {
    const a = await world.add({ collections: ['Beach 2024'] })
    const b = await world.add({ collections: ['Beach 2024'] })
    const { collections } = await world.run(tx => listCollections(tx, eyes(world.uncle)))
    const beach = collections.find(c => c.name === 'Beach 2024')
    expect(beach?.mediaCount).toBe(2)
    expect(new Set(await ids(world.uncle, { collectionId: beach?.id ?? '' }))).toEqual(new Set([a, b]))
  })
})

describe('lists', () => {
  test('filters: time, kind, favourite, rating, audience, state, words, names of people, children', async () => {
    const { parent, uncle } = world
    const window = { from: new Date('2001-01-01T00:00:00Z'), to: new Date('2002-01-01T00:00:00Z') }
    const at = (day: string) => `2001-${day}T00:00:00Z`
    const beach = await world.add({ takenAt: at('01-01'), fileName: 'beach.jpg', tags: ['Sommer'] })
    const video = await world.add({ takenAt: at('02-01'), kind: 'video', description: '京都の紅葉' })
    const failed = await world.add({
      takenAt: at('03-01'),
      state: 'failed',
      failureCode: 'TRUNCATED',
      failureMessage: 'It is cut off.',
    })
    const shared = await world.add({
      takenAt: at('04-01'),
      audience: JSON.stringify({ kind: 'members', ids: [uncle.memberId] }),
    })
    const [person, child] = [randomUUID(), randomUUID()]
    await world.run(tx =>
      takePeople(tx, {
        version: 1,
        mediaIds: [beach, video, failed, shared],
        assignments: [beach, video].map(mediaId => ({
          faceId: randomUUID(),
          mediaId,
          personId: person,
          confidence: 1,
          confirmed: false,
        })),
        people: [
          {
            id: person,
            name: 'Hana Yamada',
            childId: child,
            hidden: false,
            faceCount: 2,
            mediaCount: 2,
            coverFaceId: '',
            stage: 'child',
            childProbability: 1,
            version: 1,
          },
        ],
      }),
    )
    await world.run(tx =>
      takeRatings(tx, {
        rated: [
          { mediaId: beach, value: 81 },
          { mediaId: video, value: 40 },
        ],
        version: 3,
      }),
    )
    await world.run(tx => setFavourite(tx, uncle, video, true))
    const found = (f: Partial<MediaFilter>, who = parent) => ids(who, { ...window, ...f })
    expect(await found({})).toEqual([shared, failed, video, beach])
    expect(await found({ kinds: ['video'] })).toEqual([video])
    expect(await found({ states: ['failed'] })).toEqual([failed])
    expect(await found({ minRating: 80 })).toEqual([beach])
    expect(await found({ audienceKind: 'members' })).toEqual([shared])
    expect(await found({ personId: person })).toEqual([video, beach])
    expect(await found({ childId: child })).toEqual([video, beach])
    expect(await found({ favourite: true })).toEqual([])
    expect(await found({ favourite: true }, uncle)).toEqual([video])
    expect(await found({ favourite: false }, uncle)).toEqual([shared, failed, beach])
    expect(await found({ query: 'beach' })).toEqual([beach])
    expect(await found({ query: 'somm' })).toEqual([beach])
    expect(await found({ query: '紅葉' })).toEqual([video])
    expect(await found({ query: 'hana beach' })).toEqual([beach])
    expect(await found({ query: 'hana' })).toEqual([video, beach])
    expect(await found({ query: '???' })).toEqual([])
    expect(await found({ personId: 'no id' })).toEqual([])
    await expect(found({ kinds: ['film'] })).rejects.toMatchObject({ reason: 'FILTER_INVALID' })
    expect((await get(uncle, video)).favourite).toBe(true)
    expect(await get(parent, video)).toMatchObject({ favourite: false, favouriteCount: 1, personIds: [person] })
    expect(await get(parent, failed)).toMatchObject({ failureCode: 'TRUNCATED', failureMessage: 'It is cut off.' })
  })

  test('pages hang together, whichever way, also where many items share a moment', async () => {
    const all: string[] = []
    for (let i = 0; i < 23; i++) all.push(await world.add({ takenAt: `1980-01-0${1 + (i % 3)}T00:00:00Z` }))
    const window = { to: new Date('1981-01-01T00:00:00Z') }
    for (const order of ['newest', 'oldest']) {
      const seen: string[] = []
      for (let cursor = ''; ;) {
        const page = await list(world.parent, window, { cursor, limit: 7, order })
        seen.push(...page.media.map(m => m.id))
        if ((cursor = page.nextCursor) === '') break
      }
      expect(seen).toHaveLength(23)
      expect(new Set(seen)).toEqual(new Set(all))
    }
    await expect(list(world.parent, {}, { cursor: 'made-up' })).rejects.toMatchObject({ reason: 'CURSOR_INVALID' })
  })
})

describe('corrections', () => {
  test('win over what ingest says later, move the item on the timeline, and can be taken back', async () => {
    const id = await world.add({ takenAt: '2010-07-01T03:00:00Z' })
    await edit(world.parent, [id], {
      takenAt: '2009-01-02T12:00:00',
      description: 'First steps',
      place: place({ city: 'Nara', country: 'Japan', countryCode: 'jp' }),
    })
    expect(await get(world.parent, id)).toMatchObject({
      takenAt: new Date('2009-01-02T03:00:00Z'),
      takenAtSource: 'person',
      description: 'First steps',
      place: { city: 'Nara', countryCode: 'JP' },
      corrected: ['takenAt', 'place', 'description'],
    })
    expect(await ids(world.parent, { query: 'nara steps' })).toEqual([id])
    await world.add({ id, version: 2, takenAt: '2010-07-01T03:00:00Z' })
    expect(await get(world.parent, id)).toMatchObject({
      takenAt: new Date('2009-01-02T03:00:00Z'),
      description: 'First steps',
    })
    await edit(world.parent, [id], { clear: ['takenAt', 'description'] })
    const back = await get(world.parent, id)
    expect(back).toMatchObject({
      takenAt: new Date('2010-07-01T03:00:00Z'),
      takenAtSource: 'exif',
      description: '',
      corrected: ['place'],
    })
    expect(await ids(world.parent, { query: 'steps' })).toEqual([])
  })

  test('a wrong camera clock is shifted for many at once and undone as a whole', async () => {
    const many = [
      await world.add({ takenAt: '2011-01-01T00:00:00Z' }),
      await world.add({ takenAt: '2011-01-01T06:00:00Z' }),
    ]
    const times = async () => Promise.all(many.map(async id => (await get(world.parent, id)).takenAt?.toISOString()))
    const editId = await edit(world.parent, many, { shiftSeconds: 3_600 * 24 * 365 })
    expect(await times()).toEqual(['2012-01-01T00:00:00.000Z', '2012-01-01T06:00:00.000Z'])
    expect((await world.published('media.changed')).at(-1)).toMatchObject({
      mediaIds: [...many].sort(),
      what: ['facts'],
    })
    await world.run(tx => undoEdit(tx, world.parent, editId))
    expect(await times()).toEqual(['2011-01-01T00:00:00.000Z', '2011-01-01T06:00:00.000Z'])
    await world.run(tx => undoEdit(tx, world.parent, editId))
    expect(await times()).toEqual(['2011-01-01T00:00:00.000Z', '2011-01-01T06:00:00.000Z'])
    await expect(world.run(tx => undoEdit(tx, world.uncle, editId))).rejects.toMatchObject({ reason: 'EDIT_NOT_FOUND' })
  })

  test('are all or nothing, tell ingest of a rotation, and refuse nonsense', async () => {
    const id = await world.add()
    await expect(edit(world.parent, [id, randomUUID()], { rotation: 90 })).rejects.toMatchObject(notFound)
    expect((await get(world.parent, id)).rotation).toBe(0)
    await edit(world.parent, [id], { rotation: 90 })
    expect((await world.published('media.changed')).at(-1)).toMatchObject({ what: ['facts', 'rotation'] })
    const wrong: Partial<FactChanges>[] = [
      {},
      { takenAt: '2023-02-30' },
      { timeZone: 'Nowhere/Land' },
      { rotation: 45 },
      { clear: ['fileName'] },
      { shiftSeconds: 60, takenAt: '2020' },
      { place: place({ latitude: 91, longitude: 0 }) },
    ]
    for (const changes of wrong)
      await expect(edit(world.parent, [id], changes)).rejects.toMatchObject({ reason: 'FACTS_INVALID' })
    await expect(edit(world.uncle, [id], { rotation: 0 })).rejects.toMatchObject({ reason: 'NOT_YOURS' })
  })
})

describe('reactions', () => {
  test('two members who mark the same item at once are both kept, and rating hears of each', async () => {
    const id = await world.add()
    const before = (await world.published('media.reacted')).length
    const mark = (who: MemberCaller, on = true) => world.run(tx => setFavourite(tx, who, id, on))
    expect(await Promise.all([mark(world.uncle), mark(world.grandma), mark(world.uncle)])).toContain(false)
    expect((await get(world.parent, id)).favouriteCount).toBe(2)
    expect(await world.published('media.reacted')).toHaveLength(before + 2)
    await mark(world.uncle, false)
    expect(await mark(world.uncle, false)).toBe(false)
    expect((await get(world.parent, id)).favouriteCount).toBe(1)
  })

  test('a rating that comes while somebody marks the same item waits for it, and neither is refused', async () => {
    const id = await world.add()
    const { rating } = await world.run(async tx => {
      await lockFamily(tx)
      const rating = world.run(other => takeRatings(other, { rated: [{ mediaId: id, value: 77 }], version: 9 }))
      rating.catch(() => undefined) // told below
      const waits = sql`select count(*)::int as count from pg_locks where not granted`
      await until(async () => (await tx.one<{ count: number }>(waits)).count > 0, { deadlineMs: 10_000 })
      await setFavourite(tx, world.uncle, id, true)
      return { rating }
    })
    await rating
    expect(await get(world.parent, id)).toMatchObject({ favouriteCount: 1, rating: 77 })
  })

  test('comments: oldest first, in pages, removed by their author or a parent, and in the feed', async () => {
    const id = await world.add()
    const cursor = (await feed(world.grandma)).nextCursor
    const say = (who: MemberCaller, text: string) => world.run(tx => createComment(tx, who, id, text))
    const first = await say(world.uncle, ' So big! ')
    const second = await say(world.grandma, 'Lovely')
    await expect(say(world.uncle, '   ')).rejects.toMatchObject({ reason: 'COMMENT_INVALID' })
    const page = (c: string) =>
      world.run(tx => listComments(tx, eyes(world.uncle), { mediaId: id, cursor: c, limit: 1 }))
    const one = await page('')
    expect(one.comments).toMatchObject([{ text: 'So big!', memberId: world.uncle.memberId }])
    const two = await page(one.nextCursor)
    expect(two).toMatchObject({ comments: [{ text: 'Lovely' }], nextCursor: '' })
    await expect(world.run(tx => deleteComment(tx, world.uncle, id, second.id))).rejects.toMatchObject({
      reason: 'NOT_YOURS',
    })
    await world.run(tx => deleteComment(tx, world.parent, id, first.id))
    expect((await get(world.parent, id)).commentCount).toBe(1)
    const changes = (await feed(world.grandma, cursor)).changes.filter(c => c.kind === 'comment')
    expect(changes).toMatchObject([
      { id: second.id, op: 'put' },
      { id: first.id, op: 'delete' },
    ])
  })
})

describe('collections', () => {
  test('are made, filled, renamed and removed; a relative sees those that hold something for her', async () => {
    const [open, secret] = [await world.add(), await world.add({ audience: '{"kind":"parents"}' })]
    const parent = eyes(world.parent)
    const made = await world.run(tx => createCollection(tx, parent, 'Secrets', [secret]))
    const seen = async (who: MemberCaller) =>
      (await world.run(tx => listCollections(tx, eyes(who)))).collections.find(c => c.id === made.id)
    expect(await seen(world.uncle)).toBeUndefined()
    await expect(world.run(tx => createCollection(tx, parent, 'Secrets', []))).rejects.toMatchObject({
      reason: 'COLLECTION_EXISTS',
    })
    await world.run(tx =>
      updateCollection(tx, parent, { id: made.id, name: 'Open', addMediaIds: [open], removeMediaIds: [] }),
    )
    expect(await seen(world.uncle)).toMatchObject({ name: 'Open', mediaCount: 1 })
    expect(await seen(world.parent)).toMatchObject({ mediaCount: 2 })
    await expect(
      world.run(tx =>
        updateCollection(tx, eyes(world.uncle), { id: made.id, addMediaIds: [secret], removeMediaIds: [] }),
      ),
    ).rejects.toMatchObject(notFound)
    await world.run(tx => deleteCollection(tx, parent, made.id))
    expect(await seen(world.parent)).toBeUndefined()
    expect(await get(world.parent, open)).toMatchObject({ collectionIds: [] })
  })
})

test('an item knows where its uploaded bytes lie: the still of a live photo that came last, and its clip', async () => {
  const folder = `families/${world.familyId}/media/x`
  const joined = await world.add({ originalKey: `${folder}/still-1`, clipKey: `${folder}/original` })
  expect(await get(world.uncle, joined)).toMatchObject({
    originalKey: `${folder}/still-1`,
    clipKey: `${folder}/original`,
  })
  const motion = await world.add({ originalKey: `${folder}/original`, clipKey: `${folder}/clip` })
  expect(await get(world.uncle, motion)).toMatchObject({ originalKey: `${folder}/original`, clipKey: '' })
})

describe('trash', () => {
  test('hides an item everywhere, brings it back with everything, erases it for good', async () => {
    const { parent, uncle } = world
    const id = await world.add({ fileName: 'keepsafe.jpg', collections: ['Kept'] })
    await world.run(tx => setFavourite(tx, uncle, id, true))
    await world.run(tx => createComment(tx, uncle, id, 'mine'))
    await world.run(tx => deleteMedia(tx, eyes(parent), [id], false))
    expect((await world.published('media.removed')).at(-1)).toMatchObject({ mediaIds: [id], how: 'trashed' })
    expect(await ids(parent, { query: 'keepsafe' })).toEqual([])
    expect(await ids(parent, { query: 'keepsafe', trash: true })).toEqual([id])
    expect(await ids(uncle, { trash: true })).toEqual([])
    await expect(get(uncle, id)).rejects.toMatchObject(notFound)
    expect((await get(parent, id)).trashedAt).toBeInstanceOf(Date)
    const described = await world.run(tx => describeMedia(tx, { mediaIds: [id], all: false, cursor: '' }, new Date()))
    expect(described.media).toEqual([])
    await expect(world.run(tx => restoreMedia(tx, eyes(uncle), [id]))).rejects.toMatchObject(notFound)

    await world.run(tx => restoreMedia(tx, eyes(parent), [id]))
    expect(await get(uncle, id)).toMatchObject({
      favourite: true,
      commentCount: 1,
      collectionIds: [expect.any(String)],
    })
    expect((await world.published('media.changed')).at(-1)).toMatchObject({ mediaIds: [id], what: ['restored'] })

    await world.run(tx => deleteMedia(tx, eyes(parent), [id], true))
    expect((await world.published('media.removed')).at(-1)).toMatchObject({ mediaIds: [id], how: 'erased' })
    const tables = await world.database.rows<{ name: string }>(`
      select c.table_name as name from information_schema.columns c
      where c.table_schema = 'album' and c.column_name = 'media_id'`)
    for (const { name } of tables.filter(t => t.name !== 'changes'))
      expect(await world.database.rows(`select 1 from album.${name} where media_id = $1`, [id])).toEqual([])
    expect(await world.database.rows('select 1 from album.media where id = $1', [id])).toEqual([])
    const last = (await feed(uncle)).changes.filter(c => c.id === id)
    expect(last.map(c => c.op)).toEqual(['delete'])
  })

  test('a relative deletes what he uploaded and nothing else', async () => {
    const own = await world.add({ uploadedByMemberId: world.uncle.memberId })
    const other = await world.add()
    await expect(world.run(tx => deleteMedia(tx, eyes(world.uncle), [own, other], false))).rejects.toMatchObject({
      reason: 'NOT_YOURS',
    })
    await world.run(tx => deleteMedia(tx, eyes(world.uncle), [own], false))
    expect(await ids(world.uncle, { trash: true })).toEqual([own])
    await world.run(tx => restoreMedia(tx, eyes(world.uncle), [own]))
  })

  test('is emptied of what has been there for 30 days, by two sweeps at once', async () => {
    const [old, young] = [await world.add(), await world.add()]
    await world.run(tx => deleteMedia(tx, eyes(world.parent), [old, young], false))
    await world.run(tx =>
      tx.changed(sql`update album.media set trashed_at = now() - interval '31 days' where id = ${old}`),
    )
    const swept = await Promise.all([emptyTrash(world.db, 30, new Date()), emptyTrash(world.db, 30, new Date())])
    expect(swept.reduce((a, b) => a + b)).toBe(1)
    expect(await ids(world.parent, { trash: true })).toContain(young)
    expect(await ids(world.parent, { trash: true })).not.toContain(old)
  })
})

test('an item of a family that was removed does not come back, however late ingest tells of it', async () => {
  const familyId = randomUUID()
  const media = IngestMedia.fromPartial({ id: randomUUID(), version: 1, state: 'ready', fileName: 'Hana.jpg' })
  const late = IngestMedia.fromPartial({ id: randomUUID(), version: 1, state: 'ready', fileName: 'Hana 2.jpg' })
  const count = () =>
    world.db.family(familyId, tx =>
      tx.one<{ media: number }>(sql`select count(*) as media from album.media where family_id = ${familyId}`),
    )
  await world.db.family(familyId, tx => takeIngested(tx, media))
  expect(await count()).toEqual({ media: 1 })
  await world.db.family(familyId, forgetFamily)
  for (const item of [media, late]) await world.db.family(familyId, tx => takeIngested(tx, item))
  expect(await count()).toEqual({ media: 0 })
})

test('blocks of a person, of dates and of a place cover the items they name', async () => {
  const person = randomUUID()
  const id = await world.add({
    takenAt: '2015-08-10T00:00:00Z',
    place: { latitude: 34.68, longitude: 135.8, city: 'Nara', region: 'Nara', country: 'Japan', countryCode: 'JP' },
  })
  const far = await world.add({ takenAt: '2015-09-10T00:00:00Z' })
  await world.run(tx =>
    takePeople(tx, {
      version: 5,
      mediaIds: [id],
      assignments: [{ faceId: randomUUID(), mediaId: id, personId: person, confidence: 1, confirmed: true }],
      people: [
        {
          id: person,
          hidden: false,
          faceCount: 1,
          mediaCount: 1,
          coverFaceId: '',
          stage: 'adult',
          childProbability: 0,
          version: 1,
        },
      ],
    }),
  )
  const blocked = async (now = new Date()) => {
    const { media } = await world.run(tx => describeMedia(tx, { mediaIds: [id, far], all: false, cursor: '' }, now))
    return media.map(m => m.blocked)
  }
  const block = (b: object) => world.run(tx => createBlock(tx, { id: '', kind: '', mode: 'less', ...b }))
  expect(await blocked()).toEqual(['', ''])
  const made = [
    await block({ kind: 'person', personId: person }),
    await block({ kind: 'dates', from: '2015-08-01', to: '2015-08-10', mode: 'never', until: new Date('2100-01-01') }),
    await block({ kind: 'place', place: place({ latitude: 34.7, longitude: 135.8 }), radiusKm: 5 }),
    await block({ kind: 'place', place: place({ city: 'nara' }) }),
  ]
  expect(await blocked()).toEqual(['never', ''])
  expect(await blocked(new Date('2101-01-01'))).toEqual(['less', ''])
  const { media } = await world.run(tx => describeMedia(tx, { mediaIds: [id], all: false, cursor: '' }, new Date()))
  expect(media[0]?.blockIds).toHaveLength(4)
  for (const b of made) await world.run(tx => deleteBlock(tx, b.id))
  expect(await blocked()).toEqual(['', ''])
  await expect(block({ kind: 'dates' })).rejects.toMatchObject({ reason: 'BLOCK_INVALID' })
  await expect(block({ kind: 'weather' })).rejects.toMatchObject({ reason: 'BLOCK_INVALID' })
  expect((await world.published('media.changed')).at(-1)).toMatchObject({ mediaIds: [], what: ['blocks'] })
})

test('a block of a person follows who is on which item', async () => {
  const own = await albumWorld()
  const [before, after] = [await own.add(), await own.add()]
  const person = { id: randomUUID(), hidden: false, faceCount: 1, mediaCount: 1, coverFaceId: '', stage: '' }
  const people = [{ ...person, childProbability: 0, version: 1 }]
  const on = (mediaId: string, version: number) =>
    own.run(tx =>
      takePeople(tx, {
        version,
        mediaIds: [before, after],
        assignments: [{ faceId: randomUUID(), mediaId, personId: person.id, confidence: 1, confirmed: true }],
        people,
      }),
    )
  await on(before, 1)
  await own.run(tx => createBlock(tx, { id: '', kind: 'person', personId: person.id, mode: 'never' }))
  await on(after, 2)
  const told = (await own.published('media.changed')).at(-1)
  expect(told).toMatchObject({ mediaIds: [before, after].sort(), what: ['blocks'] })
  await on(after, 3)
  expect((await own.published('media.changed')).at(-1)).toEqual(told)
  await own.close()
})

test('personal pages: one per child, all children, the whole family; months with the age at the time', async () => {
  const own = await albumWorld()
  const [hana, yui, person, other] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
  const baby = await own.add({ takenAt: '2024-03-15T03:00:00Z' })
  const secret = await own.add({ takenAt: '2024-03-16T03:00:00Z', audience: '{"kind":"parents"}' })
  const bill = await own.add({ takenAt: '2024-03-17T03:00:00Z', mundane: 'receipt' })
  const people = [
    { id: person, childId: hana },
    { id: other, childId: '' },
  ].map(p => ({
    ...p,
    hidden: false,
    faceCount: 1,
    mediaCount: 1,
    coverFaceId: '',
    stage: '',
    childProbability: 0,
    version: 1,
  }))
  await own.run(tx =>
    takeFamily(
      tx,
      {
        id: own.familyId,
        name: 'F',
        plan: 'premium',
        timeZone: 'Asia/Tokyo',
        locale: 'ja',
        role: '',
        version: 1,
        unknownFacesDays: 90,
      },
      [
        { id: hana, name: 'Hana', birthDate: '2023-01-15' },
        { id: yui, name: 'Yui', birthDate: '2024-01-01' },
      ],
    ),
  )
  const face = (mediaId: string, personId: string) => ({
    faceId: randomUUID(),
    mediaId,
    personId,
    confidence: 1,
    confirmed: false,
  })
  await own.run(tx =>
    takePeople(tx, {
      version: 1,
      mediaIds: [baby, secret],
      assignments: [face(baby, person), face(secret, person), face(baby, other)],
      people,
    }),
  )
  const pages = async (who: MemberCaller) => (await own.run(tx => listPages(tx, eyes(who)))).pages
  expect(await pages(own.uncle)).toMatchObject([
    {
      id: hana,
      name: 'Hana',
      childId: hana,
      mediaCount: 1,
      months: [{ month: '2024-03', count: 1, ageMonths: 14 }],
      coverMediaId: baby,
    },
    { id: yui, mediaCount: 0, months: [], coverMediaId: '' },
    { id: 'all-children', mediaCount: 1 },
    { id: 'whole-family', mediaCount: 1, months: [{ month: '2024-03', count: 1 }] },
  ])
  expect((await pages(own.parent)).map(p => p.mediaCount)).toEqual([2, 0, 2, 2])
  const items = await own.run(tx =>
    listPageMedia(tx, eyes(own.parent), { pageId: hana, month: '2024-03', cursor: '', limit: 10 }),
  )
  expect(items.items.map(i => [i.media?.id, i.ageMonths])).toEqual([
    [secret, 14],
    [baby, 14],
  ])
  await expect(
    own.run(tx => listPageMedia(tx, eyes(own.parent), { pageId: randomUUID(), cursor: '', limit: 10 })),
  ).rejects.toMatchObject({ reason: 'PAGE_NOT_FOUND' })
  // Cluster thinks again: nobody is on the second picture any more, and an older answer comes late.
  await own.run(tx => takePeople(tx, { version: 3, mediaIds: [secret], assignments: [], people }))
  await own.run(tx => takePeople(tx, { version: 2, mediaIds: [secret], assignments: [face(secret, person)], people }))
  expect((await pages(own.parent)).map(p => p.mediaCount)).toEqual([1, 0, 1, 2])
  expect(await own.run(getProgress)).toEqual({
    ready: 3,
    pending: 0,
    failed: 0,
    trashed: 0,
    peopleVersion: 3,
    ratingVersion: 0,
    version: expect.any(Number),
  })
  expect(bill).toBeDefined()
  await own.close()
})
