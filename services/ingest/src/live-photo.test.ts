import { expect, test } from 'vitest'
import { pairLivePhotos, type Clip, type Half } from './live-photo.js'

const still = (over: Partial<Half> = {}): Half => ({
  id: 's',
  fileName: 'IMG_1.HEIC',
  folder: 'a',
  scope: 'i',
  at: 1_000,
  dated: true,
  ...over,
})
const clip = (over: Partial<Clip> = {}): Clip => ({
  id: 'c',
  fileName: 'IMG_1.MOV',
  folder: 'a',
  scope: 'i',
  at: 0,
  dated: true,
  durationS: 2.9,
  ...over,
})
const paired = (s: Half[], c: Clip[]) => pairLivePhotos(s, c).map(p => `${p.stillId}${p.clipId}`)

test('the content identifier pairs whatever the files are called', () => {
  expect(
    paired(
      [still({ contentIdentifier: 'X' })],
      [clip({ contentIdentifier: 'X', fileName: 'other.mov', folder: 'z', at: 9e9 })],
    ),
  ).toEqual(['sc'])
})
test('different identifiers never pair, whatever the names say', () => {
  expect(paired([still({ contentIdentifier: 'X' })], [clip({ contentIdentifier: 'Y' })])).toEqual([])
})
test('where an export lost the identifier: base name, folder, time and length', () => {
  expect(paired([still()], [clip()])).toEqual(['sc'])
  expect(paired([still()], [clip({ fileName: 'IMG_1_HEVC.MOV' })])).toEqual(['sc'])
  expect(paired([still({ contentIdentifier: 'X' })], [clip()])).toEqual(['sc'])
  expect(paired([still()], [clip({ folder: 'b' })])).toEqual([])
  expect(paired([still()], [clip({ scope: 'other import' })])).toEqual([])
  expect(paired([still({ folder: undefined })], [clip({ folder: undefined })])).toEqual([])
  expect(paired([still()], [clip({ at: 60_000 })])).toEqual([])
  expect(paired([still()], [clip({ durationS: 30 })])).toEqual([])
  expect(paired([still({ dated: false })], [clip()])).toEqual([])
})
test('each half is used once, and identifiers come before names', () => {
  const stills = [still({ id: 'a' }), still({ id: 'b', contentIdentifier: 'X' })]
  const clips = [clip({ id: 'y' }), clip({ id: 'x', contentIdentifier: 'X' })]
  expect(paired(stills, clips)).toEqual(['ay', 'bx'])
  expect(paired([...stills].reverse(), [...clips].reverse())).toEqual(['ay', 'bx'])
})
