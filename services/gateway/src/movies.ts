import type { Movie as MovieMessage } from '@keepsake/proto/render/v1'
import { z } from 'zod'
import { endpoint, type AnyEndpoint, type Edge } from './endpoint.js'
import { errors } from './errors.js'
import { cursorOf, listOf, orAbsent, paging, present } from './list.js'
import { audience } from './media.js'
import { attachment, mediaUrl } from './media-urls.js'
import { zoneOf } from './pages.js'
import { dayOrInstant, instant, momentOf } from './times.js'

const rectangle = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() })
const length = z.union([z.enum(['short', 'medium', 'long']), z.string().regex(/^\d{1,4}$/), z.int().min(1).max(3600)])
const mediaIds = z.array(z.string().max(100)).max(1000)

const movie = z
  .object({
    id: z.string(),
    kind: z.string(),
    title: z.string().optional(),
    period: z.object({ from: instant, to: instant }),
    childId: z.string().optional(),
    mood: z.string().optional(),
    length: z.string(),
    aspect: z.string(),
    music: z.boolean(),
    status: z.enum(['queued', 'rendering', 'ready', 'failed', 'rejected']),
    statusReason: z.object({ code: z.string(), message: z.string() }).optional(),
    published: z.boolean(),
    progress: z.number(),
    url: z.string().optional(),
    downloadUrl: z.string().optional(),
    posterUrl: z.string().optional(),
    chaptersUrl: z.string().optional(),
    altText: z.string().optional(),
    duration: z.number(),
    width: z.int(),
    height: z.int(),
    audience: audience.optional(),
    createdAt: instant.optional(),
    version: z.int(),
    storyboard: z.array(
      z.object({
        mediaId: z.string().optional(),
        kind: z.string(),
        start: z.number(),
        duration: z.number(),
        in: z.number().optional(),
        framing: z.object({ start: rectangle, end: rectangle }).optional(),
        transition: z.string(),
        reason: z.string(),
        text: z.string().optional(),
      }),
    ),
    rejected: z.array(z.object({ mediaId: z.string(), reason: z.string() })),
  })
  .meta({ id: 'Movie' })

const statuses = ['queued', 'rendering', 'ready', 'failed', 'rejected'] as const
const kinds = ['everyone', 'parents', 'groups', 'members'] as const

function shown(m: MovieMessage | undefined, edge: Edge): z.input<typeof movie> {
  if (m === undefined) throw errors.notFound()
  const ready = m.status === 'ready'
  const url = (key: string, fileName?: string) =>
    ready && key !== '' ? mediaUrl(edge.store, key, m.version, fileName) : undefined
  const kind = kinds.find(k => k === m.audienceKind)
  return present({
    id: m.id,
    kind: m.kind,
    title: orAbsent(m.title),
    period: { from: (m.from ?? new Date(0)).toISOString(), to: (m.to ?? new Date(0)).toISOString() },
    childId: m.childId,
    mood: orAbsent(m.mood),
    length: m.length,
    aspect: m.aspect,
    music: m.music,
    status: statuses.find(s => s === m.status) ?? ('queued' as const),
    statusReason:
      m.statusCode === undefined
        ? undefined
        : { code: m.statusCode, message: m.statusMessage ?? 'The movie could not be made.' },
    published: m.published,
    progress: m.progress,
    url: url(m.movieKey),
    downloadUrl: url(m.movieKey, `${orAbsent(m.title) ?? 'movie'}.mp4`),
    posterUrl: url(m.posterKey),
    chaptersUrl: url(m.chaptersKey),
    altText: orAbsent(m.altText),
    duration: m.duration,
    width: m.width,
    height: m.height,
    audience:
      kind === undefined ? undefined : present({ kind, ids: m.audienceIds.length > 0 ? m.audienceIds : undefined }),
    createdAt: m.createdAt?.toISOString(),
    version: m.version,
    storyboard: m.storyboard.map(slot =>
      present({
        mediaId: orAbsent(slot.mediaId),
        kind: slot.kind,
        start: slot.start,
        duration: slot.duration,
        in: slot.in,
        framing:
          slot.framing?.start === undefined || slot.framing.end === undefined
            ? undefined
            : { start: slot.framing.start, end: slot.framing.end },
        transition: slot.transition,
        reason: slot.reason,
        text: orAbsent(slot.text),
      }),
    ),
    rejected: m.rejected,
  }) as z.input<typeof movie>
}

const base = '/v1/families/{familyId}/movies' as const
const item = `${base}/{movieId}` as const
/** A shared link lives a week at most: what the object store signs. */
const longestShare = 7 * 24 * 3600

