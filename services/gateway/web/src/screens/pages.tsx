import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { api, Problem, type List, type Page } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** The personal pages: each child, all children, the whole family. */
export function PagesScreen() {
  const { m } = useLanguage()
  const family = useFamily()
  const pages = useQuery({
    queryKey: ['pages', family.id],
    queryFn: () => api<List<Page>>('GET', `/families/${family.id}/pages`),
  })
  if (pages.isPending) return <Loading />
  if (pages.isError) {
    if (pages.error instanceof Problem && pages.error.status === 402) return <Empty text={m.premiumRequired} />
    return <Failure error={pages.error} retry={() => void pages.refetch()} />
  }
  const hasChildren = pages.data.items.some(page => page.childId)
  // Of all children there is nothing to see before there is one.
  const shown = pages.data.items.filter(page => hasChildren || page.id !== 'all-children')
  return (
    <>
      <header className="toolbar">
        <h1>{m.pagesTitle}</h1>
      </header>
      {!hasChildren && (
        <Empty text={family.role === 'parent' ? m.pagesEmpty : m.pagesNoChild}>
          {family.role === 'parent' && (
            <Link className="button" to="/settings">
              {m.navSettings}
            </Link>
          )}
        </Empty>
      )}
      <ul className="cards pages">
        {shown.map(page => (
          <li key={page.id} data-page-id={page.id}>
            <Link to={`/pages/${page.id}`}>
              {page.coverUrl ? (
                <img src={page.coverUrl} alt="" loading="lazy" />
              ) : (
                <span className="card-blank" aria-hidden="true">
                  {[...pageName(page, m)][0]}
                </span>
              )}
              <strong>{pageName(page, m)}</strong>
              <small>{m.items(page.mediaCount)}</small>
            </Link>
          </li>
        ))}
      </ul>
    </>
  )
}

/** The name of a page in the reader's language. */
export const pageName = (page: Pick<Page, 'id' | 'name'>, m: { allChildren: string; wholeFamily: string }): string =>
  page.id === 'all-children' ? m.allChildren : page.id === 'whole-family' ? m.wholeFamily : page.name
