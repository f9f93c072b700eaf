import type { Erasure as ErasureMessage } from '@keepsake/proto/family/v1'
import { z } from 'zod'
import { endpoint, type AnyEndpoint } from './endpoint.js'
import { errors } from './errors.js'
import { cursorOf, listOf, orAbsent, paging, present } from './list.js'
import { instant } from './times.js'

const erasure = z
  .object({
    id: z.string(),
    kind: z.enum(['item', 'face', 'consent', 'member', 'family']),
    ids: z
      .array(z.string())
      .meta({ description: 'Items, faces or the member. Ids only: a receipt keeps nothing else.' }),
    by: z
      .string()
      .optional()
      .meta({ description: 'The member who asked; absent where the trash was emptied after its time.' }),
    startedAt: instant,
    complete: z.boolean(),
    completedAt: instant.optional(),
    owners: z.array(
      z.object({
        name: z
          .string()
          .meta({ description: 'A service, or `backups`: the keys without which no backup can be read.' }),
        doneAt: instant.optional(),
        rows: z.int(),
        objects: z.int(),
      }),
    ),
  })
  .meta({ id: 'Erasure' })

function shown(e: ErasureMessage | undefined): z.input<typeof erasure> {
  if (e === undefined) throw errors.notFound()
  return present({
    id: e.id,
    kind: e.kind as z.input<typeof erasure>['kind'],
    ids: e.ids,
    by: orAbsent(e.byMemberId),
    startedAt: (e.startedAt ?? new Date(0)).toISOString(),
    complete: e.completedAt !== undefined,
    completedAt: e.completedAt?.toISOString(),
    owners: e.owners.map(({ name, doneAt, rows, objects }) =>
      present({ name, doneAt: doneAt?.toISOString(), rows, objects }),
    ),
  }) as z.input<typeof erasure>
}

/** The header that names the receipt of what a call erases. */
export const erasureHeader = 'keepsake-erasure-id'

/** Receipts: what was erased, and who has reported. */
export const erasureEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/erasures',
    id: 'listErasures',
    summary: 'Receipts of what was erased, newest first.',
    query: z.object(paging),
    answer: listOf(erasure),
    codes: ['PARENT_REQUIRED'],
    async handle({ query, edge, as }) {
      const page = await edge.clients.family.listErasures(
        { cursor: query.cursor ?? '', limit: query.limit ?? 50 },
        await as(),
      )
      return { items: page.erasures.map(shown), nextCursor: cursorOf(page.nextCursor) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/erasures/{erasureId}',
    id: 'getErasure',
    summary: 'One receipt. It is there some moments after the call that its `Keepsake-Erasure-Id` came with.',
    answer: erasure,
    codes: ['ERASURE_NOT_FOUND', 'PARENT_REQUIRED'],
    async handle({ params, edge, as }) {
      return shown((await edge.clients.family.getErasure({ id: params.erasureId }, await as())).erasure)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/erasures/{erasureId}',
    id: 'getOwnErasure',
    summary: 'A receipt of a family or a member that the account had erased, also when the family is gone.',
    answer: erasure,
    codes: ['ERASURE_NOT_FOUND'],
    async handle({ params, edge, as }) {
      return shown((await edge.clients.family.getErasure({ id: params.erasureId }, await as())).erasure)
    },
  }),
]
