import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { mayReturn, setAccessToken } from './api.ts'

const kept = new Map<string, string>()

beforeEach(() => {
  kept.clear()
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  })
})

afterAll(() => void vi.unstubAllGlobals())

test('a browser that has never been here has no session to take up', () => {
  expect(mayReturn()).toBe(false)
})

test('a session is taken up again until it has ended', () => {
  setAccessToken('token')
  kept.set('keepsake.locale', 'ja')
  expect(mayReturn()).toBe(true)
  setAccessToken(undefined)
  expect(mayReturn()).toBe(false)
})

test('a browser that only an earlier release has known is asked, once', () => {
  kept.set('keepsake.locale', 'en')
  expect(mayReturn()).toBe(true)
  setAccessToken(undefined)
  expect(mayReturn()).toBe(false)
})
