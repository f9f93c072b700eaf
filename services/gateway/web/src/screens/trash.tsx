import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { MediaGrid } from '../parts/media-grid.tsx'
import { useMediaList } from '../parts/media-list.ts'
import { Empty, Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** What was deleted in the last 30 days: restore it, or erase it for ever. */
export function TrashScreen() {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const list = useMediaList({ trash: true })
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set())
  const act = useMutation({
    mutationFn: async (erase: boolean) => {
      for (const id of picked)
        await (erase
          ? api('DELETE', `/families/${family.id}/media/${id}?now=true`)
          : api('POST', `/families/${family.id}/media/${id}/restore`, {}))
    },
    onSettled: () => {
      setPicked(new Set())
      void client.invalidateQueries()
    },
  })
  if (list.isPending) return <Loading />
  if (list.isError) return <Failure error={list.error} retry={() => void list.refetch()} />
  const items = list.data.pages.flatMap(page => page.items)
  return (
    <>
      <header className="toolbar">
        <h1>{m.trashTitle}</h1>
        {picked.size > 0 && (
          <>
            <span>{m.selected(picked.size)}</span>
            <button type="button" className="primary" disabled={act.isPending} onClick={() => act.mutate(false)}>
              {m.restore}
            </button>
            <button
              type="button"
              disabled={act.isPending}
              onClick={() => {
                if (window.confirm(m.eraseSure(picked.size))) act.mutate(true)
              }}
            >
              {m.erase}
            </button>
          </>
        )}
      </header>
      <p className="muted">{m.trashText}</p>
      <FormError error={act.error} />
      {items.length === 0 ? (
        <Empty text={m.trashEmpty} />
      ) : (
        <MediaGrid
          items={items}
          picked={picked}
          onPick={id => {
            const next = new Set(picked)
            if (!next.delete(id)) next.add(id)
            setPicked(next)
          }}
        />
      )}
      {list.hasNextPage && (
        <button type="button" className="more" onClick={() => void list.fetchNextPage()}>
          {m.loadMore}
        </button>
      )}
    </>
  )
}
