import { expect, test } from 'vitest'
import { videoFrame } from './video-frame.js'

const ticks = { pts: 0n, timeBase: { num: 1, den: 30 } }

test.each([
  [330, 250, 8],
  [640, 360, 8],
  [330, 250, 10],
] as const)('a frame of %i x %i keeps its %i bit pixels when the buffer behind them changes', (width, height, bits) => {
  const planes = Uint8Array.from({ length: (width * height * 3 * bits) / (bits === 8 ? 16 : 10) }, (_, i) => i % 251)
  const before = planes.slice()
  using frame = videoFrame(planes, { width, height, bits, ...ticks })
  planes.fill(99)
  expect(Buffer.compare(frame.toBuffer(), before)).toBe(0)
})

test('planes of another size are refused', () => {
  expect(() => videoFrame(new Uint8Array(10), { width: 4, height: 4, ...ticks })).toThrow('planes of 10 bytes')
})
