import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useParams } from 'react-router'
import { api, Problem, query, type List, type Media, type Page } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { MonthGrid } from '../parts/media-grid.tsx'
import { useNearEnd } from '../parts/media-list.ts'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'
import { pageName } from './pages.tsx'

/** One personal page, by month, with how old the child was then. */
export function PageScreen() {
  const { id = '' } = useParams()
  const { m } = useLanguage()
  const family = useFamily()
  const pages = useQuery({
    queryKey: ['pages', family.id],
    queryFn: () => api<List<Page>>('GET', `/families/${family.id}/pages`),
  })
  const list = useInfiniteQuery({
    queryKey: ['pages', family.id, id, 'media'],
    queryFn: ({ pageParam }) =>
      api<List<Media>>('GET', `/families/${family.id}/pages/${id}/media${query({ cursor: pageParam, limit: 120 })}`),
    initialPageParam: '',
    getNextPageParam: last => last.nextCursor || undefined,
  })
  const more = () => {
    if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
  }
  const end = useNearEnd(more)
  if (pages.isPending || list.isPending) return <Loading />
  if (list.isError && list.error instanceof Problem && list.error.status === 402)
    return <Empty text={m.premiumRequired} />
  if (list.isError) return <Failure error={list.error} retry={() => void list.refetch()} />
  const page = pages.data?.items.find(candidate => candidate.id === id)
  const ages = new Map(page?.months.map(month => [month.month, month.ageMonths]))
  const items = list.data.pages.flatMap(part => part.items)
  return (
    <>
      <header className="toolbar">
        <h1>{page && pageName(page, m)}</h1>
      </header>
      {items.length === 0 &&
        (page?.childId && family.role === 'parent' ? (
          <Empty text={m.pageNobody(page.name)}>
            <Link className="button" to="/people">
              {m.navPeople}
            </Link>
          </Empty>
        ) : (
          <Empty text={m.pageEmpty} />
        ))}
      <MonthGrid
        items={items}
        heading={month => {
          const age = ages.get(month)
          return age === undefined ? '' : m.age(age)
        }}
      />
      {list.hasNextPage && (
        <button type="button" ref={end} className="more" onClick={more}>
          {m.loadMore}
        </button>
      )}
    </>
  )
}
