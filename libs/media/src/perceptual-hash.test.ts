import { expect, test } from 'vitest'
import { dHash, hammingDistance, pHash } from './perceptual-hash.js'
import { measureQuality } from './quality.js'
import { samplePixels } from './testing/sample-media.js'

test('hashes have 16 hex digits, and a brighter picture has nearly the same', () => {
  const grey = Array.from({ length: 1024 }, (_, i) => ((i % 32) * (i >> 5)) % 97)
  const brighter = grey.map(value => value * 1.2 + 10)
  expect(pHash(grey)).toMatch(/^[0-9a-f]{16}$/)
  expect(hammingDistance(pHash(grey), pHash(brighter))).toBeLessThanOrEqual(2)
  expect(dHash(grey.slice(0, 72))).toBe(dHash(brighter.slice(0, 72)))
  expect(hammingDistance('0000000000000000', 'ffffffffffffffff')).toBe(64)
})

test('blur lowers sharpness, grey has no colour, black is clipped', () => {
  const sharp = { data: samplePixels(256, 256), width: 256, height: 256 }
  const soft = { ...sharp, data: sharp.data.map((_, i) => average(sharp.data, i)) }
  expect(measureQuality(soft).sharpness).toBeLessThan(measureQuality(sharp).sharpness / 2)
  const { columns, rows, values } = measureQuality(sharp).sharpnessGrid
  expect(values).toHaveLength(columns * rows)
  const black = measureQuality({ data: new Uint8Array(300), width: 10, height: 10 })
  expect(black).toMatchObject({ clippedDark: 1, clippedBright: 0, brightness: 0, contrast: 0, colourfulness: 0 })
  const paper = measureQuality({ data: new Uint8Array(300).fill(250), width: 10, height: 10 })
  expect(paper.paperShare).toBe(1)
  expect(paper.flatShare).toBe(0.9)
})

test('the smallest pictures can be measured', () => {
  for (const [width, height] of [
    [1, 1],
    [1, 500],
    [500, 1],
  ] as const) {
    const figures = measureQuality({ data: new Uint8Array(width * height * 3), width, height })
    expect(Number.isFinite(figures.sharpness)).toBe(true)
  }
})

function average(data: Uint8Array, i: number): number {
  let sum = 0
  for (let step = -4; step <= 4; step++) sum += data[Math.min(data.length - 1, Math.max(0, i + step * 3))] ?? 0
  return sum / 9
}
