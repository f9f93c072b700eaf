import { expect, test } from 'vitest'
import { covers, sees, viewerOf } from './audience.js'

const members = [
  { id: 'mum', role: 'parent', groupIds: [] },
  { id: 'gran', role: 'relative', groupIds: ['hers'] },
  { id: 'aunt', role: 'relative', groupIds: ['hers', 'far'] },
]
const audience = (kind: string, ...ids: string[]) => ({ kind, ids })

test('a relative sees what is for everyone, for him or for one of his groups; a parent sees everything', () => {
  const [mum, gran] = members as [(typeof members)[0], (typeof members)[0]]
  for (const a of [audience('everyone'), audience('parents'), audience('groups', 'far'), audience('members', 'aunt')]) {
    expect(sees(mum, a)).toBe(true)
    expect(sees(gran, a)).toBe(a.kind === 'everyone')
  }
  expect(sees(gran, audience('groups', 'hers'))).toBe(true)
  expect(sees(gran, audience('members', 'gran'))).toBe(true)
})

test('a movie holds only items that all of its audience may see', () => {
  expect(covers(audience('everyone'), audience('everyone'), [])).toBe(true)
  expect(covers(audience('parents'), audience('everyone'), [])).toBe(false)
  expect(covers(audience('groups', 'hers'), audience('everyone'), members)).toBe(false)
  expect(covers(audience('parents'), audience('parents'), [])).toBe(true)
  expect(covers(audience('groups', 'hers'), audience('groups', 'far'), members)).toBe(true)
  expect(covers(audience('groups', 'far'), audience('groups', 'hers'), members)).toBe(false)
  expect(covers(audience('members', 'gran', 'aunt'), audience('groups', 'hers'), members)).toBe(true)
  expect(covers(audience('members', 'gran'), audience('groups', 'hers'), members)).toBe(false)
})

test('nobody in particular sees only what is for everyone', () => {
  expect(sees(viewerOf({ kind: 'anonymous' }), audience('parents'))).toBe(false)
  expect(sees(viewerOf({ kind: 'service', service: 'album' }), audience('parents'))).toBe(true)
})