/** Movies. */
export const movieEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: base,
    id: 'listMovies',
    summary: 'Movies, newest first; relatives see published ones.',
    query: z.object(paging),
    answer: listOf(movie),
    async handle({ query, edge, as }) {
      const page = await edge.clients.render.listMovies(
        { cursor: query.cursor ?? '', limit: query.limit ?? 50 },
        await as(),
      )
      return { items: page.movies.map(m => shown(m, edge)), nextCursor: cursorOf(page.nextCursor) }
    },
  }),
  endpoint({
    method: 'POST',
    path: base,
    id: 'createMovie',
    summary: 'Makes a movie; answers at once, the work follows.',
    body: z.object({
      kind: z.enum(['one-second', 'memory']).default('one-second'),
      period: z.object({ from: dayOrInstant, to: dayOrInstant }),
      childId: z.string().max(100).optional(),
      mood: z.string().max(50).optional(),
      length: length.default('medium'),
      aspect: z.enum(['16:9', '9:16', '1:1']).default('16:9'),
      title: z.string().max(200).optional(),
      music: z.boolean().optional(),
      lock: mediaIds.default([]),
      ban: mediaIds.default([]),
      audience: audience.optional(),
    }),
    answer: movie,
    status: 202,
    codes: ['PARENT_REQUIRED', 'INVALID_VALUE'],
    async handle({ body, edge, as }) {
      const timeZone = await zoneOf(
        body.period,
        async () => (await edge.clients.family.getFamily({}, await as())).family,
      )
      const made = await edge.clients.render.createMovie(
        {
          kind: body.kind,
          from: momentOf(body.period.from, 'from', timeZone),
          to: momentOf(body.period.to, 'to', timeZone),
          childId: body.childId,
          mood: body.mood,
          length: String(body.length),
          aspect: body.aspect,
          title: body.title,
          music: body.music,
          lock: body.lock,
          ban: body.ban,
          audienceKind: body.audience?.kind ?? '',
          audienceIds: body.audience?.ids ?? [],
        },
        await as(60_000),
      )
      return shown(made.movie, edge)
    },
  }),
  endpoint({
    method: 'GET',
    path: item,
    id: 'getMovie',
    summary: 'One movie with its storyboard.',
    answer: movie,
    codes: ['MOVIE_NOT_FOUND'],
    async handle({ params, edge, as }) {
      return shown((await edge.clients.render.getMovie({ movieId: params.movieId }, await as())).movie, edge)
    },
  }),
  endpoint({
    method: 'PATCH',
    path: item,
    id: 'updateMovie',
    summary: 'Changes title, length, music or items and renders again what changed.',
    body: z.object({
      title: z.string().max(200).optional(),
      length: length.optional(),
      music: z.boolean().optional(),
      lock: mediaIds.optional(),
      ban: mediaIds.optional(),
    }),
    answer: movie,
    status: 202,
    codes: ['MOVIE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      const changed = await edge.clients.render.updateMovie(
        {
          movieId: params.movieId,
          title: body.title,
          length: body.length === undefined ? undefined : String(body.length),
          music: body.music,
          lock: body.lock ?? [],
          ban: body.ban ?? [],
        },
        await as(60_000),
      )
      return shown(changed.movie, edge)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: item,
    id: 'deleteMovie',
    summary: 'Removes a movie; its items stay.',
    codes: ['MOVIE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.render.deleteMovie({ movieId: params.movieId }, await as())
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/cancel`,
    id: 'cancelMovie',
    summary: 'Stops a movie that is queued or being rendered.',
    codes: ['MOVIE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.render.cancelMovie({ movieId: params.movieId }, await as())
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/publish`,
    id: 'publishMovie',
    summary: 'Shows the movie to its audience, or takes it back with `published: false`.',
    body: z.object({ published: z.boolean().default(true) }).default({ published: true }),
    answer: movie,
    codes: ['MOVIE_NOT_FOUND', 'MOVIE_NOT_READY', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, as }) {
      const changed = await edge.clients.render.publishMovie(
        { movieId: params.movieId, published: body.published },
        await as(),
      )
      return shown(changed.movie, edge)
    },
  }),
  endpoint({
    method: 'POST',
    path: `${item}/share`,
    id: 'shareMovie',
    summary: 'A link that shows the movie to whoever has it, for a week at most.',
    body: z
      .object({
        expiresIn: z.int().min(60).max(longestShare).default(longestShare).meta({ description: 'Seconds.' }),
        download: z.boolean().default(false),
      })
      .default({ expiresIn: longestShare, download: false }),
    answer: z.object({ url: z.string(), expiresAt: instant }),
    status: 201,
    codes: ['MOVIE_NOT_FOUND', 'MOVIE_NOT_READY', 'PARENT_REQUIRED'],
    async handle({ params, body, edge, person, as }) {
      if (person.role !== 'parent') throw errors.parentRequired()
      const { movie: found } = await edge.clients.render.getMovie({ movieId: params.movieId }, await as())
      if (found === undefined) throw errors.notFound()
      if (found.status !== 'ready' || found.movieKey === '') throw errors.movieNotReady()
      // A signed GET may live a quarter longer than asked (see ObjectStore), a week is its limit all the same.
      const signed = edge.store.signedUrl(found.movieKey, {
        method: 'GET',
        expiresInS: body.expiresIn,
        ...(body.download && { disposition: attachment(`${found.title || 'movie'}.mp4`) }),
      })
      const expires = Number(new URL(signed, 'http://local').searchParams.get('expires'))
      const base = edge.config.KEEPSAKE_PUBLIC_URL ?? ''
      return {
        url: signed.startsWith('/') ? base.replace(/\/$/, '') + signed : signed,
        expiresAt: new Date(expires > 0 ? expires * 1000 : Date.now() + body.expiresIn * 1000).toISOString(),
      }
    },
  }),
]
