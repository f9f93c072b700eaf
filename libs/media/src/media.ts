import type {
  DecodedImage,
  DecodeRgbOptions,
  ImageProbe,
  JobOptions,
  RenderedImage,
  RenderImageJob,
} from './image-types.js'
import type { LiveMarkers } from './live-photo.js'
import type { Sniffed } from './sniff.js'
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

/** What one file may cost. Beyond a limit the file fails with its code and its child is ended; neighbours go on. */
export interface MediaLimits {
  /** Pixels of one still image. Default 100,000,000. */
  maxPixels: number
  /** Pixels of one video frame. Default 40,000,000 (8K is 33 million). */
  maxVideoPixels: number
  /** Resident memory of an image child, MiB. Default 1,536. */
  imageMemoryMiB: number
  /** Resident memory of a video child, MiB. Default 1,536. */
  videoMemoryMiB: number
  /** Wall clock of one image job, ms. Default 60,000. */
  imageTimeoutMs: number
  /** Wall clock of a probe, a poster or a loudness pass, ms. Default 60,000. */
  videoTimeoutMs: number
  /** Wall clock of a transcode, ms. Default 1,800,000. */
  transcodeTimeoutMs: number
}

/** How many children, and how long they stay. */
export interface MediaOptions {
  /** Children that decode stills at the same time. Default: as many as cores, at most 4. */
  imageChildren?: number
  /**
   * Niceness of the children that decode stills, 0 to 19 (Linux). Default 5: whoever waits for an answer comes before them, and they before the models.
   * One more child, five less nice, is started for a family that would else wait behind another one's stills: see `nextJob`.
   */
  imageNiceness?: number
  /** Children that work on videos at the same time. Default 1. */
  videoChildren?: number
  /** An idle child is ended after this long, ms. Default 30,000. */
  idleMs?: number
  limits?: Partial<MediaLimits>
}

/**
 * Reads photos and videos in child processes, so that no file can hurt the service that asks. Every method takes a local file, looks at its
 * bytes and never at its name, and fails with a KeepsakeError whose reason is one of `mediaFailures` when the file is the matter,
 * CANCELLED when the signal was aborted.
 */
export interface Media {
  /** What a file is, from its bytes. */
  sniff(file: string): Promise<Sniffed>
  /** Header facts of a still image. */
  probeImage(file: string, options?: JobOptions): Promise<ImageProbe>
  /** One decode: thumbnail, preview, blur hash, perceptual hashes, quality figures. */
  renderImage(job: RenderImageJob, options?: JobOptions): Promise<RenderedImage>
  /** Upright sRGB pixels. */
  decodeRgb(file: string, options?: DecodeRgbOptions & JobOptions): Promise<DecodedImage>
  /** What pairs a still with its clip, and the clip inside a motion photo. */
  liveMarkers(file: string, options?: JobOptions): Promise<LiveMarkers>
  /** Writes the clip inside a motion photo to `target`; false when there is none. */
  motionPhotoVideo(file: string, target: string, options?: JobOptions): Promise<boolean>

  probeVideo(file: string, options?: JobOptions): Promise<VideoProbe>
  /** One upright frame of a video; `renderImage({ source: frame })` makes renditions of it. */
  posterFrame(file: string, options?: PosterOptions): Promise<VideoFrame>
  /** Upright RGB frames in the order of time. Leaving the loop early stops the child's work. */
  frames(file: string, options?: FramesOptions): AsyncIterable<VideoFrame>
  /** Writes an MP4 that plays everywhere to `target`: at most 720p, H.264 + AAC, faststart, upright, SDR, without metadata. Packets that fit already are copied, not encoded again. */
  transcodePlayback(file: string, target: string, options?: TranscodeOptions): Promise<TranscodeResult>
  loudness(file: string, options?: JobOptions): Promise<Loudness>
  /** Stereo sound of the first audio track, or undefined when there is none. */
  extractAudio(file: string, options?: ExtractAudioOptions): Promise<AudioClip | undefined>

  /** Process ids and resident memory of the children that live now. */
  children(): { pid: number; kind: 'image' | 'video'; rssMiB: number; busy: boolean }[]
  /** Ends idle children now (they come back by themselves). */
  release(): void
  /** Ends everything; jobs under way fail with CANCELLED. */
  close(): Promise<void>
}
