import type { FactChanges, Media as MediaMessage } from '@keepsake/proto/album/v1'
import { z } from 'zod'
import { ifThere } from './clients.js'
import { endpoint, type AnyEndpoint, type Input } from './endpoint.js'
import { erasureHeader } from './erasures.js'
import { errors } from './errors.js'
import { cursorOf, listOf, orAbsent, paging, present, words, yes } from './list.js'
import { mediaUrl, originalKeyOf, renditionKey, renditions } from './media-urls.js'
import { personNames } from './person-names.js'
import { instant, localTime, splitWallClock, wallClock } from './times.js'

/** Who may see an item. */
export const audience = z
  .object({
    kind: z.enum(['everyone', 'parents', 'groups', 'members']),
    ids: z.array(z.string().max(100)).max(1000).optional(),
  })
  .meta({ id: 'Audience' })

const place = z
  .object({
    latitude: z.number().min(-90).max(90).optional(),
    longitude: z.number().min(-180).max(180).optional(),
    city: z.string().max(200).optional(),
    region: z.string().max(200).optional(),
    country: z.string().max(200).optional(),
    countryCode: z.string().max(2).optional(),
  })
  .meta({ id: 'Place' })

const box = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() })

const reason = z.object({ code: z.string(), message: z.string() })

/** An item as lists show it. */
export const media = z
  .object({
    id: z.string(),
    fileName: z.string(),
    kind: z.string(),
    state: z.enum(['pending', 'ready', 'failed']),
    stateReason: reason.optional(),
    takenAt: z.string().optional(),
    takenAtPrecision: z.string().optional(),
    takenAtSource: z.string().optional(),
    timeZone: z.string().optional(),
    place: place.optional(),
    description: z.string().optional(),
    width: z.int(),
    height: z.int(),
    duration: z.number().optional(),
    size: z.int(),
    contentType: z.string().optional(),
    audience,
    favourite: z.boolean(),
    favouriteCount: z.int(),
    commentCount: z.int(),
    blurHash: z.string().optional(),
    rotation: z.int(),
    mundane: z.string().optional(),
    corrected: z.array(z.string()),
    personIds: z.array(z.string()),
    collectionIds: z.array(z.string()),
    uploadedBy: z.string().optional(),
    uploadedAt: instant.optional(),
    trashedAt: instant.optional(),
    version: z.int(),
    rating: z.object({ value: z.number() }).optional(),
    urls: z
      .object({
        thumbnail: z.string().optional(),
        preview: z.string().optional(),
        poster: z.string().optional(),
        playback: z.string().optional(),
        original: z.string().optional(),
      })
      .optional(),
    ageMonths: z.int().optional(),
  })
  .meta({ id: 'Media' })

/** An item with everything that is known of it. */
export const mediaDetail = media
  .extend({
    faces: z
      .array(
        z.object({
          id: z.string(),
          box,
          personId: z.string().optional(),
          personName: z.string().optional(),
          confirmed: z.boolean().optional(),
          age: z.number().optional(),
          smile: z.number().optional(),
          expression: z.string().optional(),
          at: z.number().optional(),
        }),
      )
      .optional(),
    rating: z
      .object({
        value: z.number(),
        parts: z
          .array(
            z.object({
              name: z.string(),
              points: z.number(),
              reason: z.string(),
              reasonKey: z.string().optional(),
              reasonParams: z.record(z.string(), z.string()).optional(),
            }),
          )
          .optional(),
      })
      .optional(),
  })
  .meta({ id: 'MediaDetail' })

type MediaJson = z.input<typeof media>
type Store = Input<unknown, unknown, unknown>['edge']['store']

