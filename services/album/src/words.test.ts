import { expect, test } from 'vitest'
import { matchesTerm, queryTerms, wordsOf } from './words.js'

const finds = (text: string, query: string) => {
  const terms = queryTerms(query)
  return terms.length > 0 && terms.every(term => matchesTerm(text, term))
}

test('words are found whole or by their beginning, in any case and order', () => {
  expect(finds('Kyoto Imperial Palace.jpg', 'palace kyo')).toBe(true)
  expect(finds('Kyoto', 'yoto')).toBe(false)
  expect(finds('ＩＭＧ_０００１', 'img 0001')).toBe(true)
})

test('scripts without spaces are found by any part', () => {
  expect(finds('京都の紅葉', '紅葉')).toBe(true)
  expect(finds('京都の紅葉', '都')).toBe(true)
  expect(finds('京都の紅葉', '紅京')).toBe(false)
  expect(finds('ディズニーランド', 'ランド')).toBe(true)
  expect(finds('東京tower', 'tower')).toBe(true)
})

test('nothing is asked by punctuation', () => {
  expect(queryTerms('!?  -')).toEqual([])
  expect(wordsOf(['', '...'])).toEqual([])
})
