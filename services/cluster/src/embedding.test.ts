import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DIMENSIONS } from './age-groups.js'
import { flawOf } from './embedding.js'

const bytesOf = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
const sound = Array.from({ length: DIMENSIONS }, (_, k) => Math.sin(k + 1))

test('a sound embedding has no flaw, wherever its bytes begin', () => {
  expect(flawOf(bytesOf(sound))).toBeUndefined()
  expect(flawOf(Buffer.concat([Buffer.alloc(3), bytesOf(sound)]).subarray(3))).toBeUndefined()
})

test('one value that is no number is enough, and is named', () => {
  fc.assert(
    fc.property(fc.nat(DIMENSIONS - 1), fc.constantFrom(NaN, Infinity, -Infinity), (k, value) => {
      expect(flawOf(bytesOf(sound.with(k, value)))).toContain(`value ${k} `)
    }),
  )
})

test('too few bytes, too many, and nothing but zeros are flaws', () => {
  expect(flawOf(bytesOf(sound.slice(1)))).toContain('508 bytes instead of 512')
  expect(flawOf(bytesOf([...sound, 1]))).toContain('516 bytes')
  expect(flawOf(bytesOf(sound.map(() => 0)))).toContain('zeros')
})
