import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayAllView, mayView } from './audience.js'

const ids = fc.subarray(['g1', 'g2', 'm1', 'm2', 'm3'])
const audience = fc.record({ kind: fc.constantFrom('everyone', 'parents', 'groups', 'members'), ids })
const members = [
  { memberId: 'm1', role: 'parent', groupIds: [] },
  { memberId: 'm2', role: 'relative', groupIds: ['g1'] },
  { memberId: 'm3', role: 'relative', groupIds: ['g1', 'g2'] },
]
const reached = (a: { kind: string; ids: readonly string[] }): typeof members =>
  members.filter(
    m =>
      a.kind === 'everyone' ||
      (a.kind === 'parents' && m.role === 'parent') ||
      (a.kind === 'groups' && m.groupIds.some(g => a.ids.includes(g))) ||
      (a.kind === 'members' && a.ids.includes(m.memberId)),
  )

test('what all may see, each may see', () => {
  fc.assert(
    fc.property(audience, audience, (item, product) => {
      if (mayAllView(item, product, members)) for (const m of reached(product)) expect(mayView(item, m)).toBe(true)
    }),
  )
})

test('an item for parents is in nothing that a relative sees', () => {
  const item = { kind: 'parents', ids: [] }
  expect(mayAllView(item, { kind: 'everyone', ids: [] }, members)).toBe(false)
  expect(mayAllView(item, { kind: 'members', ids: ['m2'] }, members)).toBe(false)
  expect(mayAllView(item, { kind: 'members', ids: ['m1'] }, members)).toBe(true)
  expect(mayAllView(item, { kind: 'parents', ids: [] }, members)).toBe(true)
  expect(mayAllView(item, { kind: 'members', ids: ['stranger'] }, members)).toBe(false)
})
