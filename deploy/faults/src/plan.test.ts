import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makePlan, scenes } from './plan.js'

const options = { seed: 7, items: 200, windowMs: 90_000 }

test('the same options give the same plan, another seed another one', () => {
  expect(makePlan(options)).toEqual(makePlan(options))
  expect(makePlan({ ...options, seed: 8 })).not.toEqual(makePlan(options))
})

test('every item is uploaded once; whatever is done to one is planned after its upload', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 2, max: 60 }), (seed, items) => {
      const { actions } = makePlan({ seed, items, windowMs: 60_000 })
      const uploads = actions.filter(action => action.do === 'upload')
      const at = new Map(uploads.map(action => [`${action.family}/${action.item}`, action.atMs]))
      expect(uploads.length).toBe(items)
      expect(at.size).toBe(items)
      expect(new Set(actions.map(action => action.id)).size).toBe(actions.length)
      for (const action of actions)
        if (action.do !== 'film')
          expect(action.atMs).toBeGreaterThanOrEqual(at.get(`${action.family}/${action.item}`) ?? Infinity)
    }),
  )
})

test('enough time plays every kind of fault', () => {
  const { faults } = makePlan({ ...options, windowMs: scenes.length * 8_000 })
  const kinds = new Set(faults.map(fault => fault.do))
  expect([...kinds].sort()).toEqual([
    'clock',
    'cut',
    'delay',
    'fill',
    'freeze',
    'kill',
    'poison',
    'refuse',
    'slow',
    'stall',
    'throttle',
  ])
  // All at once: every process and three servers at the same moment.
  const most = Math.max(...faults.map(fault => faults.filter(other => other.atMs === fault.atMs).length))
  expect(most).toBeGreaterThanOrEqual(13)
})

test('without scenes nothing goes wrong', () => {
  expect(makePlan({ ...options, kinds: [] }).faults).toEqual([])
})
