import { expect, test } from 'vitest'
import { MotionMeter, type LumaPlane } from './motion.js'

const [width, height] = [320, 180]

/** A picture of soft blobs, `shift` pixels to the side; rows padded as decoders pad them. */
function plane(shift: number, strength = 1, noise = 0): LumaPlane {
  const stride = 352
  const data = new Uint8Array(stride * height).fill(255)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wave = Math.sin((x + shift) / 23) * Math.cos(y / 17 + (x + shift) / 41)
      const grain = noise * (((x * 7919 + y * 104729 + shift * 31) % 17) / 8 - 1)
      data[y * stride + x] = 128 + 100 * strength * wave + grain
    }
  }
  return { data, stride, width, height }
}

function meter(shiftAt: (timeS: number) => number, seconds: number, fps = 25, strength = 1, noise = 0): number[] {
  const motion = new MotionMeter()
  for (let i = 0; i < seconds * fps; i++) motion.take(plane(shiftAt(i / fps), strength, noise), i / fps)
  return motion.perSecond()
}

test('a still half and a moving half are told apart, by the second', () => {
  const motion = meter(t => Math.max(0, t - 2) * 60, 4)
  expect(motion).toHaveLength(4)
  for (const m of motion.slice(0, 2)) expect(m).toBe(0)
  for (const m of motion.slice(2)) expect(m).toBeGreaterThan(0.15)
})

test('faster is more, and a picture that is another one each time moves as much as can be', () => {
  const [slow = 0] = meter(t => t * 20, 1)
  const [fast = 0] = meter(t => t * 100, 1)
  const [cuts = 0] = meter(t => Math.floor(t * 5) * 7777, 1)
  expect(slow).toBeGreaterThan(0.02)
  expect(fast).toBeGreaterThan(2 * slow)
  expect(cuts).toBeGreaterThan(0.7)
  expect(cuts).toBeLessThanOrEqual(1)
})

test('a flat picture moves as much as a rich one of the same motion, and grain in the dark is hardly any', () => {
  const [rich = 0] = meter(t => t * 60, 1)
  const [flat = 0] = meter(t => t * 60, 1, 25, 0.3)
  expect(flat).toBeCloseTo(rich, 1)
  const [dark = 1] = meter(t => Math.round(t * 25), 1, 25, 0, 6)
  expect(dark).toBeLessThan(0.1)
})

test('the frame rate does not decide', () => {
  const [film = 0] = meter(t => t * 60, 1, 24)
  const [phone = 0] = meter(t => t * 60, 1, 60)
  expect(phone).toBeCloseTo(film, 1)
})

test('one picture is no motion', () => {
  const motion = new MotionMeter()
  motion.take(plane(0), 0)
  expect(motion.perSecond()).toEqual([])
})
