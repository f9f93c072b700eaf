/** A signal with an end of its own. */
export interface BoundedSignal {
  /** Aborted with its parent or when its time is over, whichever comes first. */
  readonly signal: AbortSignal
  /** Lets go of parent and timer; the signal is not aborted any more. To be called when the work is done. */
  release(): void
}

/**
 * A signal that is aborted with `parent` or after `ms`. `AbortSignal.any` with `AbortSignal.timeout` says the same, but whatever listens to such a signal is kept
 * until its time is over, which for a long video is half a day.
 */
export function boundedSignal(parent: AbortSignal, ms: number): BoundedSignal {
  const own = new AbortController()
  const follow = () => own.abort(parent.reason)
  const timer = setTimeout(() => own.abort(new DOMException('The time for this is over.', 'TimeoutError')), ms)
  timer.unref() // a process that ends does not wait for what it gave up
  if (parent.aborted) follow()
  else parent.addEventListener('abort', follow, { once: true })
  return {
    signal: own.signal,
    release: () => {
      clearTimeout(timer)
      parent.removeEventListener('abort', follow)
    },
  }
}
