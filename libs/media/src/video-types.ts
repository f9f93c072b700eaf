import type { JobOptions, RgbImage, Rotation } from './image-types.js'

/** Containers that are read. */
export type VideoContainer = 'mp4' | 'mov' | 'mkv' | 'webm'

/** What a video file holds. */
export interface VideoProbe {
  container: VideoContainer
  contentType: string
  /** Seconds: the longest track, as players and ExifTool show it. */
  durationS: number
  /** Seconds that the picture lasts; shorter than `durationS` where sound or subtitles go on. */
  pictureS: number
  /** As stored, before rotation. */
  storedWidth: number
  storedHeight: number
  /** As shown: after rotation and with square pixels. */
  width: number
  height: number
  /** Degrees clockwise that the picture must be turned to stand upright. */
  rotation: Rotation
  videoCodec: string
  /** Average frames a second. */
  fps: number
  /** HDR transfer (PQ or HLG). */
  hdr: boolean
  /** A few packets of the first hundred cannot be decoded; players step over them. */
  flawed: boolean
  audio: { codec: string; channels: number; sampleRate: number; language?: string }[]
  /** The container's creation time in UTC; absent when it is unset (0 = 1904-01-01) or not a date. */
  createdAt?: Date
  /** What phones write. */
  quickTime: {
    /** com.apple.quicktime.content.identifier: pairs the clip with the still of a live photo. */
    contentIdentifier?: string
    /** com.apple.quicktime.creationdate as written, with its offset: `2026-03-23T15:57:19+0100`. */
    creationDate?: string
    make?: string
    model?: string
    software?: string
    location?: { latitude: number; longitude: number; altitude?: number }
  }
  /** All container tags, cut to 100 entries and 1,000 characters each. */
  tags: Record<string, string>
}

/** One picture of a video. */
export interface VideoFrame extends RgbImage {
  /** Seconds from the start of the video. */
  timeS: number
}

export interface FramesOptions extends JobOptions {
  /** A frame every so many seconds, from 0 on ... */
  everyS?: number
  /** ... or the frames shown at these times (seconds, ascending). */
  timestamps?: readonly number[]
  /** Long side at most, px. Default 1280. */
  maxSide?: number
  /** Most frames that come out; the rest is left out. Default 600. */
  maxFrames?: number
  /** A person's correction on top of the file's rotation. */
  rotation?: Rotation
}

export interface PosterOptions extends JobOptions {
  /** Seconds; default: the best of a few early frames (not black, sharp). */
  atS?: number
  /** Long side at most, px. Default 2048. */
  maxSide?: number
  rotation?: Rotation
}

export interface TranscodeOptions extends JobOptions {
  /** A person's correction on top of the file's rotation, baked in. */
  rotation?: Rotation
  /** 0..1, at most ten times a second. */
  onProgress?: (share: number) => void
}

/** What `transcodePlayback` did. */
export interface TranscodeResult {
  /**
   * False: the original plays everywhere as it is (upright 8-bit H.264 of 720p or less, AAC or no sound, MP4 or MOV), so its packets were copied into
   * the new file without loss and without its metadata.
   */
  encoded: boolean
  /** Of the file written. */
  width: number
  height: number
  durationS: number
  /** Bytes written. */
  size: number
  /** Packets that could not be decoded. */
  flaws: number
  /** How much each second moves, 0 still to 1 everything (see motion.ts); measured on the pictures that were decoded anyway where they were. */
  motion: number[]
}

/** Loudness over time, for finding the second worth hearing. */
export interface Loudness {
  /** RMS per second of the first audio track, dBFS, -90 for silence. Empty when there is no sound. */
  rmsDb: number[]
  /** Peak per second, dBFS. */
  peakDb: number[]
}

export interface ExtractAudioOptions extends JobOptions {
  /** Seconds from the start; default 0. */
  startS?: number
  /** Seconds; default to the end, at most 600. */
  durationS?: number
  /** Hz; default 48,000. */
  sampleRate?: number
}

/** Stereo sound: interleaved 32-bit floats, left first. */
export interface AudioClip {
  samples: Float32Array
  sampleRate: number
  channels: 2
}
