import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { boundedSignal } from './bounded-signal.js'

test('it is aborted with its parent, whose reason it takes', () => {
  const parent = new AbortController()
  const { signal } = boundedSignal(parent.signal, 60_000)
  expect(signal.aborted).toBe(false)
  parent.abort('over')
  expect(signal.reason).toBe('over')
  expect(boundedSignal(parent.signal, 60_000).signal.reason).toBe('over')
})

test('it is aborted when its time is over', async () => {
  const { signal } = boundedSignal(new AbortController().signal, 5)
  await once(signal, 'abort')
  expect((signal.reason as DOMException).name).toBe('TimeoutError')
})

test('released, it holds neither a timer nor its parent', () => {
  vi.useFakeTimers()
  try {
    const parent = new AbortController()
    const { signal, release } = boundedSignal(parent.signal, 60_000)
    expect(vi.getTimerCount()).toBe(1)
    release()
    expect(vi.getTimerCount()).toBe(0)
    parent.abort()
    expect(signal.aborted).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})
