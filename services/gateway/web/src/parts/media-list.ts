import { useInfiniteQuery } from '@tanstack/react-query'
import { useCallback } from 'react'
import { api, query, type List, type Media } from '../api.ts'
import { useFamily } from '../session.tsx'

const pageSize = 120

/** Which items a screen asks for; the same names as the API's query. */
export interface MediaQuery {
  kind?: string
  favourite?: boolean
  minRating?: number
  person?: string
  child?: string
  q?: string
  trash?: boolean
}

/** Items page by page, newest first. */
export function useMediaList(filter: MediaQuery) {
  const family = useFamily()
  return useInfiniteQuery({
    queryKey: ['media', family.id, filter],
    queryFn: ({ pageParam, signal }) =>
      api<List<Media>>(
        'GET',
        `/families/${family.id}/media${query({ ...filter, cursor: pageParam, limit: pageSize })}`,
        undefined,
        signal,
      ),
    initialPageParam: '',
    getNextPageParam: last => last.nextCursor || undefined,
  })
}

/** A callback ref: asks for more when the element comes near the screen. */
export function useNearEnd(more: () => void) {
  return useCallback(
    (element: HTMLElement | null) => {
      if (!element) return
      const observer = new IntersectionObserver(entries => entries.some(entry => entry.isIntersecting) && more(), {
        rootMargin: '1200px',
      })
      observer.observe(element)
      return () => observer.disconnect()
    },
    [more],
  )
}
