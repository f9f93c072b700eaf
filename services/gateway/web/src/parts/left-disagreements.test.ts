import { expect, test } from 'vitest'
import type { Correction } from '../api.ts'
import { leaveIt, openOnes } from './left-disagreements.ts'

function memory(first?: string) {
  const kept = new Map<string, string>(first === undefined ? [] : [['keepsake.left-disagreements', first]])
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  }
}
const word = (id: string, by: string): Correction => ({
  id,
  kind: 'name',
  by: 'mother',
  at: '2026-01-01T00:00:00Z',
  undone: false,
  overruledBy: { correctionId: by, by: 'father', at: '2026-01-02T00:00:00Z', about: 'name' },
})

test('what was left so is not shown again, until another word overrules it', () => {
  const storage = memory()
  const words = [word('a', 'x'), word('b', 'y'), { ...word('c', 'z'), overruledBy: undefined } as unknown as Correction]
  expect(openOnes(words, storage).map(one => one.correction.id)).toEqual(['a', 'b'])
  leaveIt(words[0]!, storage)
  expect(openOnes(words, storage).map(one => one.correction.id)).toEqual(['b'])
  expect(openOnes([word('a', 'w')], storage)).toHaveLength(1)
})

test('a storage that holds nonsense hides nothing', () => {
  for (const nonsense of ['{', '{}', '[1]']) expect(openOnes([word('a', 'x')], memory(nonsense))).toHaveLength(1)
})
