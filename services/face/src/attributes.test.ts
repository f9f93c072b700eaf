import { describe, expect, test } from 'vitest'
import { ageWithSpread, expressionOf, eyesOpen, poseOf } from './attributes.js'
import type { Point } from './geometry.js'
import { qualityOf, sharpnessOf } from './quality.js'

/** 68 points with eyes, nose tip and mouth where they are put, in pixels. */
function points(places: { left: Point; right: Point; nose: Point; mouth: Point }, opening = 4): Point[] {
  const all: Point[] = Array.from({ length: 68 }, () => places.nose)
  const eye = (from: number, { x, y }: Point) => {
    const outline = [
      [-10, 0],
      [-4, -opening],
      [4, -opening],
      [10, 0],
      [4, opening],
      [-4, opening],
    ] as const
    outline.forEach(([dx, dy], i) => (all[from + i] = { x: x + dx, y: y + dy }))
  }
  eye(36, places.left)
  eye(42, places.right)
  for (let i = 48; i < 68; i++) all[i] = places.mouth
  return all
}
const frontal = { left: { x: 0, y: 0 }, right: { x: 60, y: 0 }, nose: { x: 30, y: 36 }, mouth: { x: 30, y: 60 } }

describe('pose', () => {
  test('a face that looks straight ahead has none', () => {
    const { yaw, pitch, roll } = poseOf(points(frontal))
    for (const angle of [yaw, pitch, roll]) expect(angle).toBeCloseTo(0)
  })

  test('the nose shows where the face is turned', () => {
    expect(poseOf(points({ ...frontal, nose: { x: 50, y: 36 } })).yaw).toBeGreaterThan(20)
    expect(poseOf(points({ ...frontal, nose: { x: 30, y: 20 } })).pitch).toBeGreaterThan(15)
  })

  test('a face that leans only leans', () => {
    const turn = ({ x, y }: Point, by: number) => ({
      x: x * Math.cos(by) - y * Math.sin(by),
      y: x * Math.sin(by) + y * Math.cos(by),
    })
    const lean = Math.PI / 6
    const leaning = Object.fromEntries(
      Object.entries(frontal).map(([name, point]) => [name, turn(point, lean)]),
    ) as typeof frontal
    const all = points(frontal).map(point => turn(point, lean))
    expect(leaning.right.y).toBeGreaterThan(0)
    expect(poseOf(all).roll).toBeCloseTo(30)
    expect(poseOf(all).yaw).toBeCloseTo(0)
  })
})

test('one shut eye is enough to say that eyes are shut', () => {
  expect(eyesOpen(points(frontal, 4))).toBe(1)
  expect(eyesOpen(points(frontal, 1))).toBe(0)
  const winking = points(frontal, 4).map((point, i) => (i > 36 && i < 42 && i !== 39 ? { x: point.x, y: 0 } : point))
  expect(eyesOpen(winking)).toBe(0)
})

test('the likeliest expression, and a smile from happiness', () => {
  expect(expressionOf([0.1, 0.7, 0, 0, 0, 0, 0.2])).toEqual({ expression: 'happy', smile: 0.7 })
  expect(expressionOf([0, 0, 0, 0, 0, 0, 1]).expression).toBe('surprised')
})

test('the spread of an age grows with the age, and with bad quality', () => {
  const spread = (years: number, quality: number) => ageWithSpread(years, quality).ageSpread
  expect(spread(2, 1)).toBeLessThan(spread(7, 1))
  expect(spread(7, 1)).toBeLessThan(spread(15, 1))
  expect(spread(7, 0)).toBeCloseTo(2 * spread(7, 1))
  expect(ageWithSpread(-0.4, 1).age).toBe(0)
})

describe('quality', () => {
  const chequered = (step: number) =>
    Uint8Array.from({ length: 112 * 112 * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3)
      return (Math.floor((pixel % 112) / step) + Math.floor(pixel / 112 / step)) % 2 ? 200 : 50
    })
  test('fine detail is sharp, coarse detail less, a blank crop not at all', () => {
    expect(sharpnessOf(chequered(1), 112)).toBe(1)
    expect(sharpnessOf(chequered(8), 112)).toBeGreaterThan(sharpnessOf(chequered(28), 112))
    expect(sharpnessOf(new Uint8Array(112 * 112 * 3).fill(90), 112)).toBe(0)
  })

  test('each of size, sharpness, pose and score counts', () => {
    const good = { side: 200, sharpness: 1, pose: { yaw: 0, pitch: 0, roll: 0 }, score: 1 }
    expect(qualityOf(good)).toBeCloseTo(1)
    for (const worse of [{ side: 30 }, { sharpness: 0 }, { pose: { yaw: 80, pitch: 0, roll: 0 } }, { score: 0.3 }])
      expect(qualityOf({ ...good, ...worse })).toBeLessThan(0.6)
  })
})
