import type { LiveMarkers } from './live-photo.js'

/** Interleaved 8-bit sRGB, three bytes a pixel, rows without padding: `data.length === width * height * 3`. */
export interface RgbImage {
  data: Uint8Array
  width: number
  height: number
}

/** Degrees clockwise that a person added on top of what the file says. */
export type Rotation = 0 | 90 | 180 | 270

/** Still-image formats that are decoded (`jxl` is known, but ends in UNSUPPORTED_FORMAT). */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'heic' | 'gif' | 'tiff' | 'jxl'

/** A rendition: WebP without any metadata. */
export interface Rendition {
  data: Uint8Array
  contentType: 'image/webp'
  width: number
  height: number
}

/**
 * Raw figures about the look of a picture, measured on its preview (long side at most 1024 px, so that they compare across cameras).
 * They are not yet a judgement: ingest weighs them, with the subject where faces are known.
 */
export interface QualityFigures {
  /** Variance of the Laplacian of luma (0..255 scale) over the whole picture; below about 60 a photo looks soft, above 300 crisp. */
  sharpness: number
  /** The same per cell, row by row from the top left: `columns * rows` values. The subject's cells may be weighted by whoever knows faces. */
  sharpnessGrid: { columns: number; rows: number; values: number[] }
  /** Mean luma, 0 black to 1 white. */
  brightness: number
  /** Standard deviation of luma, 0..0.5. */
  contrast: number
  /** Share of pixels with luma <= 4 of 255. */
  clippedDark: number
  /** Share of pixels with luma >= 251 of 255. */
  clippedBright: number
  /** Hasler and Süsstrunk's M3 (2003): 0 grey, 15 slightly, 33 averagely, 59 quite, 109 extremely colourful. */
  colourfulness: number
  /** Share of pixels that equal their right neighbour exactly: near 0 for photos, high for screenshots and drawings. */
  flatShare: number
  /** Share of near-white, colourless pixels: high for receipts and documents. */
  paperShare: number
}

/** What a decode is asked for. */
export interface RenderImageJob {
  /** A local file, or pixels that are decoded already (a video's poster frame). */
  source: string | RgbImage
  /** A person's correction, on top of the file's own orientation. */
  rotation?: Rotation
}

/** Everything that comes out of one decode. */
export interface RenderedImage {
  /** What the bytes are, whatever the file is called; absent when the source was pixels. */
  format?: ImageFormat
  /** Size as shown: after the file's orientation and the given rotation. */
  width: number
  height: number
  /** Short side about 320 px, long side at most 640 px. */
  thumbnail: Rendition
  /** Long side at most 2048 px. */
  preview: Rendition
  blurhash: string
  /** 64 bits as 16 hex digits. Hamming distance <= 6 of 64: near duplicate. */
  dHash: string
  /** DCT based, 64 bits as 16 hex digits; steadier against tone changes than dHash. */
  pHash: string
  quality: QualityFigures
  /** Frames or pages in the file; only the first (HEIC: the primary image) is used. */
  pages: number
  hasAlpha: boolean
  /** The file has flaws that decoders step over (a bad marker, a wrong checksum); it is shown all the same. */
  flawed: boolean
  /** Of a JPEG or HEIC file: what it says about moving pictures that belong to it. */
  live?: LiveMarkers
}

/** What a header tells, without decoding pixels. */
export interface ImageProbe {
  format: ImageFormat
  contentType: string
  /** As stored, before orientation. */
  storedWidth: number
  storedHeight: number
  /** As shown. */
  width: number
  height: number
  pages: number
  hasAlpha: boolean
}

export interface DecodeRgbOptions {
  /** Long side of the answer at most, px. Default: the picture's own size. Pictures are never enlarged. */
  maxSide?: number
  rotation?: Rotation
}

/** A decoded picture and the size it has in full, so that boxes found in it can be given as shares. */
export interface DecodedImage extends RgbImage {
  fullWidth: number
  fullHeight: number
}

/** Common to every job: when to give up. */
export interface JobOptions {
  /** Wall-clock limit in ms; default from `MediaLimits`. */
  timeoutMs?: number
  signal?: AbortSignal
  /** Whose file it is: families take turns at the children. */
  family?: string
}
