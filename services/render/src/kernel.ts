/** The compositor's inner loops in WASM SIMD, and the memory they work in. Built by kernel/build.mjs. */
import { readFileSync } from 'node:fs'
import { COLUMN_UNIT, ROW_UNIT, cubicTaps } from './kernel-tables.js'

/** A yuv420p picture in the kernel's memory: planes Y, U, V without padding. Width and height are even. */
export interface Yuv {
  at: number
  width: number
  height: number
}

/** A coloured layer with a mask for each plane, placed at an even position of a frame. */
export interface Layer {
  colour: Yuv
  mask: Yuv
  x: number
  y: number
}

interface Exports {
  memory: WebAssembly.Memory
  resample(
    src: number,
    sourceStride: number,
    sourceRows: number,
    dst: number,
    dstStride: number,
    width: number,
    height: number,
    base: number,
    table: number,
    ring: number,
    ringStride: number,
    rowBase: number,
    rowWeights: number,
  ): void
  blend(a: number, b: number, dst: number, length: number, weight: number): void
  overlay(
    dst: number,
    dstStride: number,
    colour: number,
    mask: number,
    width: number,
    height: number,
    opacity: number,
  ): void
  planes(rgb: number, width: number, height: number, dst: number): void
}

/** Loads and stores of 16 bytes may run over the end of a picture by so much. */
const PADDING = 64
/** Eight outputs and their taps must lie within 16 source bytes: 7 * step + 5 <= 16. */
const MOST_STEP = 1.5
const PAGE = 65_536

/** Bytes of a yuv420p picture. */
export const yuvBytes = (width: number, height: number): number => (width * height * 3) / 2

/** One instance for each job; not shared between films that are made at the same time. */
export class Kernel {
  private readonly wasm: Exports
  private top = PAGE
  private readonly tables: {
    columns: number
    rows: number
    base: number
    table: number
    ring: number
    rowBase: number
    rowWeights: number
  }

  /** `longest`: the longest side in pixels that `resample` will be asked to make. */
  constructor(longest: number) {
    const module = new WebAssembly.Module(readFileSync(new URL('./film.wasm', import.meta.url)))
    this.wasm = new WebAssembly.Instance(module).exports as unknown as Exports
    const groups = Math.ceil(longest / 8) + 1
    this.tables = {
      columns: longest,
      rows: longest,
      base: this.reserve(groups * 4),
      table: this.reserve(groups * 128),
      ring: this.reserve(groups * 16 * 4),
      rowBase: this.reserve(longest * 4),
      rowWeights: this.reserve(longest * 8),
    }
  }

  /** Bytes of WASM memory in use. */
  get size(): number {
    return this.top
  }

  /** Reserves a picture that stays for the life of the kernel. */
  picture(width: number, height: number): Yuv {
    return { at: this.reserve(yuvBytes(width, height)), width, height }
  }

  /** Reserves bytes that stay for the life of the kernel. */
  reserve(bytes: number): number {
    const at = Math.ceil(this.top / 64) * 64
    this.top = at + bytes + PADDING
    const missing = Math.ceil(this.top / PAGE) - this.wasm.memory.buffer.byteLength / PAGE
    if (missing > 0) this.wasm.memory.grow(missing)
    return at
  }

  /** A view of a picture's bytes. It is dead after the next `reserve` or `picture`. */
  bytes(picture: Yuv): Uint8Array {
    return this.view(picture.at, yuvBytes(picture.width, picture.height))
  }

