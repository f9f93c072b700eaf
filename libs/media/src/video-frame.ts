import { AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE } from 'node-av/constants'
import { FFmpegError, Frame, Rational } from 'node-av/lib'

/** What a frame for an encoder is made of. */
export interface VideoFrameProps {
  /** Pixels; both even. */
  width: number
  height: number
  /** Default: 8 bits a sample; 10: little-endian words. */
  bits?: 8 | 10
  /** In units of `timeBase`. */
  pts: bigint
  /** Seconds of one tick, as a fraction. */
  timeBase: { num: number; den: number }
}

/**
 * A 4:2:0 frame whose pixels FFmpeg owns, copied from tightly packed planes (Y, U, V). `Frame.fromVideoBuffer` of node-av 6.1.1 lets the frame
 * point into the JavaScript buffer instead: an encoder on another thread then reads memory that may have been collected, and rows that are
 * not aligned as its vector code wants them. Throws a RangeError when `planes` has another size than the picture.
 */
export function videoFrame(planes: Uint8Array, props: VideoFrameProps): Frame {
  const { width, height, bits = 8 } = props
  const sample = bits === 8 ? 1 : 2
  const size = (width * height * 3 * sample) / 2
  if (planes.length !== size) throw new RangeError(`planes of ${planes.length} bytes for a frame of ${size}`)
  const frame = new Frame()
  frame.alloc()
  frame.width = width
  frame.height = height
  frame.format = bits === 8 ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUV420P10LE
  frame.pts = props.pts
  frame.timeBase = new Rational(props.timeBase.num, props.timeBase.den)
  FFmpegError.throwIfError(frame.getBuffer(), 'allocate a frame')
  const { data, linesize } = frame
  let at = 0
  for (const [plane, columns, rows] of [
    [0, width, height],
    [1, width / 2, height / 2],
    [2, width / 2, height / 2],
  ] as const) {
    const target = data?.[plane]
    const stride = linesize[plane]
    if (!target || !stride) throw new Error(`the frame has no plane ${plane}`)
    const row = columns * sample
    if (stride === row) target.set(planes.subarray(at, at + row * rows))
    else for (let y = 0; y < rows; y++) target.set(planes.subarray(at + y * row, at + (y + 1) * row), y * stride)
    at += row * rows
  }
  return frame
}
