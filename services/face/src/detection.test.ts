import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCloseUp, decodePyramid, decodeWide, suppress, union, type Detection } from './detection.js'
import { intersectionOverUnion } from './geometry.js'

const detection = (
  x: number,
  y: number,
  side: number,
  score: number,
  detector: Detection['detector'] = 'wide',
): Detection => ({
  box: { x0: x, y0: y, x1: x + side, y1: y + side },
  score,
  detector,
  upright: detector === 'wide' ? 0 : score,
})
const letterbox = { pixels: new Uint8Array(), scale: 0.5, offsetX: 0, offsetY: 0 }

describe('decoding', () => {
  test('the wide detector answers in parts of 512 px, y first', () => {
    const boxes = Float32Array.from([0.25, 0.5, 0.5, 1])
    expect(decodeWide(boxes, Float32Array.of(0.9), letterbox)[0]?.box).toEqual({ x0: 512, y0: 256, x1: 1024, y1: 512 })
    expect(decodeWide(boxes, Float32Array.of(0.1), letterbox)).toEqual([])
  })

  test('the close-up detector answers relative to its grid, and the border is taken off', () => {
    const rows = new Float32Array(2304 * 17).fill(-20)
    const cell = 48 * 10 + 20 // centre 82, 42
    rows.set([3, 8, 8, 20, 40], cell * 17)
    const [face] = decodeCloseUp(rows, { ...letterbox, offsetX: 10, offsetY: 20 })
    expect(face?.box).toEqual({
      x0: (90 - 10 - 10) * 2,
      y0: (50 - 20 - 20) * 2,
      x1: (90 + 10 - 10) * 2,
      y1: (50 + 20 - 20) * 2,
    })
    expect(face?.score).toBeCloseTo(1 / (1 + Math.exp(-3)))
  })

  test('the pyramid answers in parts of its size, x first; a score that is no number is no face', () => {
    const boxes = Float32Array.from([0.25, 0.5, 0.5, 1, 0, 0, 1, 1])
    const [face, ...more] = decodePyramid(boxes, Float32Array.of(0.9, NaN), 768, letterbox)
    expect(face?.box).toEqual({ x0: 384, y0: 768, x1: 768, y1: 1536 })
    expect(more).toEqual([])
  })
})

describe('one face, one box', () => {
  test('the best of overlapping boxes stays, and a part of a face is no face', () => {
    const kept = suppress([
      detection(0, 0, 100, 0.6),
      detection(5, 5, 100, 0.9),
      detection(40, 40, 30, 0.5),
      detection(300, 0, 50, 0.4),
    ])
    expect(kept.map(face => face.score)).toEqual([0.9, 0.4])
  })

  test("where both detectors found a face the wide one's box stays", () => {
    const both = union(
      [detection(0, 0, 100, 0.4)],
      [detection(10, 10, 80, 0.99, 'closeUp'), detection(500, 0, 80, 0.7, 'closeUp')],
    )
    expect(both.map(face => face.detector)).toEqual(['wide', 'closeUp'])
    expect(both.map(face => face.upright)).toEqual([0.99, 0.7])
  })

  test('what is kept never overlaps, and does not depend on the order', () => {
    const any = fc.record({
      x: fc.nat(300),
      y: fc.nat(300),
      side: fc.integer({ min: 5, max: 200 }),
      score: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: d => d.score, maxLength: 20 }), list => {
        const detections = list.map(d => detection(d.x, d.y, d.side, d.score))
        const kept = suppress(detections)
        kept.forEach((a, i) =>
          kept.slice(i + 1).forEach(b => expect(intersectionOverUnion(a.box, b.box)).toBeLessThanOrEqual(0.45)),
        )
        expect(suppress([...detections].reverse())).toEqual(kept)
      }),
    )
  })
})
