import { expect, test } from 'vitest'
import {
  backupLines,
  deadLettersLine,
  erasuresLine,
  replayedLine,
  restoreLines,
  topicsLine,
  verifyLine,
} from './answers.js'

test('one is told of as one, and several as several', () => {
  const one = { id: 'x', families: 1, rows: 1, objects: 1, copied: 1, copiedBytes: 5, removed: 1, missing: 1 }
  expect(backupLines(one)).toEqual([
    'backup x: 1 family, 1 row, 1 object; 1 new (5 bytes); 1 unreadable for ever, removed',
    '1 object went while being copied: run it again when the album is calm.',
  ])
  expect(backupLines({ ...one, families: 2, rows: 0, objects: 3, removed: 0, missing: 0 })).toEqual([
    'backup x: 2 families, 0 rows, 3 objects; 1 new (5 bytes)',
  ])
  const restored = { id: 'x', rows: 1, objects: 1, there: 1, replayed: 1, erasedRows: 1, erasedObjects: 0 }
  expect(restoreLines(restored)).toEqual([
    'restored x: 1 row, 1 object (1 was there)',
    '1 erasure of after this backup is carried out again; 1 row and 0 objects stay erased.',
  ])
  expect(restoreLines({ ...restored, there: 2, replayed: 2, erasedObjects: 2 })).toEqual([
    'restored x: 1 row, 1 object (2 were there)',
    '2 erasures of after this backup are carried out again; 1 row and 2 objects stay erased.',
  ])
  expect([0, 1, 2].map(verifyLine)).toEqual(['The backup is whole.', '1 thing is wrong.', '2 things are wrong.'])
  expect([1, 2].map(topicsLine)).toEqual(['1 topic was made.', '2 topics were made.'])
  expect([0, 1, 2].map(deadLettersLine)).toEqual(['No dead letters.', '1 dead letter.', '2 dead letters.'])
  expect([0, 1].map(replayedLine)).toEqual(['0 events are driven through again.', '1 event is driven through again.'])
  expect(erasuresLine(1, 0)).toBe('1 erasure, 0 not complete.')
})
