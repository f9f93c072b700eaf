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
 * not aligned as its vector code wants them. The copy is FFmpeg's too: a Buffer over a frame's plane keeps the plane until it is collected, and
 * nothing tells the collector how large that is. Throws a RangeError when `planes` has another size than the picture.
 */
export function videoFrame(planes: Uint8Array, props: VideoFrameProps): Frame {
  const { width, height, bits = 8 } = props
  const size = (width * height * 3 * (bits === 8 ? 1 : 2)) / 2
  if (planes.length !== size) throw new RangeError(`planes of ${planes.length} bytes for a frame of ${size}`)
  const format = bits === 8 ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUV420P10LE
  const frame = new Frame()
  frame.alloc()
  frame.width = width
  frame.height = height
  frame.format = format
  frame.pts = props.pts
  frame.timeBase = new Rational(props.timeBase.num, props.timeBase.den)
  FFmpegError.throwIfError(frame.getBuffer(), 'allocate a frame')
  const bytes = Buffer.from(planes.buffer, planes.byteOffset, planes.length)
  using pointing = Frame.fromVideoBuffer(bytes, { width, height, format, timeBase: props.timeBase })
  FFmpegError.throwIfError(frame.copy(pointing), 'fill a frame')
  return frame
}
