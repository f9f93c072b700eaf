import { describe, expect, test } from 'vitest'
import { seededRandom, skipUnless, until } from './index.js'

describe('until', () => {
  test('answers the first truthy value and forgives what throws on the way', async () => {
    let asked = 0
    const value = await until(() => {
      asked++
      if (asked < 3) throw new Error('not yet')
      return asked
    })
    expect(value).toBe(3)
  })

  test('gives up at its deadline and says what it last heard', async () => {
    const never = until(() => Promise.reject(new Error('still closed')), { deadlineMs: 60, what: 'the door' })
    await expect(never).rejects.toThrow('the door did not come true within 60 ms: still closed')
  })
})

test('the same seed gives the same choices', () => {
  const choices = (seed: number) => {
    const random = seededRandom(seed)
    return [random.integer(1, 6), random.pick(['a', 'b', 'c']), ...random.shuffle([1, 2, 3, 4, 5])]
  }
  expect(choices(7)).toEqual(choices(7))
  expect(choices(7)).not.toEqual(choices(8))
})

skipUnless(true, 'nothing is missing').test('what is there is tested', () => expect(true).toBe(true))
