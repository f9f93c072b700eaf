import { expect, test } from 'vitest'
import { blendReference, overlayReference, planesReference, resampleReference } from './kernel-reference.js'
import { Kernel, yuvBytes, type Yuv } from './kernel.js'
import { randomFrom } from './random.js'

const noise = (length: number, seed: number): Uint8Array => {
  const random = randomFrom(seed)
  return Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

function reference(
  bytes: Uint8Array,
  width: number,
  height: number,
  window: { x: number; y: number; w: number; h: number },
  tw: number,
  th: number,
): Uint8Array {
  const out: number[] = []
  let at = 0
  for (const s of [1, 2, 2]) {
    const plane = { bytes: bytes.subarray(at, at + (width * height) / (s * s)), width: width / s, height: height / s }
    out.push(
      ...resampleReference(
        plane,
        { x: window.x / s, y: window.y / s, w: window.w / s, h: window.h / s },
        tw / s,
        th / s,
      ).bytes,
    )
    at += plane.bytes.length
  }
  return Uint8Array.from(out)
}

test.each([
  [192, 108, { x: 0, y: 0, w: 192, h: 108 }, 160, 90],
  [192, 108, { x: 3.37, y: 2.71, w: 180.2, h: 101.3 }, 160, 90],
  [100, 130, { x: -1.5, y: 40.25, w: 99, h: 88.5 }, 82, 74],
  [60, 40, { x: 10, y: 10, w: 20, h: 12 }, 102, 62],
])('WASM resamples %i x %i as the plain code does, to the byte', (width, height, window, tw, th) => {
  const kernel = new Kernel(256)
  const source = kernel.picture(width, height)
  const target = kernel.picture(tw, th)
  const bytes = noise(yuvBytes(width, height), width)
  kernel.bytes(source).set(bytes)
  kernel.resample(source, window, target)
  expect(Buffer.compare(kernel.bytes(target), reference(bytes, width, height, window, tw, th))).toBe(0)
})

test('a step that the kernel cannot take is refused, not drawn wrongly', () => {
  const kernel = new Kernel(64)
  expect(() => kernel.resample(kernel.picture(128, 64), { x: 0, y: 0, w: 128, h: 64 }, kernel.picture(64, 64))).toThrow(
    RangeError,
  )
})

test('fades, layers and colour conversion equal the plain code to the byte', () => {
  const kernel = new Kernel(64)
  const [width, height] = [48, 32]
  const pictures = Array.from({ length: 5 }, () => kernel.picture(width, height))
  const [a, b, target, colour, mask] = pictures as [Yuv, Yuv, Yuv, Yuv, Yuv]
  const all = pictures.map((p, i) => {
    const bytes = noise(yuvBytes(width, height), i)
    kernel.bytes(p).set(bytes)
    return bytes
  }) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  for (const weight of [0, 1, 77, 128, 255, 256]) {
    kernel.blend(a, b, target, weight)
    expect(Buffer.compare(kernel.bytes(target), blendReference(all[0], all[1], weight))).toBe(0)
  }
  for (const opacity of [0, 100, 256]) {
    kernel.bytes(target).set(all[2])
    const expected = all[2].slice()
    kernel.overlay(target, { colour, mask, x: 0, y: 0 }, opacity)
    overlayReference(expected, all[3], all[4], opacity)
    expect(Buffer.compare(kernel.bytes(target), expected)).toBe(0)
  }
  const rgb = noise(width * height * 3, 9)
  const at = kernel.reserve(rgb.length)
  kernel.view(at, rgb.length).set(rgb)
  kernel.planesFromRgb(at, target)
  expect(Buffer.compare(kernel.bytes(target), planesReference(rgb, width, height))).toBe(0)
})

test('black, white and grey land on the limits of BT.709 limited range', () => {
  const planes = planesReference(Uint8Array.from([0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255]), 2, 2)
  expect([...planes]).toEqual([16, 235, 16, 235, 128, 128])
})

test('a moving dot is drawn where it should be: sub-pixel error under 0.02 px, no step back', () => {
  const kernel = new Kernel(640)
  const source = kernel.picture(768, 432)
  const target = kernel.picture(640, 360)
  const bytes = new Uint8Array(yuvBytes(768, 432)).fill(128)
  for (let y = 0; y < 432; y++)
    for (let x = 0; x < 768; x++)
      bytes[y * 768 + x] = 16 + 200 * Math.exp(-((x + 0.5 - 500) ** 2 + (y + 0.5 - 216) ** 2) / 72)
  kernel.bytes(source).set(bytes)
  const errors: number[] = []
  let before = -Infinity
  for (let k = 0; k < 36; k++) {
    const zoom = 1 + (0.06 * k) / 35
    const window = { x: 0, y: 0, w: 768 / zoom, h: 432 / zoom }
    kernel.resample(source, window, target)
    const luma = kernel.bytes(target)
    let sum = 0
    let weighted = 0
    for (let y = 0; y < 360; y++) {
      for (let x = 0; x < 640; x++) {
        const v = Math.max(0, luma[y * 640 + x]! - 18)
        sum += v
        weighted += v * (x + 0.5)
      }
    }
    const at = weighted / sum
    errors.push(Math.abs(at - (500 * zoom * 640) / 768))
    expect(at).toBeGreaterThan(before)
    before = at
  }
  expect(Math.max(...errors)).toBeLessThan(0.02)
})
