import { expect, test } from 'vitest'
import { networkOf, RateLimit } from './rate-limit.js'

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

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '::ffff:192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['0190a5d4-0000-7000-8000-000000000001', '0190a5d4-0000-7000-8000-000000000001'],
])('%s is counted as %s', (key, counted) => expect(networkOf(key)).toBe(counted))

test('a caller with a network of IPv6 addresses has one rate', () => {
  const limit = new RateLimit({ perSecond: 1, burst: 2 }, () => 0)
  limit.take('2001:db8::1')
  limit.take('2001:db8::2')
  expect(() => limit.take('2001:db8::3')).toThrow('Too many requests')
  limit.take('2001:db8:0:1::1')
})
