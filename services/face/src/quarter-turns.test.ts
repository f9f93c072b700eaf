import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { boxBeforeTurn, pointBeforeTurn, turned, type QuarterTurns } from './quarter-turns.js'

const turns = fc.constantFrom<QuarterTurns>(1, 2, 3)
const pictures = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map(data => ({ data, width, height })),
  )

describe('a picture turned by quarters', () => {
  test('turns clockwise', () => {
    const data = Uint8Array.from([1, 2, 3, 4, 5, 6].flatMap(value => [value, value, value]))
    const { width, height, data: out } = turned({ data, width: 3, height: 2 }, 1)
    expect([width, height]).toEqual([2, 3])
    expect([...out].filter((_, i) => i % 3 === 0)).toEqual([4, 1, 5, 2, 6, 3])
  })

  test('is the same after all four', () => {
    fc.assert(
      fc.property(pictures, turns, (picture, by) => {
        const back = ((4 - by) % 4) as QuarterTurns
        expect(turned(turned(picture, by), back)).toEqual(picture)
      }),
    )
  })

  test('each pixel is found again where it came from, and so is its box', () => {
    fc.assert(
      fc.property(pictures, turns, (picture, by) => {
        const after = turned(picture, by)
        for (let y = 0; y < after.height; y++)
          for (let x = 0; x < after.width; x++) {
            const from = pointBeforeTurn({ x, y }, by, picture)
            const at = (from.y * picture.width + from.x) * 3
            expect(after.data[(y * after.width + x) * 3]).toBe(picture.data[at])
            expect(boxBeforeTurn({ x0: x, y0: y, x1: x + 1, y1: y + 1 }, by, picture)).toEqual({
              x0: from.x,
              y0: from.y,
              x1: from.x + 1,
              y1: from.y + 1,
            })
          }
      }),
    )
  })
})
