import { expect, test } from 'vitest'
import { RateLimit } from './rate-limit.js'

test('a key may make its burst at once, then its rate; others are not touched', () => {
  let now = 0
  const limit = new RateLimit({ perSecond: 2, burst: 4 }, () => now)
  for (let i = 0; i < 4; i++) limit.take('a')
  expect(() => limit.take('a')).toThrow(expect.objectContaining({ details: { retryAfterSeconds: '1' } }))
  limit.take('b')
  now = 500
  limit.take('a')
  expect(() => limit.take('a')).toThrow('Too many requests')
})

test('a rate of nothing is no limit', () => {
  const limit = new RateLimit({ perSecond: 0, burst: 0 })
  for (let i = 0; i < 1000; i++) limit.take('a')
})
