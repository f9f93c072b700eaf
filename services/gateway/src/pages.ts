import { z } from 'zod'
import { endpoint, type AnyEndpoint } from './endpoint.js'
import { errors } from './errors.js'
import { cursorOf, listOf, orAbsent, paging, present, wholeList } from './list.js'
import { mediaUrl, renditionKey } from './media-urls.js'
import { media, shownMedia } from './media.js'
import { day, dayOrInstant, instant, momentOf } from './times.js'

const base = '/v1/families/{familyId}' as const
const page = z
  .object({
    id: z.string(),
    name: z.string(),
    childId: z.string().optional(),
    mediaCount: z.int(),
    coverUrl: z.string().optional(),
    months: z.array(z.object({ month: z.string(), count: z.int(), ageMonths: z.int().optional() })),
  })
  .meta({ id: 'Page' })

const block = z.object({
  kind: z.enum(['person', 'dates', 'place']),
  target: z.object({
    personId: z.string().max(100).optional(),
    from: day.optional(),
    to: day.optional(),
    city: z.string().max(200).optional(),
    region: z.string().max(200).optional(),
    country: z.string().max(200).optional(),
    latitude: z.number().min(-90).max(90).optional(),
    longitude: z.number().min(-180).max(180).optional(),
    radiusKm: z.number().positive().max(20_000).optional(),
  }),
  mode: z.enum(['less', 'never']),
  until: instant.optional(),
})
const shownBlockSchema = block.extend({ id: z.string(), kind: z.string(), mode: z.string() }).meta({ id: 'Block' })

const pick = z.object({ mediaId: z.string(), reason: z.string(), rating: z.number().optional() })

/** Names of the pages that belong to no child; the apps have their own in each language. */
const commonNames: Readonly<Record<string, string>> = {
  'all-children': 'All children',
  'whole-family': 'Whole family',
}

