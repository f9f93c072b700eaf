/** Node takes a longer time for none at all. */
const longestTimerMs = 2 ** 31 - 1

/** A signal with an end of its own. */
export interface BoundedSignal {
  /** Aborted with its parent or when its time is over, whichever comes first. */
  readonly signal: AbortSignal
  /** Ends it early: what a failed piece of work has left running hears of it. */
  abort(reason: unknown): void
  /** Lets go of parent and timer; the signal is not aborted by them any more. To be called when the work is done. */
  release(): void
}

/**
 * A signal that is aborted with `parent` or after `ms`. `AbortSignal.any` with `AbortSignal.timeout` says the same, but whatever listens to such a signal is kept
 * until its time is over, which for a long video is half a day.
 */
export function boundedSignal(parent: AbortSignal, ms: number): BoundedSignal {
  const own = new AbortController()
  const follow = () => own.abort(parent.reason)
  const over = () => own.abort(new DOMException('The time for this is over.', 'TimeoutError'))
  const timer = setTimeout(over, Math.min(ms, longestTimerMs))
  timer.unref() // a process that ends does not wait for what it gave up
  if (parent.aborted) follow()
  else parent.addEventListener('abort', follow, { once: true })
  return {
    signal: own.signal,
    abort: reason => own.abort(reason),
    release: () => {
      clearTimeout(timer)
      parent.removeEventListener('abort', follow)
    },
  }
}
