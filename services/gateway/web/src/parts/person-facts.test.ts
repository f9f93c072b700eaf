import { expect, test } from 'vitest'
import { en } from '../i18n/en.ts'
import { ja } from '../i18n/ja.ts'
import { forChoice, personFacts } from './person-facts.ts'

test('people without a name are told apart by their photos and the month of the first', () => {
  const person = { mediaCount: 5, firstSeen: '2024-03-09T10:00:00.000Z' }
  expect(personFacts(person, en, 'en')).toBe('5 photos · first in March 2024')
  expect(personFacts(person, ja, 'ja')).toBe('5枚 · 2024年3月から')
  expect(personFacts({ mediaCount: 1 }, en, 'en')).toBe('1 photo')
})

test('in a choice those with a name come first, the others by how often they are seen', () => {
  const people = [
    { mediaCount: 2 },
    { name: 'Yui', mediaCount: 1 },
    { mediaCount: 9 },
    { name: 'Émile', mediaCount: 3 },
    { name: 'Fritz', mediaCount: 30 },
  ]
  expect(forChoice(people, 'en').map(person => person.name ?? person.mediaCount)).toEqual([
    'Émile',
    'Fritz',
    'Yui',
    9,
    2,
  ])
})
