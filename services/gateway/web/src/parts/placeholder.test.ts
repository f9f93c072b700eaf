import { expect, test } from 'vitest'
import { meanColour } from './placeholder.ts'

test('the mean colour of a BlurHash is read from its DC component', () => {
  // Four base-83 digits: 29, 28, 30, 10 make 0xffffff.
  expect(meanColour('00TSUA')).toBe('#ffffff')
  expect(meanColour('000000')).toBe('#000000')
  expect(meanColour('LEHV6nWB2yk8pyo0adR*.7kCMdnj')).toMatch(/^#[0-9a-f]{6}$/)
})

test('what is no BlurHash has no colour', () => {
  expect(meanColour(undefined)).toBeUndefined()
  expect(meanColour('abc')).toBeUndefined()
  expect(meanColour('L"""""')).toBeUndefined()
})
