import { expect, test } from 'vitest'
import { en } from './en.ts'
import { ja } from './ja.ts'

test('no sentence of either language is empty', () => {
  for (const messages of [en, ja])
    for (const [key, value] of Object.entries(messages))
      if (typeof value === 'string') expect(value.trim(), key).not.toBe('')
})

test('ages are said in years and months', () => {
  expect(en.age(14)).toBe('1 year 2 months')
  expect(en.age(24)).toBe('2 years')
  expect(en.age(0)).toBe('0 months')
  expect(ja.age(14)).toBe('1歳2か月')
})
