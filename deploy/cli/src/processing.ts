import type { Api } from './api.js'
import { plural } from './terminal.js'

/** GET /v1/families/{f}/processing. A stage that does not run (no consent) is absent. */
export interface Processing {
  items: Counts & { total: number; ready: number }
  stages: Record<string, Counts & { done: number }>
}

interface Counts {
  pending: number
  failed: number
}

/** Nothing pending in any stage. */
export function isSettled(processing: Processing): boolean {
  return processing.items.pending === 0 && Object.values(processing.stages).every(stage => stage.pending === 0)
}

/** The figures for a person: items, then each stage, then in a sentence whether there is anything to wait for. */
export function describeProcessing(processing: Processing): string {
  const { total, ready, pending, failed } = processing.items
  const stages = Object.entries(processing.stages).map(
    ([stage, counts]) =>
      `  ${stage.padEnd(10)} ${counts.done} done, ${counts.pending} pending, ${counts.failed} failed`,
  )
  return [
    `${plural(total, 'item')}: ${ready} ready, ${pending} pending, ${failed} failed`,
    ...stages,
    isSettled(processing)
      ? 'settled: everything that was uploaded has been looked at, nothing is under way.'
      : 'working: the pending ones are being looked at; this needs nothing from you.',
  ].join('\n')
}

/** How waiting is done. */
export interface WaitOptions {
  /** At least this many items must have arrived; 0: whatever is there. */
  expected?: number
  signal?: AbortSignal | undefined
  onProgress?: (processing: Processing) => void
  /** Milliseconds between looks; default 500. */
  everyMs?: number
  /** Give up when nothing at all has moved for so long, in milliseconds; default 15 minutes. */
  stalledMs?: number
}

/**
 * Waits until everything is settled. One settled look is not believed: facts travel between services, so the same
 * settled figures must be seen three times in a row, over at least a second.
 * Throws where nothing moves for `stalledMs`.
 */
export async function waitUntilSettled(api: Api, familyId: string, options: WaitOptions = {}): Promise<Processing> {
  const every = options.everyMs ?? 500
  let last = ''
  let same = 0
  let moved = Date.now()
  for (;;) {
    options.signal?.throwIfAborted()
    // A service that restarts is away for a moment; an hour of restarts is no reason to lose the import.
    const processing = await api.get<Processing>(`/v1/families/${familyId}/processing`, {
      signal: options.signal,
      attempts: 30,
    })
    options.onProgress?.(processing)
    const now = JSON.stringify(processing)
    same = now === last ? same + 1 : 0
    if (now !== last) moved = Date.now()
    last = now
    if (
      isSettled(processing) &&
      processing.items.total >= (options.expected ?? 0) &&
      same >= 2 &&
      Date.now() - moved >= 1000
    )
      return processing
    const stalled = options.stalledMs ?? 15 * 60_000
    if (Date.now() - moved > stalled)
      throw new Error(`Nothing has moved for ${Math.round(stalled / 60_000)} minutes: ${now}`)
    await new Promise(resolve => setTimeout(resolve, every))
  }
}
