import { setTimeout as sleep } from 'node:timers/promises'
import { withTrace } from '@keepsake/telemetry'
import { compose, progressOf } from './processing.js'
import type { AnyEndpoint, Edge, Input } from './endpoint.js'
import { endpoint } from './endpoint.js'
import { liveStreams } from './metrics.js'

/** What a listener is told: that something of a kind changed, never what. */
export interface LiveEvent {
  readonly kind: 'processing' | 'people' | 'movies'
  readonly data: Record<string, unknown>
}

// While something moves the services are asked once a second, in a calm album every third second.
const movingMs = 1000
const calmMs = 3000
const heartbeatMs = 15_000

type Listener = (event: LiveEvent) => void

/**
 * Watches families that somebody listens to, once per family however many listen. The gateway owns no state and reads no
 * event log: it asks the services for their versions and tells of the differences.
 */
export class LiveEvents {
  private readonly families = new Map<string, { listeners: Set<Listener>; stop: AbortController }>()

  private readonly end = new AbortController()
  private readonly stopMeasuring = liveStreams.observe(set => {
    const listening = [...this.families.values()].map(({ listeners }) => listeners.size)
    set(
      listening.reduce((sum, size) => sum + size, 0),
      {},
    )
  })

  constructor(private readonly edge: Edge) {}

  /** Aborted when nothing more will be told. */
  get closed(): AbortSignal {
    return this.end.signal
  }

  /** Calls `listener` for every change until the returned function is called. */
  listen(familyId: string, listener: Listener): () => void {
    let watch = this.families.get(familyId)
    if (watch === undefined) {
      watch = { listeners: new Set(), stop: new AbortController() }
      this.families.set(familyId, watch)
      // Work of its own: it outlives the request that began it.
      const began = watch
      void withTrace({}, () => this.watch(familyId, began))
    }
    const { listeners, stop } = watch
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size > 0) return
      stop.abort()
      if (this.families.get(familyId)?.stop === stop) this.families.delete(familyId)
    }
  }

  /** Ends every watch and every stream. */
  close(): void {
    this.stopMeasuring()
    this.end.abort()
    for (const { stop } of this.families.values()) stop.abort()
    this.families.clear()
  }

  private async watch(familyId: string, { listeners, stop }: { listeners: Set<Listener>; stop: AbortController }) {
    const last = new Map<LiveEvent['kind'], string>()
    while (!stop.signal.aborted) {
      let moved = false
      try {
        for (const event of await this.look(familyId, stop.signal)) {
          const now = JSON.stringify(event.data)
          const before = last.get(event.kind)
          last.set(event.kind, now)
          if (before === undefined || before === now) continue
          moved = true
          for (const listener of listeners) listener(event)
        }
      } catch {
        // A service is away: the next look tells what was missed, for versions only grow.
      }
      await sleep(moved ? movingMs : calmMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined)
    }
  }

  private async look(familyId: string, signal: AbortSignal): Promise<LiveEvent[]> {
    const { edge } = this
    const asGateway = () => ({ familyId, deadlineMs: 5000, signal })
    const [progress, movies] = await Promise.all([
      progressOf({ edge, asGateway }),
      edge.clients.render.listMovies({ cursor: '', limit: 50 }, asGateway()),
    ])
    return [
      { kind: 'processing', data: { ...compose(progress), version: progress.album.version } },
      { kind: 'people', data: { version: progress.cluster.version } },
      {
        kind: 'movies',
        data: { versions: Object.fromEntries(movies.movies.map(m => [m.id, `${m.version}/${m.progress.toFixed(2)}`])) },
      },
    ]
  }
}

/** The stream of server-sent events. What an event carries is a hint to ask again: ids and figures stay out of it. */
export const eventEndpoint = (live: LiveEvents): AnyEndpoint =>
  endpoint({
    method: 'GET',
    path: '/v1/families/{familyId}/events',
    id: 'listenToEvents',
    summary: 'Server-sent events: `processing`, `people`, `movies` changed; ask again for what you show.',
    produces: ['text/event-stream'],
    async handle(input) {
      await stream(live, input)
    },
  })

async function stream(live: LiveEvents, input: Input<unknown, unknown, unknown>): Promise<void> {
  const { reply, familyId } = input
  const signal = AbortSignal.any([input.signal, live.closed])
  reply.hijack()
  const out = reply.raw
  out.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  out.write('retry: 3000\n\n')
  const stop = live.listen(familyId, event => {
    // A client that reads too slowly loses hints, not facts: the next one says the same.
    if (out.writableLength < 64 * 1024) out.write(`event: ${event.kind}\ndata: {}\n\n`)
  })
  try {
    while (!signal.aborted && !out.destroyed) {
      await sleep(heartbeatMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) break
      await input.as() // throws when the person was signed out or is no member any more
      out.write(': still here\n\n')
    }
  } catch {
    // The stream ends; the client asks again and is told why.
  } finally {
    stop()
    out.end()
  }
}
