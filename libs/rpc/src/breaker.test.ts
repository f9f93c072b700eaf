import { expect, test } from 'vitest'
import { Breaker } from './breaker.js'

test('opens after failures in a row, lets one probe through after the cool-down, and closes when it succeeds', () => {
  const breaker = new Breaker({ failures: 2, coolDownMs: 100 })
  breaker.failed(0)
  breaker.succeeded()
  breaker.failed(0)
  expect(breaker.admit(1)).toBe(true)
  breaker.failed(1)
  expect(breaker.admit(2)).toBe(false)
  expect([breaker.admit(101), breaker.admit(101)]).toEqual([true, false])
  breaker.failed(101)
  expect(breaker.admit(150)).toBe(false)
  expect(breaker.admit(201)).toBe(true)
  breaker.succeeded()
  expect([breaker.admit(202), breaker.admit(202)]).toEqual([true, true])
})
