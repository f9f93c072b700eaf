import { expect, test } from 'vitest'
import { assignIds, assignIdsByPlace, faceId } from './face-ids.js'

const media = '019340aa-bbcc-7123-8abc-0123456789ab'
const along = (axis: number) => Float32Array.from({ length: 128 }, (_, i) => (i === axis ? 1 : 0))
const face = (axis: number) => ({ embedding: along(axis) })

test('a face id is a UUIDv7 with the time of its item, and follows from it', () => {
  expect(faceId(media, 0)).toMatch(/^019340aa-bbcc-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(faceId(media, 0)).toBe(faceId(media, 0))
  expect(new Set(Array.from({ length: 200 }, (_, i) => faceId(media, i))).size).toBe(200)
})

test('faces that were there keep their ids, whatever order they come in', () => {
  const first = assignIds(media, [face(1), face(2)], [])
  const earlier = first.map((id, i) => ({ id, embedding: along(i + 1) }))
  expect(assignIds(media, [face(2), face(1)], earlier)).toEqual([first[1], first[0]])
})

test('a new face never gets the id of one that is gone', () => {
  const [one, two] = assignIds(media, [face(1), face(2)], []) as [string, string]
  const [again, fresh] = assignIds(
    media,
    [face(2), face(3)],
    [
      { id: one, embedding: along(1) },
      { id: two, embedding: along(2) },
    ],
  )
  expect(again).toBe(two)
  expect([one, two]).not.toContain(fresh)
})

test('in another version a face is found again by its place, on screen at the same time', () => {
  const at = (x: number, ...seconds: number[]) => ({
    box: { x, y: 0.2, w: 0.2, h: 0.3 },
    ranges: seconds.length ? [{ start: seconds[0]!, end: seconds[1]! }] : [],
  })
  const [left, right] = ['left', 'right']
  const earlier = [
    { id: left, ...at(0.1) },
    { id: right, ...at(0.6) },
  ]
  const [a, b, fresh] = assignIdsByPlace(media, [at(0.62), at(0.1), at(0.35)], earlier)
  expect([a, b]).toEqual([right, left])
  expect([left, right]).not.toContain(fresh)
  const [same, other] = assignIdsByPlace(media, [at(0.1, 3, 5), at(0.1, 8, 9)], [{ id: left, ...at(0.1, 0, 4) }])
  expect(same).toBe(left)
  expect(other).not.toBe(left)
  expect(assignIdsByPlace(media, [at(0.1)], earlier, [left])).not.toContain(left)
})
