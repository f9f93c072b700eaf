import { availableParallelism } from 'node:os'
import { ChildPool } from './child-pool.js'
import { frameStream } from './frame-stream.js'
import type {
  DecodedImage,
  DecodeRgbOptions,
  ImageProbe,
  JobOptions,
  RenderedImage,
  RenderImageJob,
} from './image-types.js'
import type { LiveMarkers } from './live-photo.js'
import type { Media, MediaLimits, MediaOptions } from './media.js'
import type { Sniffed } from './sniff.js'
import { sniffFile } from './sniff-file.js'
import type {
  AudioClip,
  ExtractAudioOptions,
  FramesOptions,
  Loudness,
  PosterOptions,
  TranscodeOptions,
  TranscodeResult,
  VideoFrame,
  VideoProbe,
} from './video-types.js'

/** Limits that hold where `MediaOptions.limits` says nothing; see `MediaLimits` for the units. */
export const defaultLimits: MediaLimits = {
  maxPixels: 100_000_000,
  maxVideoPixels: 40_000_000,
  imageMemoryMiB: 1536,
  videoMemoryMiB: 1536,
  imageTimeoutMs: 60_000,
  videoTimeoutMs: 60_000,
  transcodeTimeoutMs: 1_800_000,
}

/** As many decoders of stills as there are cores, at most 4: one works on one core, and keeps 100 to 400 MiB. */
export const defaultImageChildren = () => Math.min(4, availableParallelism())

/** Makes the pools; no child is started before the first job. Close it when the service stops. */
export function openMedia(options: MediaOptions = {}): Media {
  return new PooledMedia(options)
}

class PooledMedia implements Media {
  private readonly limits: MediaLimits
  private readonly images: ChildPool
  private readonly videos: ChildPool

  constructor(options: MediaOptions) {
    this.limits = { ...defaultLimits, ...options.limits }
    const { idleMs = 30_000, imageNiceness = 5 } = options
    this.images = new ChildPool({
      script: new URL('./image-child.js', import.meta.url),
      kind: 'image',
      guests: 1,
      niceness: imageNiceness,
      guestNiceness: Math.max(0, imageNiceness - 5),
      size: options.imageChildren ?? defaultImageChildren(),
      idleMs,
      memoryMiB: this.limits.imageMemoryMiB,
    })
    this.videos = new ChildPool({
      script: new URL('./video-child.js', import.meta.url),
      kind: 'video',
      guests: 0,
      niceness: 10,
      guestNiceness: 10,
      size: options.videoChildren ?? 1,
      idleMs,
      memoryMiB: this.limits.videoMemoryMiB,
    })
  }

  sniff(file: string): Promise<Sniffed> {
    return sniffFile(file)
  }

  probeImage(file: string, options: JobOptions = {}): Promise<ImageProbe> {
    return this.image('probe', { file, maxPixels: this.limits.maxPixels }, options)
  }

  renderImage(job: RenderImageJob, options: JobOptions = {}): Promise<RenderedImage> {
    return this.image('render', { job, maxPixels: this.limits.maxPixels }, options)
  }

  decodeRgb(file: string, options: DecodeRgbOptions & JobOptions = {}): Promise<DecodedImage> {
    const { maxSide, rotation } = options
    const { maxPixels } = this.limits
    return this.image('rgb', { file, options: { maxSide, rotation }, maxPixels }, options)
  }

  liveMarkers(file: string, options: JobOptions = {}): Promise<LiveMarkers> {
    return this.image('liveMarkers', { file }, options)
  }

  motionPhotoVideo(file: string, target: string, options: JobOptions = {}): Promise<boolean> {
    return this.image('motionPhotoVideo', { file, target }, options)
  }

  probeVideo(file: string, options: JobOptions = {}): Promise<VideoProbe> {
    return this.video('probe', { file }, options)
  }

  posterFrame(file: string, options: PosterOptions = {}): Promise<VideoFrame> {
    const { atS, maxSide = 2048, rotation = 0 } = options
    return this.video('poster', { file, atS, maxSide, rotation }, options)
  }

  frames(file: string, options: FramesOptions = {}): AsyncIterable<VideoFrame> {
    const { everyS, timestamps, maxSide = 1280, maxFrames = 600, rotation = 0 } = options
    const input = { file, everyS, timestamps, maxSide, maxFrames, rotation, maxPixels: this.limits.maxVideoPixels }
    const timeoutMs = options.timeoutMs ?? this.limits.transcodeTimeoutMs
    return frameStream(
      (onItem, signal) => this.videos.run({ name: 'frames', input, timeoutMs, family: options.family, signal, onItem }),
      options.signal,
    )
  }

  transcodePlayback(file: string, target: string, options: TranscodeOptions = {}): Promise<TranscodeResult> {
    const { rotation = 0, onProgress } = options
    const timeoutMs = options.timeoutMs ?? this.limits.transcodeTimeoutMs
    return this.video('transcode', { file, target, rotation }, { ...options, timeoutMs }, onProgress)
  }

  loudness(file: string, options: JobOptions = {}): Promise<Loudness> {
    return this.video('loudness', { file }, options)
  }

  async extractAudio(file: string, options: ExtractAudioOptions = {}): Promise<AudioClip | undefined> {
    const { startS = 0, durationS = 600, sampleRate = 48_000 } = options
    const clip = await this.video<{ data: Uint8Array } | undefined>(
      'audio',
      { file, startS, durationS: Math.min(600, durationS), sampleRate },
      options,
    )
    if (!clip) return undefined
    const { buffer, byteOffset, byteLength } = clip.data
    const aligned = byteOffset % 4 === 0 ? buffer : clip.data.slice().buffer
    return {
      samples: new Float32Array(aligned, byteOffset % 4 === 0 ? byteOffset : 0, byteLength / 4),
      sampleRate,
      channels: 2,
    }
  }

  children(): { pid: number; kind: 'image' | 'video'; rssMiB: number; busy: boolean }[] {
    return [...this.images.list(), ...this.videos.list()]
  }

  release(): void {
    this.images.release()
    this.videos.release()
  }

  async close(): Promise<void> {
    await Promise.all([this.images.close(), this.videos.close()])
  }

  private image<T>(name: string, input: unknown, { timeoutMs, signal, family }: JobOptions): Promise<T> {
    const call = { name, input, timeoutMs: timeoutMs ?? this.limits.imageTimeoutMs, signal, family }
    return this.images.run(call) as Promise<T>
  }

  private video<T>(
    name: string,
    input: object,
    { timeoutMs, signal, family }: JobOptions,
    onProgress?: (share: number) => void,
  ): Promise<T> {
    const limited = { ...input, maxPixels: this.limits.maxVideoPixels }
    const call = {
      name,
      input: limited,
      timeoutMs: timeoutMs ?? this.limits.videoTimeoutMs,
      signal,
      family,
      onProgress,
    }
    return this.videos.run(call) as Promise<T>
  }
}
