// AssemblyScript (not TypeScript): the inner loops of the compositor, compiled to WASM SIMD by build.mjs.
// src/kernel-reference.ts says the same in plain TypeScript; a test holds the two equal to the byte.

/**
 * One source row to one row of 16-bit sums, eight outputs at a time. A group of eight outputs reads 16 source bytes from its
 * base on, so the step (source pixels per output) must stay below 1.5. Weights are Q6 (four taps sum to 64).
 * Table of a group, 128 bytes: four swizzle masks of 16 bytes, then four rows of eight 16-bit weights.
 */
function horizontal(src: usize, dst: usize, groups: i32, base: usize, table: usize): void {
  for (let g = 0; g < groups; g++) {
    const pixels = v128.load(src + load<i32>(base + ((<usize>g) << 2)))
    const t = table + ((<usize>g) << 7)
    let sum = i16x8.mul(i16x8.extend_low_i8x16_u(i8x16.swizzle(pixels, v128.load(t))), v128.load(t, 64))
    sum = i16x8.add(sum, i16x8.mul(i16x8.extend_low_i8x16_u(i8x16.swizzle(pixels, v128.load(t, 16))), v128.load(t, 80)))
    sum = i16x8.add(sum, i16x8.mul(i16x8.extend_low_i8x16_u(i8x16.swizzle(pixels, v128.load(t, 32))), v128.load(t, 96)))
    sum = i16x8.add(
      sum,
      i16x8.mul(i16x8.extend_low_i8x16_u(i8x16.swizzle(pixels, v128.load(t, 48))), v128.load(t, 112)),
    )
    v128.store(dst + ((<usize>g) << 4), sum)
  }
}

/** The ring slot that holds a source row; rows outside the picture repeat its edge. */
function ringRow(ring: usize, stride: i32, row: i32, rows: i32): usize {
  return ring + <usize>((min(max(row, 0), rows - 1) & 3) * stride)
}

/**
 * Separable bicubic resample of one 8-bit plane: rows are filtered once into a ring of four, then mixed with Q13 weights.
 * q15mulr rounds (sum * weight) / 2^15, which leaves a scale of 16; the last shift takes it away.
 */
export function resample(
  src: usize,
  sourceStride: i32,
  sourceRows: i32,
  dst: usize,
  dstStride: i32,
  width: i32,
  height: i32,
  base: usize,
  table: usize,
  ring: usize,
  ringStride: i32,
  rowBase: usize,
  rowWeights: usize,
): void {
  const groups = (width + 7) >> 3
  let done = -1
  for (let y = 0; y < height; y++) {
    const first = load<i32>(rowBase + ((<usize>y) << 2))
    const need = min(first + 3, sourceRows - 1)
    for (let row = max(done + 1, max(first, 0)); row <= need; row++) {
      horizontal(src + <usize>(row * sourceStride), ring + <usize>((row & 3) * ringStride), groups, base, table)
    }
    done = max(done, need)
    const r0 = ringRow(ring, ringStride, first, sourceRows)
    const r1 = ringRow(ring, ringStride, first + 1, sourceRows)
    const r2 = ringRow(ring, ringStride, first + 2, sourceRows)
    const r3 = ringRow(ring, ringStride, first + 3, sourceRows)
    const w = rowWeights + ((<usize>y) << 3)
    const w0 = i16x8.splat(load<i16>(w)),
      w1 = i16x8.splat(load<i16>(w, 2))
    const w2 = i16x8.splat(load<i16>(w, 4)),
      w3 = i16x8.splat(load<i16>(w, 6))
    const half = i16x8.splat(8)
    const out = dst + <usize>(y * dstStride)
    for (let x: usize = 0; x < <usize>(groups << 4); x += 16) {
      let sum = i16x8.q15mulr_sat_s(v128.load(r0 + x), w0)
      sum = i16x8.add(sum, i16x8.q15mulr_sat_s(v128.load(r1 + x), w1))
      sum = i16x8.add(sum, i16x8.q15mulr_sat_s(v128.load(r2 + x), w2))
      sum = i16x8.add(sum, i16x8.q15mulr_sat_s(v128.load(r3 + x), w3))
      sum = i16x8.shr_s(i16x8.add(sum, half), 4)
      v128.store_lane<u64>(out + (x >> 1), i8x16.narrow_i16x8_u(sum, sum), 0)
    }
  }
}

