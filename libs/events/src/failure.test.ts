import { KeepsakeError } from '@keepsake/rpc'
import { expect, test } from 'vitest'
import { failureOf, withoutQuotes } from './failure.js'

test('a cause tells what went wrong and nothing that people wrote', () => {
  const refused = Object.assign(new Error('invalid input syntax for type date: "Hana, 2020"'), {
    detail: 'Key (email)=(hana@example.org) already exists.',
  })
  const told = new KeepsakeError({ code: 'NOT_FOUND', reason: 'NO_CHILD', message: 'There is no child "Hana".' })
  let parsed: unknown
  try {
    JSON.parse('Hana was here')
  } catch (error) {
    parsed = error
  }
  for (const error of [refused, told, parsed]) expect(JSON.stringify(failureOf(error))).not.toMatch(/hana/i)
  expect(failureOf(refused).cause).toEqual({
    code: 'INTERNAL',
    reason: 'Error',
    message: 'invalid input syntax for type date: "…"',
  })
})

test.each([
  ['Key (email)=(hana@example.org) already exists.', 'Key (email)=(…) already exists.'],
  ["unnamed portal parameter $6 = 'our first day'", "unnamed portal parameter $6 = '…'"],
  ['it began with "Hana', 'it began with "…"'],
  ["the worker doesn't answer", "the worker doesn't answer"],
])('%s is kept as %s', (message, kept) => expect(withoutQuotes(message)).toBe(kept))

test('what says something about a machine, not about the event, is tried again', () => {
  const hopeless = (code: KeepsakeError['code']) =>
    failureOf(new KeepsakeError({ code, reason: 'R', message: 'A sentence.', retryable: false })).hopeless
  expect(['INTERNAL', 'CANCELLED', 'UNAUTHENTICATED'].map(code => hopeless(code as KeepsakeError['code']))).toEqual([
    false,
    false,
    false,
  ])
  expect(hopeless('NOT_FOUND')).toBe(true)
})
