import { describe, expect, test } from 'vitest'
import { squareCrop } from './geometry.js'
import { halve, mirrored, Picture } from './picture.js'

/** A picture whose red is x and whose green is y. */
function ramp(width: number, height: number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3)
    return [pixel % width, Math.floor(pixel / width), 0][i % 3] as number
  })
  return new Picture({ data, width, height })
}

test('a released picture keeps no pixels, those of its halved copies neither', () => {
  const picture = ramp(64, 64)
  const halved = picture.level(2)
  picture.release()
  expect([picture.full.data.length, halved.data.length]).toEqual([0, 0])
})

describe('Picture.crop', () => {
  test('a crop of the same scale is the pixels themselves', () => {
    const crop = ramp(50, 50).crop({ a: 1, b: 0, c: 10, d: 0, e: 1, f: 20 }, 8)
    expect([...crop.subarray(0, 6)]).toEqual([10, 20, 0, 11, 20, 0])
  })

  test.each([1, 1.4, 1.9, 2, 3.3, 7.5])('shrinking by %f keeps every place within half a pixel', scale => {
    const size = 16
    const picture = ramp(250, 250)
    const crop = picture.crop(squareCrop({ x: 125, y: 125 }, size * scale, 0, size), size)
    for (let x = 0; x < size; x++) {
      // Pixel x of the crop covers this stretch of the picture; the mean of the ramp over it is its middle.
      const middle = 125 + (x - (size - 1) / 2) * scale
      expect(Math.abs((crop[x * 3] as number) - middle)).toBeLessThanOrEqual(1)
    }
  })

  test('outside of the picture is black', () => {
    const crop = ramp(10, 10).crop({ a: 1, b: 0, c: -100, d: 0, e: 1, f: -100 }, 4)
    expect(Math.max(...crop)).toBe(0)
  })

  test('a turned crop turns clockwise with the angle', () => {
    const crop = ramp(100, 100).crop(squareCrop({ x: 50, y: 50 }, 8, Math.PI / 2, 8), 8)
    // Going right in the crop is going down in the picture.
    expect((crop[3 * 7 + 1] as number) - (crop[1] as number)).toBe(7)
  })
})

test('halve takes the mean of two by two and survives a single row', () => {
  const image = { data: Uint8Array.from([0, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12, 12]), width: 2, height: 2 }
  expect([...halve(image).data]).toEqual([6, 6, 6])
  expect(halve({ data: Uint8Array.from([0, 0, 0, 4, 4, 4]), width: 2, height: 1 })).toMatchObject({
    width: 1,
    height: 1,
  })
})

test('mirrored twice is the crop itself', () => {
  const crop = Uint8Array.from({ length: 27 }, (_, i) => i)
  expect([...mirrored(crop, 3).subarray(0, 3)]).toEqual([6, 7, 8])
  expect(mirrored(mirrored(crop, 3), 3)).toEqual(crop)
})

test('a crop at the edge has the same pixels as one that lies inside', () => {
  const noise = Uint8Array.from({ length: 60 * 60 * 3 }, (_, i) => (i * 7919) % 251)
  const image = { data: noise, width: 60, height: 60 }
  // The same picture with a black border of 40 px, in which the crop lies inside.
  const padded = new Uint8Array(140 * 140 * 3)
  for (let y = 0; y < 60; y++) padded.set(noise.subarray(y * 180, (y + 1) * 180), ((y + 40) * 140 + 40) * 3)
  const map = squareCrop({ x: 10, y: 50 }, 50, 0.3, 32)
  const atEdge = new Picture(image).crop(map, 32)
  const inside = new Picture({ data: padded, width: 140, height: 140 }).crop(
    { ...map, c: map.c + 40, f: map.f + 40 },
    32,
  )
  expect(Math.max(...atEdge.map((value, i) => Math.abs(value - (inside[i] as number))))).toBeLessThanOrEqual(1)
})