/** Cross-fade of two frames: (a * (256 - weight) + b * weight + 128) >> 8; length is rounded up to 16 bytes. */
export function blend(a: usize, b: usize, dst: usize, length: i32, weight: i32): void {
  const wb = i16x8.splat(<i16>weight),
    wa = i16x8.splat(<i16>(256 - weight)),
    half = i16x8.splat(128)
  for (let i: usize = 0; i < <usize>length; i += 16) {
    const x = v128.load(a + i),
      y = v128.load(b + i)
    const low = i16x8.shr_u(
      i16x8.add(
        i16x8.add(i16x8.mul(i16x8.extend_low_i8x16_u(x), wa), i16x8.mul(i16x8.extend_low_i8x16_u(y), wb)),
        half,
      ),
      8,
    )
    const high = i16x8.shr_u(
      i16x8.add(
        i16x8.add(i16x8.mul(i16x8.extend_high_i8x16_u(x), wa), i16x8.mul(i16x8.extend_high_i8x16_u(y), wb)),
        half,
      ),
      8,
    )
    v128.store(dst + i, i8x16.narrow_i16x8_u(low, high))
  }
}

/** Lays a coloured layer over a plane of `width` x `height`: dst += (colour - dst) * mask * opacity, opacity in 0..256. */
export function overlay(
  dst: usize,
  dstStride: i32,
  colour: usize,
  mask: usize,
  width: i32,
  height: i32,
  opacity: i32,
): void {
  for (let y = 0; y < height; y++) {
    const out = dst + <usize>(y * dstStride)
    const row = <usize>(y * width)
    for (let x: usize = 0; x < <usize>width; x++) {
      const m = <i32>load<u8>(mask + row + x)
      if (m == 0) continue
      const d = <i32>load<u8>(out + x)
      const w = (m * opacity) >> 8
      store<u8>(out + x, <u8>(d + (((<i32>load<u8>(colour + row + x) - d) * w + 128) >> 8)))
    }
  }
}

/**
 * Interleaved sRGB bytes to BT.709 limited-range planes; chroma is the mean of 2 x 2 pixels. Width and height are even.
 * Weights are Q16 of 219/255 * Kr,Kg,Kb and 224/255 * the chroma rows.
 */
export function planes(rgb: usize, width: i32, height: i32, dst: usize): void {
  const n = width * height
  for (let i = 0; i < n; i++) {
    const p = rgb + <usize>(i * 3)
    store<u8>(
      dst + <usize>i,
      <u8>((<i32>load<u8>(p) * 11966 + <i32>load<u8>(p, 1) * 40254 + <i32>load<u8>(p, 2) * 4064 + 1081344) >> 16),
    )
  }
  let u = dst + <usize>n
  let v = u + <usize>(n >> 2)
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const p = rgb + <usize>((y * width + x) * 3),
        q = p + <usize>(width * 3)
      const r = <i32>load<u8>(p) + <i32>load<u8>(p, 3) + <i32>load<u8>(q) + <i32>load<u8>(q, 3)
      const g = <i32>load<u8>(p, 1) + <i32>load<u8>(p, 4) + <i32>load<u8>(q, 1) + <i32>load<u8>(q, 4)
      const b = <i32>load<u8>(p, 2) + <i32>load<u8>(p, 5) + <i32>load<u8>(q, 2) + <i32>load<u8>(q, 5)
      store<u8>(u++, <u8>(((-6596 * r - 22188 * g + 28784 * b + 131072) >> 18) + 128))
      store<u8>(v++, <u8>(((28784 * r - 26145 * g - 2639 * b + 131072) >> 18) + 128))
    }
  }
}
