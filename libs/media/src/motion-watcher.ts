import { Decoder } from 'node-av/api'
import type { Frame, Packet } from 'node-av/lib'
import type { MotionMeter } from './motion.js'
import { secondsOf, type VideoInput } from './video-input.js'

/** Work that the motion of a copied video may cost, milliseconds: it is a nicety, and the time for the whole copy is limited. */
const watchBudgetMs = 60_000

/** Shows a picture of 8-bit luma to the meter, if it wants one of that time (seconds). */
export function lookAt(motion: MotionMeter, frame: Frame, timeS: number): void {
  if (!motion.wants(timeS)) return
  const { width, height, linesize } = frame
  const [data] = frame.data ?? []
  const [stride] = linesize
  if (data && stride) motion.take({ data, stride, width, height }, timeS)
}

/**
 * Looks at the pictures of a stream that is copied. They are decoded for nothing else, so without what only beauty needs: the loop filter, and
 * the pictures that no other refers to. What cannot be decoded is not looked at. Where the meter wants no more, or the work has taken longer
 * than its budget, it ends for good; what was measured until then stays.
 */
export class MotionWatcher {
  private spentMs = 0
  private over = false

  private constructor(
    private readonly input: VideoInput,
    private readonly motion: MotionMeter,
    private readonly decoder: Decoder,
    private readonly now: () => number,
  ) {}

  /** `now` is a clock in milliseconds. */
  static async open(
    input: VideoInput,
    motion: MotionMeter,
    now: () => number = () => performance.now(),
  ): Promise<MotionWatcher> {
    const options = { skip_loop_filter: 'all', skip_frame: 'noref' }
    const decoder = await Decoder.create(input.video, { exitOnError: false, threadCount: 2, options })
    return new MotionWatcher(input, motion, decoder, now)
  }

  /** Whether it looks at nothing more. */
  get ended(): boolean {
    return this.over
  }

  /** Looks at the next packet of the video stream. */
  async take(packet: Packet): Promise<void> {
    if (this.over) return
    if (this.spentMs >= watchBudgetMs || this.motion.ends(secondsOf(this.input, this.input.video, packet.pts)))
      return this.close()
    const from = this.now()
    for (const frame of await this.decoder.decodeAll(packet).catch(() => [])) {
      lookAt(this.motion, frame, secondsOf(this.input, this.input.video, frame.pts))
      frame.free()
    }
    this.spentMs += this.now() - from
  }

  /** Ends the looking and frees the decoder; may be called again. */
  close(): void {
    if (this.over) return
    this.over = true
    this.decoder.close()
  }
}
