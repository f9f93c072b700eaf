import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useDeferredValue, useState } from 'react'
import { api } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { Icon } from '../parts/icon.tsx'
import { MonthGrid } from '../parts/media-grid.tsx'
import { useMediaList, useNearEnd, type MediaQuery } from '../parts/media-list.ts'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { useUploads } from '../parts/upload.tsx'
import { useFamily } from '../session.tsx'

const filters = {
  all: {},
  photos: { kind: 'photo,live' },
  videos: { kind: 'video' },
  favourites: { favourite: true },
  best: { minRating: 60 },
} satisfies Record<string, MediaQuery>

/** Everything, newest first, by month. */
export function TimelineScreen() {
  const { m } = useLanguage()
  const family = useFamily()
  const uploads = useUploads()
  const client = useQueryClient()
  const [filter, setFilter] = useState<keyof typeof filters>('all')
  const [words, setWords] = useState('')
  const q = useDeferredValue(words.trim())
  const [picked, setPicked] = useState<ReadonlySet<string> | undefined>()
  const list = useMediaList({ ...filters[filter], ...(q ? { q } : {}) })
  const items = list.data?.pages.flatMap(page => page.items) ?? []
  const more = () => {
    if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
  }
  const end = useNearEnd(more)
  const trash = useMutation({
    mutationFn: async (ids: string[]) => {
      for (const id of ids) await api('DELETE', `/families/${family.id}/media/${id}`)
    },
    onSettled: () => {
      setPicked(undefined)
      void client.invalidateQueries()
    },
  })
  const names = {
    all: m.filterAll,
    photos: m.filterPhotos,
    videos: m.filterVideos,
    favourites: m.filterFavourites,
    best: m.filterBest,
  }
  return (
    <>
      <header className="toolbar">
        <div className="chips" role="group">
          {(Object.keys(filters) as (keyof typeof filters)[]).map(key => (
            <button key={key} type="button" aria-pressed={filter === key} onClick={() => setFilter(key)}>
              {names[key]}
            </button>
          ))}
        </div>
        <input
          type="search"
          placeholder={m.search}
          aria-label={m.search}
          value={words}
          onChange={event => setWords(event.target.value)}
        />
        {family.role === 'parent' && items.length > 0 && (
          <button
            type="button"
            aria-pressed={picked !== undefined}
            onClick={() => setPicked(picked ? undefined : new Set())}
          >
            {m.select}
          </button>
        )}
        <button type="button" className="primary" aria-label={m.upload} onClick={uploads.choose}>
          <Icon name="plus" /> {m.add}
        </button>
      </header>
      {picked && picked.size > 0 && (
        <div className="selection-bar">
          <span>{m.selected(picked.size)}</span>
          <button type="button" disabled={trash.isPending} onClick={() => trash.mutate([...picked])}>
            <Icon name="trash" /> {m.toTrash}
          </button>
        </div>
      )}
      {list.isPending && <Loading />}
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.isSuccess && items.length === 0 && (
        <Empty {...(filter === 'all' && !q ? { title: m.emptyTitle, text: m.emptyText } : { text: m.nothingFound })}>
          {filter === 'all' && !q && (
            <button type="button" className="primary" onClick={uploads.choose}>
              {m.upload}
            </button>
          )}
        </Empty>
      )}
      <MonthGrid
        items={items}
        heading={(_month, inside) => m.items(inside.length)}
        {...(picked
          ? {
              picked,
              onPick: (id: string) => {
                const next = new Set(picked)
                if (!next.delete(id)) next.add(id)
                setPicked(next)
              },
            }
          : {})}
      />
      {list.hasNextPage && (
        <button type="button" ref={end} className="more" onClick={more}>
          {m.loadMore}
        </button>
      )}
    </>
  )
}
