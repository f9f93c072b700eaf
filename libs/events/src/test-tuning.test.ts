import { expect, test } from 'vitest'
import { testTuning } from './open-event-log.js'

test('what loses events on purpose can be switched on in a test process alone', () => {
  const env = { KEEPSAKE_TEST_EVENTS: 'disturb=7,commit-before-effect' }
  expect(testTuning({ ...env, NODE_ENV: 'test' })).toMatchObject({
    commitBeforeEffect: true,
    disturb: { reorder: true },
  })
  for (const mode of [{}, { NODE_ENV: 'production' }, { NODE_ENV: 'development' }])
    expect(() => testTuning({ ...env, ...mode })).toThrow('refused unless NODE_ENV is test')
  expect(() => testTuning({ KEEPSAKE_TEST_EVENTS: 'anything', NODE_ENV: 'test' })).toThrow('KEEPSAKE_TEST_EVENTS')
})

test('without it nothing is disturbed', () => {
  expect(testTuning({ NODE_ENV: 'production' })).toEqual({})
})