  /** A view of reserved bytes; as short-lived as `bytes`. */
  view(at: number, length: number): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer, at, length)
  }

  /** A copy of a picture in memory of its own, safe to hand to an encoder that has not finished with it. */
  copyOut(picture: Yuv, target: Buffer): void {
    target.set(this.bytes(picture))
  }

  /** sRGB bytes (already at `rgb` in this memory) to BT.709 limited planes. */
  planesFromRgb(rgb: number, target: Yuv): void {
    this.wasm.planes(rgb, target.width, target.height, target.at)
  }

  /** Bicubic resample of a window (in pixels of the source, fractions allowed) to all of `target`. */
  resample(source: Yuv, window: { x: number; y: number; w: number; h: number }, target: Yuv): void {
    let from = source.at
    let to = target.at
    for (const scale of [1, 2, 2]) {
      const [sw, sh, tw, th] = [
        source.width / scale,
        source.height / scale,
        target.width / scale,
        target.height / scale,
      ]
      this.fillTables(sw, tw, th, window.x / scale, window.y / scale, window.w / scale / tw, window.h / scale / th)
      const t = this.tables
      const ringStride = (Math.ceil(t.columns / 8) + 1) * 16
      this.wasm.resample(from, sw, sh, to, tw, tw, th, t.base, t.table, t.ring, ringStride, t.rowBase, t.rowWeights)
      from += sw * sh
      to += tw * th
    }
  }

  /** Mixes `a` and `b` into `target`; weight 0..256 is the share of `b`. */
  blend(a: Yuv, b: Yuv, target: Yuv, weight: number): void {
    this.wasm.blend(a.at, b.at, target.at, yuvBytes(a.width, a.height), weight)
  }

  /** Lays a layer over a frame; opacity 0..256. */
  overlay(frame: Yuv, layer: Layer, opacity: number): void {
    const { colour, mask } = layer
    let dst = frame.at
    let offset = 0
    for (const scale of [1, 2, 2]) {
      const stride = frame.width / scale
      const [w, h] = [colour.width / scale, colour.height / scale]
      const at = dst + (layer.y / scale) * stride + layer.x / scale
      this.wasm.overlay(at, stride, colour.at + offset, mask.at + offset, w, h, opacity)
      dst += stride * (frame.height / scale)
      offset += w * h
    }
  }

  /** Copies a smaller picture into a frame at an even position. */
  paste(picture: Yuv, frame: Yuv, x: number, y: number): void {
    const memory = new Uint8Array(this.wasm.memory.buffer)
    let from = picture.at
    let to = frame.at
    for (const scale of [1, 2, 2]) {
      const [w, h, stride] = [picture.width / scale, picture.height / scale, frame.width / scale]
      for (let row = 0; row < h; row++) {
        const start = from + row * w
        memory.copyWithin(to + (y / scale + row) * stride + x / scale, start, start + w)
      }
      from += w * h
      to += stride * (frame.height / scale)
    }
  }

  private fillTables(
    sourceWidth: number,
    width: number,
    height: number,
    x: number,
    y: number,
    stepX: number,
    stepY: number,
  ): void {
    if (stepX > MOST_STEP) throw new RangeError(`a step of ${stepX} source pixels is too large for the kernel`)
    const memory = this.wasm.memory.buffer
    const groups = Math.ceil(width / 8)
    const base = new Int32Array(memory, this.tables.base, groups)
    const masks = new Uint8Array(memory, this.tables.table, groups * 128)
    const weights = new Int16Array(memory, this.tables.table, groups * 64)
    const taps = cubicTaps(width, x, stepX, ROW_UNIT)
    const last = sourceWidth - 1
    for (let g = 0; g < groups; g++) {
      const low = Math.min(Math.max(taps.first[g * 8]!, 0), last)
      base[g] = low
      for (let lane = 0; lane < 8; lane++) {
        const i = Math.min(g * 8 + lane, width - 1)
        for (let k = 0; k < 4; k++) {
          masks[g * 128 + k * 16 + lane] = Math.min(Math.max(taps.first[i]! + k, 0), last) - low
          weights[g * 64 + 32 + k * 8 + lane] = taps.weights[i * 4 + k]!
        }
      }
    }
    const rows = cubicTaps(height, y, stepY, COLUMN_UNIT)
    new Int32Array(memory, this.tables.rowBase, height).set(rows.first)
    new Int16Array(memory, this.tables.rowWeights, height * 4).set(rows.weights)
  }
}
