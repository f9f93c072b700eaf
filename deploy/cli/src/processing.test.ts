import { expect, test } from 'vitest'
import { describeProcessing } from './processing.js'

const stage = (pending: number) => ({ done: 3 - pending, pending, failed: 0 })

test('the figures end with a sentence that says whether there is anything to wait for', () => {
  const settled = {
    items: { total: 1, ready: 1, pending: 0, failed: 0 },
    stages: { ingest: stage(0), faces: stage(0) },
  }
  expect(describeProcessing(settled).split('\n')).toEqual([
    '1 item: 1 ready, 0 pending, 0 failed',
    '  ingest     3 done, 0 pending, 0 failed',
    '  faces      3 done, 0 pending, 0 failed',
    'settled: everything that was uploaded has been looked at, nothing is under way.',
  ])
  const working = { ...settled, stages: { ...settled.stages, faces: stage(2) } }
  expect(describeProcessing(working).split('\n').at(-1)).toBe(
    'working: the pending ones are being looked at; this needs nothing from you.',
  )
})
