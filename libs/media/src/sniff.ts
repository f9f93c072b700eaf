/** What the first bytes of a file say it is. */
export type Sniffed =
  | { kind: 'image'; format: ImageKind; contentType: string }
  | { kind: 'video'; format: VideoKind; contentType: string }
  | { kind: 'other'; format: OtherKind; contentType: string }
  | { kind: 'empty' }
  | { kind: 'unknown' }
export type ImageKind = 'jpeg' | 'png' | 'webp' | 'avif' | 'heic' | 'gif' | 'tiff' | 'jxl'
export type VideoKind = 'mp4' | 'mov' | 'mkv' | 'webm'
export type OtherKind = string
