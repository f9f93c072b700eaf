import type { VideoFrame } from './video-types.js'

type Run = (onItem: (value: unknown) => Promise<boolean>, signal: AbortSignal | undefined) => Promise<unknown>

/**
 * Turns a streaming job into an async iterable. The job starts with the loop, is never more than one frame ahead, and ends when the loop is left.
 */
export async function* frameStream(run: Run, signal?: AbortSignal): AsyncGenerator<VideoFrame> {
  const waiting: VideoFrame[] = []
  const state: { left: boolean; end?: { error?: unknown } } = { left: false }
  let answer: (wanted: boolean) => void = () => undefined
  let wake: () => void = () => undefined
  const end = (how: { error?: unknown }) => {
    state.end = how
    wake()
  }
  const onItem = (value: unknown) =>
    new Promise<boolean>(resolve => {
      if (state.left) return resolve(false)
      waiting.push(value as VideoFrame)
      answer = resolve
      wake()
    })
  const job = run(onItem, signal).then(
    () => end({}),
    (error: unknown) => end({ error }),
  )
  try {
    for (;;) {
      if (waiting.length === 0 && !state.end) await new Promise<void>(resolve => (wake = resolve))
      const frame = waiting.shift()
      if (frame) {
        answer(true) // the child reads on while this frame is looked at
        yield frame
      } else if (state.end) {
        if ('error' in state.end) throw state.end.error
        return
      }
    }
  } finally {
    state.left = true
    answer(false)
    await job
  }
}
