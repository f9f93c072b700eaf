import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FoundFace } from './find-faces.js'
import { FaceFollower, rangesOf, type Track } from './tracks.js'

/** A face of one of several people at a place; `noise` turns its embedding a little. */
function face(person: number, more: { x?: number; quality?: number; noise?: number; age?: number } = {}): FoundFace {
  const { x = 100, quality = 0.6, noise = 0, age = 5 } = more
  const embedding = new Float32Array(128)
  embedding[person] = Math.cos(noise)
  embedding[127] = Math.sin(noise)
  return {
    box: { x0: x, y0: 100, x1: x + 80, y1: 180 },
    landmarks: [],
    score: 0.9,
    quality,
    sharpness: 0.5,
    age,
    ageSpread: 2,
    smile: 0,
    expression: 'neutral',
    eyesOpen: 1,
    pose: { yaw: 0, pitch: 0, roll: 0 },
    embedding,
  }
}
const seconds = (...frames: FoundFace[][]): FoundFace[][] => frames
/** Follows the faces of frames that are `step` seconds apart. */
function followFaces(frames: readonly FoundFace[][], step: number, duration: number): Track[] {
  const follower = new FaceFollower(duration)
  frames.forEach((faces, index) => follower.add(index * step, faces, face => Uint8Array.of(face.quality * 100)))
  return follower.finish()
}

describe('FaceFollower', () => {
  test('one person who walks through the picture is one track', () => {
    const frames = seconds([face(1, { x: 0 })], [face(1, { x: 200 })], [face(1, { x: 500, noise: 0.2 })])
    const tracks = followFaces(frames, 1, 3)
    expect(tracks.map(track => track.ranges)).toEqual([[{ start: 0, end: 3 }]])
  })

  test('two people side by side are two tracks, also when they change places', () => {
    const frames = seconds([face(1, { x: 0 }), face(2, { x: 300 })], [face(2, { x: 0 }), face(1, { x: 300 })])
    const tracks = followFaces(frames, 1, 2)
    expect(tracks).toHaveLength(2)
    for (const { embedding } of tracks) expect(Math.max(...embedding)).toBeCloseTo(1)
  })

  test('who comes back is the same track with two ranges', () => {
    const frames = seconds([face(1)], [], [], [], [face(1)], [face(1)])
    expect(followFaces(frames, 1, 6).map(track => track.ranges)).toEqual([
      [
        { start: 0, end: 0.5 },
        { start: 3.5, end: 6 },
      ],
    ])
  })

  test('a blurred face at the same place a moment later still belongs, elsewhere it does not', () => {
    const blurred = { noise: 0.5 } // cosine 0.88
    expect(followFaces(seconds([face(1)], [face(1, blurred)]), 1, 2)).toHaveLength(1)
    expect(followFaces(seconds([face(1)], [face(1, { ...blurred, x: 600 })]), 1, 2)).toHaveLength(2)
  })

  test('the best sighting stands for the track, and weighs most in its age', () => {
    const [track] = followFaces(
      seconds([face(1, { quality: 0.1, age: 30 })], [face(1, { quality: 0.9, age: 4 })]),
      1,
      2,
    )
    expect(track?.at).toBe(1)
    expect(track?.portrait).toEqual(Uint8Array.of(90))
    expect(track?.age).toBeLessThan(8)
  })

  test('what flashes up in one frame only and is poor is left out', () => {
    expect(followFaces(seconds([face(1, { quality: 0.1 })], []), 1, 2)).toEqual([])
    expect(followFaces(seconds([face(1, { quality: 0.5 })], []), 1, 2)).toHaveLength(1)
  })

  test('every sighting goes into one track at most, whatever the frames hold', () => {
    const frame = fc.array(
      fc.record({ person: fc.nat(4), x: fc.nat(900), noise: fc.double({ min: 0, max: 0.6, noNaN: true }) }),
    )
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), frames => {
        const faces = frames.map(list => list.map(({ person, ...more }) => face(person, more)))
        const tracks = followFaces(seconds(...faces), 1, frames.length)
        expect(tracks.length).toBeLessThanOrEqual(faces.flat().length)
        for (const { ranges, embedding } of tracks) {
          expect(Math.hypot(...embedding)).toBeCloseTo(1)
          ranges.forEach((range, i) => expect(range.start).toBeGreaterThan(ranges[i - 1]?.end ?? -1))
        }
      }),
    )
  })
})

test('rangesOf bridges one missed sample and stays within the video', () => {
  const times = [0.5, 1, 2, 4, 4.5, 8, 9]
  expect(rangesOf([0, 1, 3, 6], times, 9.2)).toEqual([
    { start: 0, end: 4.25 },
    { start: 8.5, end: 9.2 },
  ])
})
