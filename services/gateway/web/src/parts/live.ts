import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { authorization } from '../api.ts'
import { useFamily } from '../session.tsx'

const reconnectMs = 3_000

/** Which lists a kind of server-sent event makes stale. */
const stale: Record<string, string[]> = {
  processing: ['processing', 'media', 'item'],
  people: ['people', 'person', 'questions', 'proposals', 'children', 'pages', 'item'],
  movies: ['movies', 'movie'],
}

/** Listens to the family's server-sent events while mounted and marks what they touch as stale. */
export function useLiveUpdates(): void {
  const family = useFamily()
  const client = useQueryClient()
  useEffect(() => {
    const stop = new AbortController()
    const listen = async () => {
      while (!stop.signal.aborted) {
        try {
          const response = await fetch(`/v1/families/${family.id}/events`, {
            headers: { accept: 'text/event-stream', ...(await authorization()) },
            signal: stop.signal,
          })
          const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
          let rest = ''
          while (response.ok && reader) {
            const { done, value } = await reader.read()
            if (done) break
            const lines = (rest + value).split('\n')
            rest = lines.pop() ?? ''
            for (const line of lines) {
              if (!line.startsWith('event:')) continue
              for (const key of stale[line.slice(6).trim()] ?? []) void client.invalidateQueries({ queryKey: [key] })
            }
          }
        } catch {
          // Closed or refused: tried again below, until the screen goes.
        }
        await new Promise(resolve => {
          const timer = setTimeout(resolve, reconnectMs)
          stop.signal.addEventListener('abort', () => {
            clearTimeout(timer)
            resolve(undefined)
          })
        })
      }
    }
    void listen()
    return () => stop.abort()
  }, [family.id, client])
}
