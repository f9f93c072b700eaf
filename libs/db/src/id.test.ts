import { expect, test } from 'vitest'
import { isId, uuidv7 } from './id.js'

test('new ids are ids, differ, and sort by their time', () => {
  const ids = [1, 2, 1_795_000_000_000, 1_795_000_000_001].map(uuidv7)
  expect(ids.every(isId)).toBe(true)
  expect([...ids].sort()).toEqual(ids)
  expect(ids.every(id => id[14] === '7' && '89ab'.includes(id[19] ?? ''))).toBe(true)
  expect(uuidv7(5)).not.toBe(uuidv7(5))
})

test('what is no id is told from one', () => {
  const id = '0190A5D4-0000-7000-8000-00000000f001'
  expect([id, `${id} `, id.slice(1), id.replaceAll('-', ''), '', "'; --"].map(isId)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
  ])
})
