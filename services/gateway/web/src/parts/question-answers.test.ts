import { expect, test } from 'vitest'
import { answersTo } from './question-answers.ts'

const candidate = (personId: string) => ({ personId, confidence: 0.5 })

test('of several people one is chosen, or neither', () => {
  expect(answersTo({ candidates: [candidate('a'), candidate('b')] })).toEqual([
    { choice: 'a', says: 'person' },
    { choice: 'b', says: 'person' },
    { choice: 'neither', says: 'neither' },
    { choice: 'not_sure', says: 'notSure' },
  ])
})

test('about one person the question is answered with yes, no or not sure', () => {
  expect(answersTo({ candidates: [candidate('a')] })).toEqual([
    { choice: 'a', says: 'yes' },
    { choice: 'neither', says: 'no' },
    { choice: 'not_sure', says: 'notSure' },
  ])
})
