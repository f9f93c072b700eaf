import { sql, type FamilyTx, type Sql } from '@keepsake/db'
import type { ListPageMediaRequest, ListPageMediaResponse, ListPagesResponse, Page } from '@keepsake/proto/album/v1'
import { errors } from './errors.js'
import { filterSql, monthsOf, pageOfMedia, withChild } from './list-media.js'
import { ageMonths } from './local-time.js'
import { toMedia } from './media.js'
import type { Viewer } from './viewer.js'

interface Child {
  id: string
  name: string
  birthDate: string
}

const coverCandidates = 200

/** Which items a page holds: those of a child, of any child, or everything that is no screenshot, receipt or document. */
const holding = (child: Child | undefined, pageId: string): Sql =>
  child !== undefined ? withChild(child.id) : pageId === 'all-children' ? withChild() : sql`m.mundane = ''`

/** One page per child, then all children, then the whole family, with the months that the viewer sees something of. */
export async function listPages(tx: FamilyTx, viewer: Viewer): Promise<ListPagesResponse> {
  const children = await childrenOf(tx)
  const pages: Page[] = []
  for (const child of children) pages.push(await page(tx, viewer, child.id, child.name, child))
  pages.push(await page(tx, viewer, 'all-children', ''))
  pages.push(await page(tx, viewer, 'whole-family', ''))
  return { pages }
}

async function page(tx: FamilyTx, viewer: Viewer, id: string, name: string, child?: Child): Promise<Page> {
  const where = await seen(tx, viewer, id, child)
  const months = await monthsOf(tx, where)
  // The best of the latest: a cover that keeps up, found without ordering the whole album.
  const cover = await tx.maybe<{ id: string }>(sql`
    select id from (
      select m.id, m.rating, m.taken_at from album.media m where ${where} and m.kind <> 'video'
      order by m.taken_at desc, m.id desc limit ${coverCandidates}
    ) latest order by rating desc nulls last, taken_at desc, id limit 1`)
  return {
    id,
    name,
    ...(child === undefined ? {} : { childId: child.id }),
    mediaCount: months.reduce((sum, month) => sum + month.count, 0),
    months: months.map(({ month, count }) => {
      const age = child === undefined ? undefined : ageMonths(child.birthDate, `${month}-15`)
      return { month, count, ...(age === undefined ? {} : { ageMonths: age }) }
    }),
    coverMediaId: cover?.id ?? '',
  }
}

/** The items of a page, newest first, with the child's age on that day. */
export async function listPageMedia(
  tx: FamilyTx,
  viewer: Viewer,
  request: ListPageMediaRequest,
): Promise<ListPageMediaResponse> {
  const { pageId, month, cursor, limit } = request
  const child = (await childrenOf(tx)).find(each => each.id === pageId)
  if (child === undefined && pageId !== 'all-children' && pageId !== 'whole-family') throw errors.pageNotFound()
  if (month !== undefined && !/^\d{4}-\d\d$/.test(month)) throw errors.invalidFilter('A month is written yyyy-mm.')
  const where = sql`${await seen(tx, viewer, pageId, child)} and ${month === undefined ? sql`true` : sql`m.month = ${month}`}`
  const { rows, nextCursor } = await pageOfMedia(tx, viewer, where, { cursor, limit, order: 'newest' })
  return {
    items: rows.map(row => {
      const age = child === undefined ? undefined : ageMonths(child.birthDate, row.localDay)
      return { media: toMedia(row), ...(age === undefined ? {} : { ageMonths: age }) }
    }),
    nextCursor,
  }
}

async function seen(tx: FamilyTx, viewer: Viewer, pageId: string, child: Child | undefined): Promise<Sql> {
  const base = await filterSql(tx, viewer, { kinds: [], trash: false, states: ['ready'] })
  return sql`${base} and ${holding(child, pageId)}`
}

const childrenOf = (tx: FamilyTx) =>
  tx.many<Child>(
    sql`select id, name, birth_date from album.children where family_id = ${tx.familyId} order by birth_date, id`,
  )
