import { expect, test } from 'vitest'
import { securityHeaders } from './security-headers.js'

test('pages may show what comes from the store itself only where URLs lead there', () => {
  const policy = (origin?: string) => securityHeaders(origin)['content-security-policy']
  expect(policy()).toContain("img-src 'self' data: blob:;")
  const open = policy('https://media.example')
  expect(open).toContain("img-src 'self' data: blob: https://media.example;")
  expect(open).toContain("media-src 'self' blob: https://media.example;")
  expect(open).toContain("script-src 'self';")
})
