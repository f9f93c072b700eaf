import { expect, test } from 'vitest'
import { sameName } from './same-name.ts'

test('a name is the same as it is shown: spaces collapsed, characters composed', () => {
  expect(sameName('The Sato family', ' The  Sato\tfamily ')).toBe(true)
  expect(sameName('佐藤 家', '佐藤\u3000家')).toBe(true)
  expect(sameName('Zo\u00eb', 'Zoe\u0308')).toBe(true)
  expect(sameName('ガーデン', 'カ\u3099ーテ\u3099ン')).toBe(true)
})

test('another name is another one, and so is a part of it', () => {
  expect(sameName('the sato family', 'The Sato family')).toBe(false)
  expect(sameName('The Sato', 'The Sato family')).toBe(false)
  expect(sameName('', 'The Sato family')).toBe(false)
  expect(sameName('TheSato family', 'The Sato family')).toBe(false)
})