/** Personal pages, blocks and selections. */
export const pageEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: `${base}/pages`,
    id: 'listPages',
    summary: 'A page per child, all children, the whole family; months with the child’s age.',
    answer: listOf(page),
    codes: ['PREMIUM_REQUIRED'],
    async handle({ edge, familyId, as }) {
      const { pages } = await edge.clients.album.listPages({}, await as())
      return wholeList(
        pages.map(p =>
          present({
            id: p.id,
            name: p.name || (commonNames[p.id] ?? p.id),
            childId: p.childId,
            mediaCount: p.mediaCount,
            coverUrl:
              p.coverMediaId === ''
                ? undefined
                : mediaUrl(edge.store, renditionKey(familyId, p.coverMediaId, 'thumbnail')),
            months: p.months.map(m => present({ ...m })),
          }),
        ),
      )
    },
  }),
  endpoint({
    method: 'GET',
    path: `${base}/pages/{pageId}/media`,
    id: 'listPageMedia',
    summary: 'The items of a page, newest first.',
    query: z.object({
      ...paging,
      month: z
        .string()
        .regex(/^\d{4}-\d{2}$/)
        .optional(),
    }),
    answer: listOf(media),
    codes: ['PREMIUM_REQUIRED', 'PAGE_NOT_FOUND'],
    async handle({ params, query, edge, familyId, as }) {
      const found = await edge.clients.album.listPageMedia(
        { pageId: params.pageId, month: query.month, cursor: query.cursor ?? '', limit: query.limit ?? 50 },
        await as(),
      )
      return {
        items: found.items.flatMap(item =>
          item.media === undefined
            ? []
            : [
                {
                  ...shownMedia(item.media, familyId, edge.store),
                  ...(item.ageMonths !== undefined && { ageMonths: item.ageMonths }),
                },
              ],
        ),
        nextCursor: cursorOf(found.nextCursor),
      }
    },
  }),

  endpoint({
    method: 'GET',
    path: `${base}/blocks`,
    id: 'listBlocks',
    summary: 'People, dates and places that are shown less or never in anything derived.',
    answer: listOf(shownBlockSchema),
    async handle({ edge, as }) {
      const { blocks } = await edge.clients.album.listBlocks({}, await as())
      return wholeList(blocks.map(shownBlock))
    },
  }),
  endpoint({
    method: 'POST',
    path: `${base}/blocks`,
    id: 'createBlock',
    summary: 'Blocks a person, dates or a place.',
    body: block,
    answer: shownBlockSchema,
    status: 201,
    codes: ['INVALID_VALUE', 'PARENT_REQUIRED'],
    async handle({ body, edge, as }) {
      const { kind, target, mode, until } = body
      const { personId, from, to, radiusKm, latitude, longitude, city = '', region = '', country = '' } = target
      const made = await edge.clients.album.createBlock(
        {
          block: {
            id: '',
            kind,
            personId,
            from,
            to,
            radiusKm,
            place: kind === 'place' ? { latitude, longitude, city, region, country, countryCode: '' } : undefined,
            mode,
            until: until === undefined ? undefined : new Date(until),
          },
        },
        await as(),
      )
      if (made.block === undefined) throw errors.notFound()
      return shownBlock(made.block)
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${base}/blocks/{blockId}`,
    id: 'deleteBlock',
    summary: 'Takes a block away.',
    codes: ['BLOCK_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      await edge.clients.album.deleteBlock({ id: params.blockId }, await as())
    },
  }),

  endpoint({
    method: 'POST',
    path: `${base}/selections`,
    id: 'select',
    summary: 'A balanced choice of items for any purpose, with a reason for each; the same request, the same choice.',
    scope: 'read',
    body: z.object({
      purpose: z.enum(['one-second', 'memory', 'prints', 'book', 'card', 'selection']),
      count: z.int().min(1).max(1000),
      period: z.object({ from: dayOrInstant, to: dayOrInstant }),
      childId: z.string().max(100).optional(),
      lock: z.array(z.string().max(100)).max(1000).default([]),
      ban: z.array(z.string().max(100)).max(1000).default([]),
    }),
    answer: z.object({ items: z.array(pick), rejected: z.array(pick), eligible: z.int() }).meta({ id: 'Selection' }),
    async handle({ body, edge, person, as }) {
      const timeZone = await zoneOf(
        body.period,
        async () => (await edge.clients.family.getFamily({}, await as())).family,
      )
      const chosen = await edge.clients.rating.select(
        {
          purpose: body.purpose,
          count: body.count,
          from: momentOf(body.period.from, 'from', timeZone),
          to: momentOf(body.period.to, 'to', timeZone),
          childId: body.childId,
          lock: body.lock,
          ban: body.ban,
          audienceKind: '',
          audienceIds: [],
          viewerMemberId: person.memberId,
        },
        await as(60_000),
      )
      const shown = (p: { mediaId: string; reason: string; rating: number }) => ({
        mediaId: p.mediaId,
        reason: p.reason,
        rating: p.rating,
      })
      return { items: chosen.items.map(shown), rejected: chosen.rejected.map(shown), eligible: chosen.eligible }
    },
  }),
]

/** The time zone in which the days of a period are meant; instants need none. */
export async function zoneOf(
  period: { from: string; to: string },
  family: () => Promise<{ timeZone: string } | undefined>,
): Promise<string> {
  if (period.from.length > 10 && period.to.length > 10) return 'UTC'
  return (await family())?.timeZone ?? 'UTC'
}

function shownBlock(b: {
  id: string
  kind: string
  personId?: string | undefined
  from?: string | undefined
  to?: string | undefined
  radiusKm?: number | undefined
  place?:
    | { latitude?: number | undefined; longitude?: number | undefined; city: string; region: string; country: string }
    | undefined
  mode: string
  until?: Date | undefined
}): z.input<typeof shownBlockSchema> {
  return present({
    id: b.id,
    kind: b.kind,
    target: present({
      personId: b.personId,
      from: b.from,
      to: b.to,
      city: orAbsent(b.place?.city ?? ''),
      region: orAbsent(b.place?.region ?? ''),
      country: orAbsent(b.place?.country ?? ''),
      latitude: b.place?.latitude,
      longitude: b.place?.longitude,
      radiusKm: b.radiusKm,
    }),
    mode: b.mode,
    until: b.until?.toISOString(),
  }) as z.input<typeof shownBlockSchema>
}