/** An item of the catalogue as the API shows it, with URLs that a browser can put into an <img>. */
export function shownMedia(m: MediaMessage, familyId: string, store: Store): MediaJson {
  return present({
    id: m.id,
    fileName: m.fileName,
    kind: m.kind,
    state: m.state === 'ready' || m.state === 'failed' ? m.state : ('pending' as const),
    stateReason:
      m.failureCode === undefined
        ? undefined
        : { code: m.failureCode, message: m.failureMessage ?? 'This file could not be processed.' },
    takenAt: m.takenAt === undefined ? undefined : localTime(m.takenAt, m.takenAtOffsetMinutes),
    takenAtPrecision: orAbsent(m.takenAtPrecision),
    takenAtSource: orAbsent(m.takenAtSource),
    timeZone: orAbsent(m.timeZone),
    place:
      m.place === undefined
        ? undefined
        : present({
            latitude: m.place.latitude,
            longitude: m.place.longitude,
            city: orAbsent(m.place.city),
            region: orAbsent(m.place.region),
            country: orAbsent(m.place.country),
            countryCode: orAbsent(m.place.countryCode),
          }),
    description: orAbsent(m.description),
    width: m.width,
    height: m.height,
    duration: m.duration,
    size: m.size,
    contentType: orAbsent(m.contentType),
    audience: shownAudience(m.audience),
    favourite: m.favourite,
    favouriteCount: m.favouriteCount,
    commentCount: m.commentCount,
    blurHash: orAbsent(m.blurHash),
    rotation: m.rotation,
    mundane: orAbsent(m.mundane),
    corrected: m.corrected,
    personIds: m.personIds,
    collectionIds: m.collectionIds,
    uploadedBy: orAbsent(m.uploadedByMemberId),
    uploadedAt: m.uploadedAt?.toISOString(),
    trashedAt: m.trashedAt?.toISOString(),
    version: m.version,
    rating: m.rating === undefined ? undefined : { value: m.rating },
    urls: store.signedUrls(`${familyId} ${m.id} ${m.version} ${m.state}`, () => urlsOf(m, familyId, store)),
  }) as MediaJson
}

function urlsOf(m: MediaMessage, familyId: string, store: Store): MediaJson['urls'] & object {
  const url = (rendition: (typeof renditions)[number]) =>
    mediaUrl(store, renditionKey(familyId, m.id, rendition), m.version)
  const original = mediaUrl(store, originalKeyOf(familyId, m), undefined, m.fileName)
  if (m.state !== 'ready') return { original }
  const video = m.kind === 'video' || m.kind === 'live'
  return {
    thumbnail: url('thumbnail'),
    preview: url('preview'),
    ...(video && { poster: url('poster'), playback: url('playback') }),
    original,
  }
}

const kinds = ['everyone', 'parents', 'groups', 'members'] as const
const shownAudience = (a: { kind: string; ids: string[] } | undefined): z.input<typeof audience> => {
  const kind = kinds.find(k => k === a?.kind) ?? 'everyone'
  return a !== undefined && a.ids.length > 0 ? { kind, ids: a.ids } : { kind }
}

const audienceMessage = (a: z.output<typeof audience>) => ({ kind: a.kind, ids: a.ids ?? [] })

const filter = z.object({
  ...paging,
  from: instant.optional(),
  to: instant.optional(),
  person: z.string().max(100).optional(),
  child: z.string().max(100).optional(),
  kind: words(['photo', 'video', 'live']).optional(),
  favourite: yes.optional(),
  minRating: z.coerce.number<string>().min(0).max(100).optional(),
  audience: z.enum(kinds).optional(),
  collection: z.string().max(100).optional(),
  q: z.string().max(200).optional(),
  trash: yes.optional(),
  state: words(['pending', 'ready', 'failed']).optional(),
  order: z.enum(['newest', 'oldest']).optional(),
})

const filterMessage = (q: z.output<typeof filter>) => ({
  from: q.from === undefined ? undefined : new Date(q.from),
  to: q.to === undefined ? undefined : new Date(q.to),
  personId: q.person,
  childId: q.child,
  kinds: q.kind ?? [],
  favourite: q.favourite,
  minRating: q.minRating,
  audienceKind: q.audience,
  collectionId: q.collection,
  query: orAbsent(q.q ?? ''),
  trash: q.trash ?? false,
  states: q.state ?? [],
})

const facts = z.object({
  takenAt: wallClock.nullable().optional(),
  timeZone: z.string().max(100).nullable().optional(),
  place: place.nullable().optional(),
  description: z.string().max(4000).nullable().optional(),
  rotation: z
    .union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)])
    .nullable()
    .optional(),
})
const patch = facts.extend({ audience: audience.optional() })

/** What changes, and what is taken back (null). */
function factChanges(body: z.output<typeof facts>): FactChanges | undefined {
  const fields = ['takenAt', 'timeZone', 'place', 'description', 'rotation'] as const
  const given = fields.filter(field => body[field] !== undefined)
  if (given.length === 0) return undefined
  const time = typeof body.takenAt === 'string' ? splitWallClock(body.takenAt) : undefined
  return {
    takenAt: time?.wallClock,
    timeZone: body.timeZone ?? time?.zone,
    place:
      body.place === null || body.place === undefined
        ? undefined
        : {
            latitude: body.place.latitude,
            longitude: body.place.longitude,
            city: body.place.city ?? '',
            region: body.place.region ?? '',
            country: body.place.country ?? '',
            countryCode: body.place.countryCode ?? '',
          },
    description: body.description ?? undefined,
    rotation: body.rotation ?? undefined,
    clear: given.filter(field => body[field] === null),
  }
}

const comment = z
  .object({
    id: z.string(),
    memberId: z.string(),
    memberName: z.string().optional(),
    text: z.string(),
    at: instant,
  })
  .meta({ id: 'Comment' })

const collection = z.object({ id: z.string(), name: z.string(), mediaCount: z.int() }).meta({ id: 'Collection' })
const ids = z.array(z.string().max(100)).min(1).max(500)

const base = '/v1/families/{familyId}/media' as const
const item = `${base}/{mediaId}` as const
type Asked = Pick<Input<unknown, unknown, unknown>, 'edge' | 'familyId' | 'request' | 'as' | 'asGateway'>

/** The language of sentences for a person, by what the client says it understands best. */
const languageOf = (request: { headers: { 'accept-language'?: string | undefined } }): 'en' | 'ja' =>
  /^\s*ja\b/i.test(request.headers['accept-language'] ?? '') ? 'ja' : 'en'

/** The item with faces, people and the rating's parts; each part is left out while its service is away. */
async function detail(asked: Asked, mediaId: string): Promise<z.input<typeof mediaDetail>> {
  const { edge, familyId } = asked
  const { clients, store } = edge
  // First of all whether the person may see it: nothing else is asked for before.
  const { media: found } = await clients.album.getMedia({ mediaId }, await asked.as())
  if (found === undefined) throw errors.mediaNotFound()
  const shown = shownMedia(found, familyId, store)
  const mediaIds = [mediaId]
  const [faces, people, ratings] = await Promise.all([
    ifThere(clients.face.getFaces({ mediaIds, embeddings: false, faceIds: [] }, asked.asGateway(5000))),
    ifThere(clients.cluster.getAssignments({ mediaIds, cursor: '' }, await asked.as(5000))),
    ifThere(clients.rating.getRatings({ mediaIds, locale: languageOf(asked.request) }, asked.asGateway(5000))),
  ])
  const assigned = new Map(people?.assignments.map(a => [a.faceId, a]))
  const names = await personNames(asked, people?.people ?? [])
  const rating = ratings?.ratings[0]
  return {
    ...shown,
    ...(faces !== undefined && {
      faces: faces.items
        .flatMap(each => each.faces)
        .map(face => {
          const who = assigned.get(face.id)
          return present({
            id: face.id,
            box: face.box ?? { x: 0, y: 0, w: 0, h: 0 },
            personId: who?.personId,
            personName: who?.personId === undefined ? undefined : names.get(who.personId),
            confirmed: who?.confirmed,
            age: Math.round(face.age * 10) / 10,
            smile: face.smile,
            expression: orAbsent(face.expression),
            at: face.at,
          })
        }),
    }),
    ...(rating !== undefined && {
      rating: {
        value: rating.value,
        parts: rating.parts.map(p => ({
          name: p.name,
          points: p.points,
          reason: p.reason,
          ...(p.reasonKey !== '' && { reasonKey: p.reasonKey, reasonParams: p.reasonParams }),
        })),
      },
    }),
  }
}

/** Throws MEDIA_NOT_FOUND for what the person may not see. */
async function requireVisible(asked: Asked, mediaId: string): Promise<MediaMessage> {
  const { media: found } = await asked.edge.clients.album.getMedia({ mediaId }, await asked.as())
  if (found === undefined) throw errors.mediaNotFound()
  return found
}

/** Items: the timeline, facts and their corrections, favourites, comments, trash, bytes. */
export const mediaEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: base,
    id: 'listMedia',
    summary: 'Items that the member may see, newest first.',
    query: filter,
    answer: listOf(media),
    async handle({ query, edge, familyId, as }) {
      const page = await edge.clients.album.listMedia(
        {
          filter: filterMessage(query),
          cursor: query.cursor ?? '',
          limit: query.limit ?? 50,
          order: query.order ?? 'newest',
        },
        await as(),
      )
      return {
        items: page.media.map(m => shownMedia(m, familyId, edge.store)),
        nextCursor: cursorOf(page.nextCursor),
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/months',
    id: 'listMonths',
    summary: 'Months that hold items, newest first, with counts.',
    query: filter.omit({ cursor: true, limit: true, order: true }),
    answer: listOf(z.object({ month: z.string(), count: z.int() })),
    async handle({ query, edge, as }) {
      const { months } = await edge.clients.album.listMonths({ filter: filterMessage(query) }, await as())
      return { items: months, nextCursor: null }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}:edit`,
    id: 'editMedia',
    summary: 'Corrects facts of many items at once, all or nothing; `shift` moves the time of a wrong camera clock.',
    body: z.object({
      ids,
      changes: patch.optional(),
      shift: z
        .union([z.int(), z.object({ seconds: z.int() })])
        .optional()
        .meta({ description: 'Seconds.' }),
    }),
    answer: z.object({ editId: z.string().optional() }),
    codes: ['MEDIA_NOT_FOUND', 'INVALID_VALUE'],
    async handle({ body, edge, as }) {
      const shiftSeconds = typeof body.shift === 'object' ? body.shift.seconds : body.shift
      const facts = factChanges(body.changes ?? {})
      const changes =
        facts === undefined && shiftSeconds === undefined ? undefined : { clear: [], ...facts, shiftSeconds }
      const audience = body.changes?.audience && audienceMessage(body.changes.audience)
      if (changes === undefined && audience === undefined)
        throw errors.malformed('Say what to change, or by how much to shift.')
      const { editId } = await edge.clients.album.editMedia({ mediaIds: body.ids, changes, audience }, await as())
      return editId === '' ? {} : { editId }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/families/{familyId}/edits/{editId}/undo',
    id: 'undoEdit',
    summary: 'Takes an edit back as a whole.',
    async handle({ params, edge, as }) {
      await edge.clients.album.undoEdit({ editId: params.editId }, await as())
    },
  }),
  endpoint({
    method: 'GET',
    path: item,
    id: 'getMedia',
    summary: 'One item with faces, people and the parts of its rating.',
    answer: mediaDetail,
    codes: ['MEDIA_NOT_FOUND'],
    handle: input => detail(input, input.params.mediaId),
  }),
  endpoint({
    method: 'PATCH',
    path: item,
    id: 'updateMedia',
    summary: 'Corrects facts (`null` takes a correction back) and sets the audience.',
    body: patch,
    answer: mediaDetail,
    codes: ['MEDIA_NOT_FOUND', 'INVALID_VALUE'],
    async handle(input) {
      const { body, edge, params, reply } = input
      const { mediaId } = params
      const changes = factChanges(body)
      const audience = body.audience && audienceMessage(body.audience)
      if (changes !== undefined || audience !== undefined) {
        const edit = { mediaIds: [mediaId], changes, audience }
        const { editId } = await edge.clients.album.editMedia(edit, await input.as())
        if (editId !== '') void reply.header('keepsake-edit-id', editId)
      }
      return detail(input, mediaId)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: item,
    id: 'deleteMedia',
    summary:
      'Moves the item to the trash for 30 days; `now=true` erases it, and `Keepsake-Erasure-Id` names the receipt.',
    query: z.object({ now: yes.optional() }),
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, query, edge, as, reply }) {
      const asked = { mediaIds: [params.mediaId], now: query.now ?? false }
      const { erasureId } = await edge.clients.album.deleteMedia(asked, await as())
      if (erasureId !== undefined) void reply.header(erasureHeader, erasureId)
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}:delete`,
    id: 'deleteManyMedia',
    summary: 'Moves many items to the trash, or erases them.',
    body: z.object({ ids, now: z.boolean().optional() }),
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ body, edge, as, reply }) {
      const asked = { mediaIds: body.ids, now: body.now ?? false }
      const { erasureId } = await edge.clients.album.deleteMedia(asked, await as())
      if (erasureId !== undefined) void reply.header(erasureHeader, erasureId)
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/restore`,
    id: 'restoreMedia',
    summary: 'Takes the item out of the trash with faces and comments.',
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.album.restoreMedia({ mediaIds: [params.mediaId] }, await as())
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/retry`,
    id: 'retryMedia',
    summary: 'Works on a failed item again.',
    status: 202,
    codes: ['MEDIA_NOT_FOUND', 'MEDIA_NOT_FAILED'],
    async handle(input) {
      await requireVisible(input, input.params.mediaId)
      await input.edge.clients.ingest.retryMedia({ mediaId: input.params.mediaId }, await input.as())
    },
  }),
  endpoint({
    method: 'PUT',
    path: `${item}/favourite`,
    id: 'setFavourite',
    summary: 'Marks the item for the calling member; twice is the same as once.',
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.album.setFavourite({ mediaId: params.mediaId, on: true }, await as())
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${item}/favourite`,
    id: 'unsetFavourite',
    summary: 'Takes the mark away.',
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.album.setFavourite({ mediaId: params.mediaId, on: false }, await as())
    },
  }),
  endpoint({
    method: 'GET',
    path: `${item}/comments`,
    id: 'listComments',
    summary: 'Comments, oldest first.',
    query: z.object(paging),
    answer: listOf(comment),
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, query, edge, as }) {
      const [page, members] = await Promise.all([
        edge.clients.album.listComments(
          { mediaId: params.mediaId, cursor: query.cursor ?? '', limit: query.limit ?? 100 },
          await as(),
        ),
        ifThere(edge.clients.family.listMembers({}, await as())),
      ])
      const names = new Map(members?.members.map(m => [m.id, m.name]))
      return {
        items: page.comments.map(c => present({ ...shownComment(c), memberName: names.get(c.memberId) })),
        nextCursor: cursorOf(page.nextCursor),
      }
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/comments`,
    id: 'createComment',
    summary: 'Comments on the item.',
    body: z.object({ text: z.string().min(1).max(4000) }),
    answer: comment,
    status: 201,
    codes: ['MEDIA_NOT_FOUND'],
    async handle({ params, body, edge, as }) {
      const made = await edge.clients.album.createComment({ mediaId: params.mediaId, text: body.text }, await as())
      if (made.comment === undefined) throw errors.mediaNotFound()
      return shownComment(made.comment)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${item}/comments/{commentId}`,
    id: 'deleteComment',
    summary: 'Removes a comment (its author or a parent).',
    codes: ['MEDIA_NOT_FOUND', 'COMMENT_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.album.deleteComment({ mediaId: params.mediaId, commentId: params.commentId }, await as())
    },
  }),
  endpoint({
    method: 'GET',
    path: `${item}/renditions/{rendition}`,
    id: 'getRendition',
    summary: 'A rendition’s bytes, by a redirect to a signed URL.',
    status: 302,
    produces: ['image/webp', 'video/mp4'],
    codes: ['MEDIA_NOT_FOUND', 'RENDITION_NOT_FOUND'],
    async handle(input) {
      const { mediaId, rendition } = input.params
      const known = renditions.find(each => each === rendition)
      if (known === undefined) throw errors.renditionNotFound()
      const found = await requireVisible(input, mediaId)
      const key = renditionKey(input.familyId, mediaId, known)
      if ((await input.edge.store.stat(key)) === undefined) throw errors.renditionNotFound()
      redirect(input, mediaUrl(input.edge.store, key, found.version))
    },
  }),
  endpoint({
    method: 'GET',
    path: `${item}/original`,
    id: 'getOriginal',
    summary: 'The uploaded bytes, unchanged, by a redirect to a signed URL.',
    status: 302,
    produces: ['application/octet-stream'],
    codes: ['MEDIA_NOT_FOUND'],
    async handle(input) {
      const { mediaId } = input.params
      const found = await requireVisible(input, mediaId)
      const key = originalKeyOf(input.familyId, found)
      if ((await input.edge.store.stat(key)) === undefined) throw errors.renditionNotFound()
      redirect(input, mediaUrl(input.edge.store, key, undefined, found.fileName))
    },
  }),

  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/collections',
    id: 'listCollections',
    summary: 'Albums inside the family’s album.',
    answer: listOf(collection),
    async handle({ edge, as }) {
      const { collections } = await edge.clients.album.listCollections({}, await as())
      return { items: collections, nextCursor: null }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/families/{familyId}/collections',
    id: 'createCollection',
    summary: 'Makes a collection.',
    body: z.object({ name: z.string().min(1).max(200), mediaIds: ids.optional() }),
    answer: collection,
    status: 201,
    async handle({ body, edge, as }) {
      const made = await edge.clients.album.createCollection(
        { name: body.name, mediaIds: body.mediaIds ?? [] },
        await as(),
      )
      if (made.collection === undefined) throw errors.notFound()
      return made.collection
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/v1/families/{familyId}/collections/{collectionId}',
    id: 'updateCollection',
    summary: 'Renames a collection, adds and removes items.',
    body: z.object({
      name: z.string().min(1).max(200).optional(),
      addMediaIds: ids.optional(),
      removeMediaIds: ids.optional(),
    }),
    answer: collection,
    codes: ['COLLECTION_NOT_FOUND'],
    async handle({ params, body, edge, as }) {
      const changed = await edge.clients.album.updateCollection(
        {
          id: params.collectionId,
          name: body.name,
          addMediaIds: body.addMediaIds ?? [],
          removeMediaIds: body.removeMediaIds ?? [],
        },
        await as(),
      )
      if (changed.collection === undefined) throw errors.notFound()
      return changed.collection
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/families/{familyId}/collections/{collectionId}',
    id: 'deleteCollection',
    summary: 'Removes a collection; its items stay.',
    codes: ['COLLECTION_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.album.deleteCollection({ id: params.collectionId }, await as())
    },
  }),

  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/changes',
    id: 'listChanges',
    summary:
      'Every creation, edit and deletion that the member may see, in order. Keep the last cursor that was not null.',
    query: z.object(paging),
    answer: listOf(
      z
        .object({ kind: z.string(), id: z.string(), version: z.int(), op: z.enum(['put', 'delete']) })
        .meta({ id: 'Change' }),
    ),
    async handle({ query, edge, as }) {
      const page = await edge.clients.album.listChanges(
        { cursor: query.cursor ?? '', limit: query.limit ?? 200 },
        await as(),
      )
      return {
        items: page.changes.map(c => ({ ...c, op: c.op === 'delete' ? ('delete' as const) : ('put' as const) })),
        // An empty page is the end for now, whatever position it stands at.
        nextCursor: page.changes.length === 0 ? null : cursorOf(page.nextCursor),
      }
    },
  }),
]

const shownComment = (c: { id: string; memberId: string; text: string; at?: Date | undefined }) => ({
  id: c.id,
  memberId: c.memberId,
  text: c.text,
  at: (c.at ?? new Date(0)).toISOString(),
})

function redirect({ reply }: Pick<Input<unknown, unknown, unknown>, 'reply'>, url: string): void {
  void reply.header('cache-control', 'private, no-cache').redirect(url, 302)
}
